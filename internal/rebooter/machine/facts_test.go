package machine

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/check"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// stuck is a sentinel on a file system that does not answer.
type stuck struct{ looks, release chan struct{} }

func (s stuck) Check(context.Context) (state, message string) {
	s.looks <- struct{}{}
	<-s.release
	return rebooter.SentinelNotRequired, "at last"
}

func (stuck) Changes() <-chan struct{} { return nil }

func TestAHostThatHangsIsAskedOnceAndToldInTime(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	m := newMachine(t, Options{})
	sentinel := stuck{make(chan struct{}, 100), make(chan struct{})}
	m.sentinel = sentinel
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		got := m.Facts(ctx)
		cancel()
		if got.Sentinel != rebooter.SentinelUnknown || len(got.Methods) != 1 || got.Methods[0].Obstacle == "" {
			t.Errorf("%+v", got)
		}
	}
	if len(sentinel.looks) != 1 {
		t.Errorf("%d looks at a host that hangs", len(sentinel.looks))
	}
	close(sentinel.release)
	await.True(t, "the host is looked at again", func() bool { return m.Facts(t.Context()).Sentinel == rebooter.SentinelNotRequired })
}

func TestAllSentinelsCount(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	const required, notRequired, unknown = rebooter.SentinelRequired, rebooter.SentinelNotRequired, rebooter.SentinelUnknown
	for name, test := range map[string]struct {
		files       []string
		options     Options
		want        string
		wantMessage string
	}{
		"by mistake there is none": {want: unknown, wantMessage: "none of --sentinel, "},
		"on purpose there is none": {options: Options{NoSentinel: true}, want: notRequired, wantMessage: "no sentinel is installed"},
		"a newer kernel": {
			files: []string{
				"lib/modules/6.1.0-9-amd64/x", "boot/vmlinuz-6.1.0-9-amd64", "lib/modules/6.1.0-18-amd64/x", "boot/vmlinuz-6.1.0-18-amd64",
				"run/x",
			},
			options: Options{
				SentinelKernel: true, Sentinels: []string{"/run/reboot-needed"},
			}, want: required, wantMessage: "6.1.0-18-amd64 is installed",
		},
		"no kernels, which hides that there is no file": {
			files: []string{"run/x"}, options: Options{SentinelKernel: true, Sentinels: []string{"/run/reboot-needed"}}, want: unknown,
			wantMessage: "which kernels are installed",
		},
		"kernels of an image": {
			files: []string{
				"etc/os-release", "lib/modules/6.1.0-9-amd64/x", "boot/vmlinuz-6.1.0-9-amd64",
			}, options: Options{SentinelKernel: true}, want: unknown,
			wantMessage: "updated as a whole",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, file := range test.files {
				writeFile(t, filepath.Join(root, file), "ID=flatcar")
			}
			writeFile(t, filepath.Join(root, "proc", "sys", "kernel", "osrelease"), "6.1.0-9-amd64\n")
			writeFile(t, filepath.Join(root, "proc", "stat"), "btime 1000000000\n")
			test.options.Root, test.options.HostRoot = root, root
			got := facts(t, test.options)
			if got.Sentinel != test.want || !strings.Contains(got.SentinelMessage, test.wantMessage) {
				t.Errorf("%s %q, want %s %q", got.Sentinel, got.SentinelMessage, test.want, test.wantMessage)
			}
		})
	}
}

func TestAFileOfTheHostAsksForAReboot(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	file := filepath.Join(t.TempDir(), "reboot-needed")
	m := newMachine(t, Options{Sentinels: []string{file}})
	if got := m.Facts(t.Context()); got.Sentinel != rebooter.SentinelNotRequired {
		t.Errorf("%+v", got)
	}
	writeFile(t, file, "")
	await.Receive(t, "a hint about the file", m.Changes())
	if got := m.Facts(t.Context()); got.Sentinel != rebooter.SentinelRequired || got.SentinelMessage != file+" exists" {
		t.Errorf("%+v", got)
	}
}

func TestTheSentinelCommandIsRunAndGivesHints(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	m := newMachine(t, Options{Sentinel: SentinelCommand{
		Program: check.Program{
			Command:   []string{script(t, "echo a new kernel; exit 77")},
			ExitCodes: map[int]string{77: rebooter.SentinelRequired}, Timeout: time.Minute,
		},
		Interval: time.Hour,
	}})
	await.Receive(t, "a hint that the command ended", m.Changes())
	got := m.Facts(t.Context())
	if got.Sentinel != rebooter.SentinelRequired || !strings.Contains(got.SentinelMessage, "exit status 77: a new kernel") {
		t.Errorf("%+v", got)
	}
}
