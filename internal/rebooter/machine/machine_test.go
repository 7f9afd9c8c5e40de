package machine

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/check"
)

// fakeProc makes a root with these files.
func fakeProc(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, "proc", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func newMachine(t *testing.T, options Options) *Machine {
	t.Helper()
	if options.Method == "" {
		options.Method = rebooter.MethodLogind
	}
	options.After = time.After
	m, err := New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fakeMethod notes a reboot.
type fakeMethod func()

func (fakeMethod) obstacle(context.Context, *busFacts) obstacle { return obstacle{} }

func (f fakeMethod) reboot(_ context.Context, via string) (string, error) {
	f()
	return via, nil
}

func TestWhichMethodReboots(t *testing.T) {
	signal := []string{rebooter.MethodSignal}
	for name, test := range map[string]struct {
		method  string
		allowed []string
		want    string
		wantErr string
	}{
		"none named":                {method: "", want: "Logind"},
		"the installed one by name": {method: rebooter.MethodLogind, want: "Logind"},
		"another that is allowed":   {method: rebooter.MethodSignal, allowed: signal, want: "Signal"},
		"another that is not": {
			method:  rebooter.MethodCommand,
			wantErr: "reboot method Command is not allowed on this node: the helper was installed with Logind",
		},
		"yet another that is not": {method: rebooter.MethodCommand, allowed: signal, wantErr: "installed with Logind, Signal"},
		"one that does not exist": {method: "Hammer", wantErr: "reboot method Hammer is not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			host := newMachine(t, Options{Allowed: test.allowed})
			var got string
			for name := range host.methods {
				host.methods[name] = fakeMethod(func() { got += name })
			}
			_, err := host.Reboot(t.Context(), rebooter.Order{Method: test.method})
			if got != test.want {
				t.Errorf("rebooted by %q, want %q", got, test.want)
			}
			if (err != nil) != (test.wantErr != "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("error %v, want %q", err, test.wantErr)
			}
		})
	}
}

func TestADryRunDoesNotReboot(t *testing.T) {
	host := newMachine(t, Options{DryRun: true, Log: slog.New(slog.DiscardHandler)})
	host.methods[rebooter.MethodLogind] = fakeMethod(func() { t.Error("rebooted") })
	if _, err := host.Reboot(t.Context(), rebooter.Order{}); err != nil {
		t.Error(err)
	}
}

func TestHostOptionsAreChecked(t *testing.T) {
	codes := map[int]string{1: rebooter.SentinelRequired}
	for name, options := range map[string]Options{
		"no method":                {},
		"Installed is no method":   {Method: "Installed"},
		"an unknown one allowed":   {Method: rebooter.MethodLogind, Allowed: []string{"Hammer"}},
		"Command needs a command":  {Method: rebooter.MethodCommand},
		"Command allowed needs it": {Method: rebooter.MethodLogind, Allowed: []string{rebooter.MethodCommand}},
		"a relative command":       {Method: rebooter.MethodCommand, Command: []string{"reboot"}},
		"a sentinel command that is not sound": {
			Method: rebooter.MethodLogind, Sentinel: SentinelCommand{Program: check.Program{ExitCodes: codes}, Interval: time.Hour},
		},
		"no interval": {
			Method:   rebooter.MethodLogind,
			Sentinel: SentinelCommand{Program: check.Program{Command: []string{"/bin/true"}, ExitCodes: codes, Timeout: time.Minute}},
		},
		"a relative sentinel":    {Method: rebooter.MethodLogind, Sentinels: []string{"run/reboot-required"}},
		"a sentinel in the root": {Method: rebooter.MethodLogind, Sentinels: []string{"/reboot-required"}},
		"a sentinel and none":    {Method: rebooter.MethodLogind, Sentinels: []string{"/run/reboot-required"}, NoSentinel: true},
		"kernels and none":       {Method: rebooter.MethodLogind, SentinelKernel: true, NoSentinel: true},
	} {
		if _, err := New(t.Context(), options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
