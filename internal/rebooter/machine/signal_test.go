package machine

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// signalingMachine is one whose process 1 is systemd, and notes the signals that systemd gets.
func signalingMachine(t *testing.T, kexecLoaded string, signals *[]syscall.Signal, failure error) *Machine {
	t.Helper()
	root := fakeProc(t, map[string]string{"1/comm": "systemd\n"})
	writeFile(t, filepath.Join(root, "sys", "kernel", "kexec_loaded"), kexecLoaded)
	m := newMachine(t, Options{Method: rebooter.MethodSignal, Root: root})
	m.methods[rebooter.MethodSignal] = &signaling{m, func(pid int, signal syscall.Signal) error {
		if pid != 1 {
			t.Errorf("process %d was signaled", pid)
		}
		*signals = append(*signals, signal)
		return failure
	}}
	return m
}

func TestSystemdIsSignaledToTakeThePathThatIsReported(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	for name, test := range map[string]struct {
		via, loaded, wantVia string
		want                 syscall.Signal
	}{
		"nothing is ordered":       {loaded: "1\n", wantVia: "Firmware", want: 39},
		"firmware":                 {via: "Firmware", loaded: "1\n", wantVia: "Firmware", want: 39},
		"kexec":                    {via: "Kexec", loaded: "1\n", wantVia: "Kexec", want: 40},
		"kexec without a kernel":   {via: "Kexec", loaded: "0\n", wantVia: "Firmware", want: 39},
		"a path that is not known": {via: "Warm", loaded: "1\n", wantVia: "Firmware", want: 39},
	} {
		var signals []syscall.Signal
		via, err := signalingMachine(t, test.loaded, &signals, nil).Reboot(t.Context(), rebooter.Order{Via: test.via})
		if err != nil || via != test.wantVia || len(signals) != 1 || signals[0] != test.want {
			t.Errorf("%s: via %q, error %v, signals %d", name, via, err, signals)
		}
	}
	var signals []syscall.Signal
	via, err := signalingMachine(t, "1\n", &signals, syscall.EPERM).Reboot(t.Context(), rebooter.Order{Via: "Kexec"})
	if via != "" || !errors.Is(err, syscall.EPERM) || errors.Is(err, rebooter.ErrUncertain) {
		t.Errorf("a signal that is refused: via %q, error %v", via, err)
	}
}

// The deadline may pass while the bus is asked for locks.
func TestSystemdIsNotSignaledAfterTheDeadline(t *testing.T) {
	serveBadly(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var signals []syscall.Signal
	_, err := signalingMachine(t, "0\n", &signals, nil).Reboot(ctx, rebooter.Order{})
	if err == nil || errors.Is(err, rebooter.ErrUncertain) || len(signals) > 0 {
		t.Errorf("error %v, signals %d", err, signals)
	}
}
