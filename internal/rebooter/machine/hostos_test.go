package machine

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

const talos = "NAME=\"Talos\"\nID=talos\nVERSION_ID=v1.9.0\nPRETTY_NAME=\"Talos (v1.9.0)\"\n"

// needed is a sentinel that asks for a reboot.
type needed struct{}

func (needed) Check(context.Context) (state, message string) { return rebooter.SentinelRequired, "" }
func (needed) Changes() <-chan struct{}                      { return nil }

func TestAHostThatSystemdNeverRebootsIsUnsupported(t *testing.T) {
	for name, test := range map[string]struct {
		release  string
		systemd  bool
		want     string
		wantKind rebooter.ObstacleKind
	}{
		"Talos": {talos, false, "Talos (v1.9.0) (os-release ID talos) cannot be rebooted by systemd: it has none, and no system bus",
			rebooter.ObstacleUnsupported},
		"Bottlerocket, which has systemd": {"ID=bottlerocket\nPRETTY_NAME='Bottlerocket OS 1.20'\n", true,
			"Bottlerocket OS 1.20 (os-release ID bottlerocket) cannot be rebooted by systemd: its SELinux policy", rebooter.ObstacleUnsupported},
		"Alpine": {"ID=alpine\nPRETTY_NAME=\"Alpine Linux v3.20\"\n", false,
			"Alpine Linux v3.20 (os-release ID alpine) cannot be rebooted by systemd: it has none", rebooter.ObstacleUnsupported},
		"one without systemd": {
			"ID=devuan\nPRETTY_NAME=\"Devuan\"\n", false, "Devuan (os-release ID devuan) is not run by systemd",
			rebooter.ObstacleUnsupported,
		},
		"one that does not say what it is": {
			"", false, "this host is not run by systemd, as there is no /run/systemd/system", rebooter.ObstacleUnsupported,
		},
		"one whose bus is missing": {"ID=debian\nPRETTY_NAME=\"Debian\"\n", true, "there is no system bus: ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
			root := t.TempDir()
			writeFile(t, filepath.Join(root, "run", "x"), "")
			if test.release != "" {
				writeFile(t, filepath.Join(root, "usr", "lib", "os-release"), test.release)
			}
			if test.systemd {
				writeFile(t, filepath.Join(root, "run", "systemd", "system", "x"), "")
			}
			m := newMachine(t, Options{HostRoot: root})
			m.sentinel = needed{}
			got := m.Facts(t.Context())
			if len(got.Methods) != 1 || got.Methods[0].Kind != test.wantKind || !strings.HasPrefix(got.Methods[0].Obstacle, test.want) {
				t.Errorf("%+v, want %s %q", got.Methods, test.wantKind, test.want)
			}
			// Its need for a reboot is reported nevertheless.
			if got.Sentinel != rebooter.SentinelRequired {
				t.Errorf("sentinel %s", got.Sentinel)
			}
		})
	}
}

// Without the host's /run nothing is known about it.
func TestAHostThatIsNotMountedIsNotSaidToBeUnsupported(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	if got := facts(t, Options{HostRoot: t.TempDir()}).Methods[0]; got.Kind != "" || got.Obstacle == "" {
		t.Errorf("%+v", got)
	}
}

// A host that others reboot by another way of asking logind is not refused.
func TestAHostThatLogindCanRebootIsSupportedWhateverItIs(t *testing.T) {
	startBus(t, &busLogind{can: "yes"})
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "etc", "os-release"), "ID=bottlerocket\n")
	if got := facts(t, Options{HostRoot: root}).Methods[0]; got.Obstacle != "" {
		t.Errorf("%+v", got)
	}
}

func TestWhatAHostRuns(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  operatingSystem
	}{
		"nothing": {},
		"Debian": {
			map[string]string{"etc/os-release": "# comment\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nID_LIKE=x\n"},
			operatingSystem{"debian", "Debian GNU/Linux 12"},
		},
		"the first file counts": {map[string]string{"etc/os-release": "ID=a\n", "usr/lib/os-release": "ID=b\n"}, operatingSystem{id: "a"}},
		"a copy of systemd": {map[string]string{"run/systemd/propagate/.os-release-stage/os-release": "ID='fedora'\nPRETTY_NAME=Fedora"},
			operatingSystem{"fedora", "Fedora"}},
		"quotes":                   {map[string]string{"etc/os-release": `PRETTY_NAME="a \"b\" \$c"` + "\n"}, operatingSystem{name: `a "b" $c`}},
		"quotes that do not match": {map[string]string{"etc/os-release": "ID=\"a'\nPRETTY_NAME=xbx\n"}, operatingSystem{id: `"a'`, name: "xbx"}},
		"a single quote":           {map[string]string{"etc/os-release": "ID=\"\nPRETTY_NAME=b\n"}, operatingSystem{id: `"`, name: "b"}},
		"no name, in quotes":       {map[string]string{"etc/os-release": "ID=\"\"\nPRETTY_NAME=''\n"}, operatingSystem{}},
		"one quote":                {map[string]string{"etc/os-release": "ID=\"\n"}, operatingSystem{id: `"`}},
		"hostile": {
			map[string]string{"etc/os-release": "PRETTY_NAME=\"a\x1b[31m\x00b" + strings.Repeat("x", 5000) + "\"\nID"},
			operatingSystem{name: "a [31m b" + strings.Repeat("x", 117) + "..."},
		},
	} {
		root := t.TempDir()
		for path, content := range test.files {
			writeFile(t, filepath.Join(root, path), content)
		}
		if got := newMachine(t, Options{HostRoot: root}).operatingSystem(); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestOnARealBusWhatHostnamedSaysIsCleanAndNotTooLong(t *testing.T) {
	startBus(t, &busLogind{can: "yes", os: "a\x1b[31m" + strings.Repeat("x", 500)})
	got := newMachine(t, Options{HostRoot: systemdHost(t)}).Facts(t.Context()).HostOS
	if want := "a [31m" + strings.Repeat("x", 119) + "..."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOnARealBusHostnamedSaysWhatAHostRuns(t *testing.T) {
	startBus(t, &busLogind{can: "yes", os: "Ubuntu 22.04.5 LTS"})
	root := systemdHost(t)
	m := newMachine(t, Options{HostRoot: root})
	if got := m.Facts(t.Context()).HostOS; got != "Ubuntu 22.04.5 LTS" {
		t.Errorf("%q", got)
	}
	writeFile(t, filepath.Join(root, "etc", "os-release"), "PRETTY_NAME=\"Ubuntu 24.04 LTS\"\n")
	if got := m.Facts(t.Context()).HostOS; got != "Ubuntu 24.04 LTS" {
		t.Errorf("%q", got)
	}
}
