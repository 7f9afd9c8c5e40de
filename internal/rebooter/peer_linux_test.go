package rebooter

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestThePeerOfAnOpenUnixSocketIsKnown(t *testing.T) {
	// The directory of the test may have too long a name for a socket.
	directory, err := os.MkdirTemp("", "peer") //nolint:usetesting // That is what this is for.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	listener, err := net.Listen("unix", filepath.Join(directory, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	open, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if uid, err := peerUID(open); err != nil || uid != uint32(os.Geteuid()) {
		t.Errorf("user %d, error %v", uid, err)
	}
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	pipe, _ := net.Pipe()
	for name, connection := range map[string]net.Conn{"closed": open, "never opened": &net.UnixConn{}, "no socket": pipe} {
		if uid, err := peerUID(connection); err == nil {
			t.Errorf("%s: user %d", name, uid)
		}
	}
}
