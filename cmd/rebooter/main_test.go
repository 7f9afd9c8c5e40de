package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/machine"
	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// parsed is how a rebooter parses the arguments that an installation gives it.
func parsed(t *testing.T, objects manifests.Rendered) flags {
	t.Helper()
	container, err := objects.Container("rebooter")
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	f, err := parse(container.Args, &output)
	if err != nil {
		t.Fatalf("arguments %q: %v\n%s", container.Args, err, output.String())
	}
	if _, err := machine.New(t.Context(), f.machine); err != nil {
		t.Fatalf("arguments %q: %v", container.Args, err)
	}
	return f
}

func TestEveryInstallationGivesArgumentsThatTheRebooterTakes(t *testing.T) {
	all, err := manifests.All()
	if err != nil {
		t.Fatal(err)
	}
	for name, objects := range all {
		t.Run(name, func(t *testing.T) {
			f := parsed(t, objects)
			if diff := cmp.Diff([]string{"/run/reboot-required", "/run/reboot-needed"}, f.machine.Sentinels); diff != "" {
				t.Errorf("sentinels (-want +got):\n%s", diff)
			}
			if kernel := strings.Contains(name, "sentinel-kernel"); f.machine.SentinelKernel != kernel {
				t.Errorf("kernels are compared: %t", f.machine.SentinelKernel)
			}
			if f.socket != rebooter.DefaultSocket || f.helperUID != rebooter.DefaultHelperUID {
				t.Errorf("flags %+v", f)
			}
			container, err := objects.Container("rebooter")
			if err != nil {
				t.Fatal(err)
			}
			for _, probe := range []*[]string{&container.LivenessProbe.Exec.Command, &container.StartupProbe.Exec.Command} {
				p, err := parse((*probe)[1:], &bytes.Buffer{})
				if err != nil || !p.probe || p.socket != f.socket || (*probe)[0] != container.Command[0] {
					t.Errorf("probe %q: error %v", *probe, err)
				}
			}
		})
	}
}

func TestWhatTheOverlaysInstall(t *testing.T) {
	type installed struct {
		Method   string
		Command  []string
		Sentinel []string
		Codes    map[int]string
		Host     bool
	}
	for name, want := range map[string]installed{
		"default":              {Method: rebooter.MethodLogind},
		"overlays/before-1.36": {Method: rebooter.MethodLogind},
		"overlays/signal":      {Method: rebooter.MethodSignal},
		"overlays/privileged-command": {
			Method: rebooter.MethodCommand, Command: []string{"/usr/bin/systemctl", "reboot"}, Host: true,
			Sentinel: []string{"/usr/bin/needs-restarting", "-r"},
			Codes:    map[int]string{0: rebooter.SentinelNotRequired, 1: rebooter.SentinelRequired},
		},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := manifests.Render(name)
			if err != nil {
				t.Fatal(err)
			}
			f := parsed(t, objects).machine
			got := installed{f.Method, f.Command, f.Sentinel.Command, f.Sentinel.ExitCodes, f.HostNamespaces}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("installed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestArgumentsThatMeanNothingAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"reboot"}, {"--hammer"}, {"--helper-uid=-1"}, {"--sentinel-exit-codes=1"}, {"--sentinel-timeout=soon"}, {"--sentinel-preset=apt"},
		{"--sentinel-preset=dnf", "--sentinel-preset=dnf5"}, {"--sentinel-exit-codes=127=Required"}, {"--sentinel-command-interval=soon"},
	} {
		if f, err := parse(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q: %+v", args, f)
		}
	}
}

func TestItCanBeAskedForItsVersion(t *testing.T) {
	if f, err := parse([]string{"--version"}, &bytes.Buffer{}); err != nil || !f.version {
		t.Errorf("flags %+v, error %v", f, err)
	}
}

func TestAPresetIsTheCommandOfADistribution(t *testing.T) {
	f, err := parse([]string{"--sentinel-preset=rpm-ostree", "--sentinel-timeout=2m", "--sentinel-kernel"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	got := f.machine.Sentinel
	if diff := cmp.Diff([]string{"/usr/bin/rpm-ostree", "status", "--pending-exit-77"}, got.Command); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
	if got.ExitCodes[77] != rebooter.SentinelRequired || got.Timeout != 2*time.Minute || !f.machine.SentinelKernel {
		t.Errorf("options %+v", f.machine)
	}
	if _, err := machine.New(t.Context(), f.machine); err != nil {
		t.Error(err)
	}
}

func TestACommandThatCannotBeTrustedIsRefusedAtTheStart(t *testing.T) {
	f, err := parse([]string{
		"--sentinel-command=/bin/sh", "--sentinel-command=-c", "--sentinel-command=! needs-restarting -r", "--sentinel-exit-codes=0=Required",
	}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := machine.New(t.Context(), f.machine); err == nil || !strings.Contains(err.Error(), "swap the exit codes") {
		t.Errorf("error %v", err)
	}
}
