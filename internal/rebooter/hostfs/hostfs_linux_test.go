package hostfs

import (
	"fmt"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// What a process was started from cannot be read anymore once it has ended, though its link is there until its parent has noticed.
func TestALinkThatCannotBeReadIsAnError(t *testing.T) {
	ended := exec.CommandContext(t.Context(), "true")
	if err := ended.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ended.Wait() }()
	if err := unix.Waitid(unix.P_PID, ended.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/proc/%d/exe", ended.Process.Pid)
	if resolved, err := Root("/").Resolve(path); err == nil || resolved != "" {
		t.Errorf("%s is %q, error %v", path, resolved, err)
	}
}
