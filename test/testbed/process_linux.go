package testbed

import "syscall"

// childAttributes makes the kernel end the child when the thread that started it ends, so that a killed test leaves nothing behind.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
