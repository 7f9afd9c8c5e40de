package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
)

// apt reads the files of a folder in the order of their names. A directory has them in any order.
func TestFilesOfAConfigurationAreInTheOrderOfTheirNames(t *testing.T) {
	root := t.TempDir()
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("/%02d", i))
	}
	for i := range want {
		if err := os.WriteFile(filepath.Join(root, want[(i*7+3)%len(want)]), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, filesOf(hostfs.Root(root), "/")); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/07"}, filesOf(hostfs.Root(root), "/07")); diff != "" {
		t.Errorf("a single file (-want +got):\n%s", diff)
	}
}

func TestOnARealBusWhatElseRebootsTheHostIsNoticed(t *testing.T) {
	const dnf = "it reboots this host if /etc/dnf/automatic.conf says reboot = when-needed or when-changed"
	for name, test := range map[string]struct {
		units     []string
		scheduled any
		files     map[string]string
		want      []string
	}{
		"nothing": {},
		"Flatcar": {
			units: []string{"locksmithd.service", "update-engine.service"},
			want:  []string{"locksmithd.service is active: it reboots this host after each update (Flatcar): mask it, or set REBOOT_STRATEGY=off"},
		},
		"several": {
			units: []string{"zincati.service", "rebootmgr.service"},
			want: []string{"rebootmgr.service is active: it reboots this host when an update asks for it (SUSE), unless its strategy is off",
				"zincati.service is active: it reboots this host to finish updates (Fedora CoreOS): disable its updates"},
		},
		"a configuration that is not known": {units: []string{"dnf-automatic.timer"}, want: []string{"dnf-automatic.timer is active: " + dnf}},
		"a configuration that reboots": {
			units: []string{"dnf-automatic.timer"}, files: map[string]string{"etc/dnf/automatic.conf": "[commands]\nreboot = when-needed\n"},
			want: []string{"dnf-automatic.timer is active: " + dnf},
		},
		"a configuration that does not": {
			units: []string{"dnf-automatic.timer"},
			files: map[string]string{"etc/dnf/automatic.conf": "[commands]\n# reboot = when-needed\nreboot = never\n"},
		},
		"apt, where nothing is known": {units: []string{"apt-daily-upgrade.timer"}},
		"apt, where a comment says so": {
			units: []string{"apt-daily-upgrade.timer"},
			files: map[string]string{"etc/apt/apt.conf.d/50unattended-upgrades": "//Unattended-Upgrade::Automatic-Reboot \"true\";\n"},
		},
		"apt, where a later file says it not": {units: []string{"apt-daily-upgrade.timer"}, files: map[string]string{
			"etc/apt/apt.conf.d/50unattended-upgrades": "Unattended-Upgrade::Automatic-Reboot \"true\";\n",
			"etc/apt/apt.conf.d/52local":               "Unattended-Upgrade::Automatic-Reboot \"false\";\n",
		}},
		"apt": {
			units: []string{"apt-daily-upgrade.timer"},
			files: map[string]string{"etc/apt/apt.conf.d/52local": "Unattended-Upgrade::Automatic-Reboot \"true\";\n"},
			want: []string{
				`apt-daily-upgrade.timer is active: unattended-upgrades reboots this host, as its configuration has Automatic-Reboot "true"`,
			},
		},
		"a plan": {
			scheduled: scheduled{Kind: "reboot", When: 1_795_000_000_000_000},
			want:      []string{"a reboot of this host is scheduled for 2026-11-18T11:06:40Z: shutdown -c cancels it"},
		},
		"a plan of another type": {scheduled: struct{ Kind, When string }{"reboot", "tomorrow"}},
	} {
		t.Run(name, func(t *testing.T) {
			startBus(t, &busLogind{can: "yes", units: test.units, scheduled: test.scheduled})
			root := systemdHost(t)
			for path, content := range test.files {
				writeFile(t, filepath.Join(root, path), content)
			}
			got := facts(t, Options{HostRoot: root})
			if diff := cmp.Diff(test.want, got.Notices); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
			if got.Methods[0].Obstacle != "" {
				t.Errorf("a notice is in the way: %+v", got.Methods)
			}
		})
	}
}

func TestABusWithoutSystemdGivesNoNotices(t *testing.T) {
	startBus(t, nil)
	got := facts(t, Options{HostRoot: systemdHost(t)})
	if len(got.Notices) > 0 || !strings.Contains(got.Methods[0].Obstacle, logindName) || got.Sentinel != rebooter.SentinelUnknown {
		t.Errorf("%+v", got)
	}
}
