//go:build !linux

package testbed

import "syscall"

// childAttributes keeps signals that are meant for the test away from the child.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
