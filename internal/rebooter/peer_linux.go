package rebooter

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// peerUID is the user at the other end of a Unix socket, as the kernel noted it when the connection was made.
func peerUID(connection net.Conn) (uint32, error) {
	unix, ok := connection.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a Unix socket")
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *syscall.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) {
		peer, peerErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, peerErr); err != nil {
		return 0, err
	}
	return peer.Uid, nil
}

func ownUID() uint32 { return uint32(os.Getuid()) }

// restrictNewFiles removes all rights of others from what is created until the returned function is called.
func restrictNewFiles() func() {
	before := syscall.Umask(0o117)
	return func() { syscall.Umask(before) }
}
