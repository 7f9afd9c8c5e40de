package kernel

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
)

// host makes a directory with the files and directories (names that end with a slash) of a host that booted this kernel. Everything was
// installed after the boot, unless that is in the future.
func host(t *testing.T, running string, booted time.Time, names ...string) Detector {
	t.Helper()
	root := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("proc/sys/kernel/osrelease", running+"\n")
	write("proc/stat", fmt.Sprintf("cpu 1 2 3\nbtime %d\nprocesses 3\n", booted.Unix()))
	for _, name := range names {
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(filepath.Join(root, name), 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		write(name, "image")
	}
	return Detector{Host: hostfs.Root(root), Proc: hostfs.Root(root)}
}

func TestARunningKernelIsComparedWithTheInstalledOnes(t *testing.T) {
	const required, notRequired, unknown = rebooter.SentinelRequired, rebooter.SentinelNotRequired, rebooter.SentinelUnknown
	hourAgo, tomorrow := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	for name, test := range map[string]struct {
		running     string
		booted      time.Time
		names       []string
		want        string
		wantMessage string
	}{
		"Debian, up to date": {
			running: "6.1.0-18-amd64", want: notRequired, wantMessage: "is the newest one installed",
			names: []string{"lib/modules/6.1.0-18-amd64/modules.dep", "boot/vmlinuz-6.1.0-18-amd64", "boot/vmlinuz-6.1.0-9-amd64",
				"lib/modules/6.1.0-9-amd64/modules.dep"},
		},
		"Debian, a newer one of two digits": {
			running: "6.1.0-9-amd64", want: required, wantMessage: "kernel 6.1.0-9-amd64 runs, and 6.1.0-18-amd64 is installed",
			names: []string{
				"lib/modules/6.1.0-18-amd64/", "boot/vmlinuz-6.1.0-18-amd64", "lib/modules/6.1.0-9-amd64/", "boot/vmlinuz-6.1.0-9-amd64",
			},
		},
		"Debian 13": {
			running: "6.12.9+deb13-amd64", want: required, wantMessage: "6.12.43+deb13-amd64 is installed",
			names: []string{"usr/lib/modules/6.12.43+deb13-amd64/", "boot/vmlinuz-6.12.43+deb13-amd64", "usr/lib/modules/6.12.9+deb13-amd64/"},
		},
		"Debian, what a removed kernel left": {
			running: "6.1.0-18-amd64", want: notRequired, wantMessage: "newest",
			names: []string{"lib/modules/6.1.0-20-amd64/updates/dkms/zfs.ko", "boot/vmlinuz-6.1.0-18-amd64", "lib/modules/6.1.0-18-amd64/"},
		},
		"Debian, another flavor": {
			running: "6.1.0-18-amd64", want: notRequired, wantMessage: "newest",
			names: []string{
				"lib/modules/6.1.0-20-cloud-amd64/", "boot/vmlinuz-6.1.0-20-cloud-amd64", "lib/modules/6.1.0-18-amd64/",
				"boot/vmlinuz-6.1.0-18-amd64",
			},
		},
		"Ubuntu": {
			running: "6.8.0-31-generic", want: required, wantMessage: "6.8.0-107-generic",
			names: []string{"lib/modules/6.8.0-31-generic/", "lib/modules/6.8.0-107-generic/", "boot/vmlinuz-6.8.0-107-generic",
				"boot/vmlinuz-6.8.0-31-generic"},
		},
		"Azure, where only a generic kernel is newer": {
			running: "5.15.0-1053-azure", want: notRequired, wantMessage: "newest",
			names: []string{
				"lib/modules/5.15.0-1053-azure/", "boot/vmlinuz-5.15.0-1053-azure", "lib/modules/6.8.0-31-generic/",
				"boot/vmlinuz-6.8.0-31-generic",
			},
		},
		"Azure, a new series": {
			running: "5.15.0-1053-azure", want: required, wantMessage: "6.8.0-1010-azure",
			names: []string{
				"lib/modules/5.15.0-1053-azure/", "boot/vmlinuz-5.15.0-1053-azure", "lib/modules/6.8.0-1010-azure/",
				"boot/vmlinuz-6.8.0-1010-azure",
			},
		},
		"RHEL 9, across minor releases": {
			running: "5.14.0-362.24.1.el9_3.x86_64", want: required, wantMessage: "5.14.0-427.13.1.el9_4.x86_64",
			names: []string{"usr/lib/modules/5.14.0-362.24.1.el9_3.x86_64/vmlinuz", "usr/lib/modules/5.14.0-427.13.1.el9_4.x86_64/vmlinuz"},
		},
		"RHEL 9, another variant": {
			running: "5.14.0-427.13.1.el9_4.x86_64", want: notRequired, wantMessage: "newest",
			names: []string{"usr/lib/modules/5.14.0-427.13.1.el9_4.x86_64/vmlinuz", "usr/lib/modules/5.14.0-503.el9_5.x86_64+debug/vmlinuz"},
		},
		"Fedora, the next release": {
			running: "6.8.11-300.fc40.x86_64", want: required, wantMessage: "6.9.4-200.fc41.x86_64",
			names: []string{"usr/lib/modules/6.8.11-300.fc40.x86_64/vmlinuz", "usr/lib/modules/6.9.4-200.fc41.x86_64/vmlinuz"},
		},
		"Amazon Linux 2023": {
			running: "6.1.94-99.176.amzn2023.x86_64", want: required, wantMessage: "6.1.102-108.177.amzn2023.x86_64",
			names: []string{"usr/lib/modules/6.1.94-99.176.amzn2023.x86_64/vmlinuz", "boot/vmlinuz-6.1.102-108.177.amzn2023.x86_64",
				"usr/lib/modules/6.1.102-108.177.amzn2023.x86_64/modules.dep"},
		},
		"SUSE": {
			running: "6.4.0-150600.21-default", want: required, wantMessage: "6.4.0-150600.23.25-default",
			names: []string{"usr/lib/modules/6.4.0-150600.21-default/vmlinuz", "usr/lib/modules/6.4.0-150600.23.25-default/Image"},
		},
		"Arch Linux, whose update removes the running kernel": {
			running: "6.9.1-arch1-1", want: required, wantMessage: "6.9.3-arch1-1 is installed",
			names: []string{"usr/lib/modules/6.9.3-arch1-1/vmlinuz", "usr/lib/modules/6.9.3-arch1-1/pkgbase", "boot/vmlinuz-linux"},
		},
		"Arch Linux, another flavor only": {
			running: "6.9.1-arch1-1", want: unknown, wantMessage: `no kernel of its flavor "arch" is installed completely`,
			names: []string{"usr/lib/modules/6.10.3-1-lts/vmlinuz"},
		},
		"kernel-install": {
			running: "6.8.0-31-generic", want: required, wantMessage: "6.8.0-35-generic",
			names: []string{"lib/modules/6.8.0-35-generic/", "boot/0123456789abcdef0123456789abcdef/6.8.0-35-generic/linux"},
		},
		"a downgrade": {
			running: "6.8.0-35-generic", want: unknown,
			wantMessage: "6.8.0-35-generic runs but is no longer installed; 6.8.0-31-generic is installed, and is not newer",
			names:       []string{"lib/modules/6.8.0-31-generic/", "boot/vmlinuz-6.8.0-31-generic"},
		},
		"a newer one that was there before this boot": {
			running: "6.8.0-31-generic", booted: tomorrow, want: unknown, wantMessage: "though 6.8.0-35-generic was installed before this boot",
			names: []string{
				"lib/modules/6.8.0-31-generic/", "lib/modules/6.8.0-35-generic/", "boot/vmlinuz-6.8.0-35-generic",
				"boot/vmlinuz-6.8.0-31-generic",
			},
		},
		"a custom kernel that is installed": {
			running: "6.9.1-ours", want: notRequired, wantMessage: "newest",
			names: []string{
				"lib/modules/6.9.1-ours/", "boot/vmlinuz-6.9.1-ours", "lib/modules/6.10.0-31-generic/", "boot/vmlinuz-6.10.0-31-generic",
			},
		},
		"a custom kernel that is not installed": {
			running: "6.9.1-ours", want: unknown, wantMessage: `no kernel of its flavor "ours"`,
			names: []string{"lib/modules/6.10.0-31-generic/", "boot/vmlinuz-6.10.0-31-generic"},
		},
		"an empty /boot": {
			running: "6.1.0-18-amd64", want: unknown, wantMessage: "no kernel of its flavor",
			names: []string{"lib/modules/6.1.0-18-amd64/modules.dep", "lib/modules/6.1.0-20-amd64/modules.dep", "boot/"},
		},
		"nothing is mounted": {running: "6.1.0-18-amd64", want: unknown, wantMessage: "which kernels are installed: "},
		"an image without modules": {
			running: "6.1.0-18-amd64", want: notRequired, wantMessage: "newest",
			names: []string{"lib/modules/6.1.0-18-amd64/", "boot/vmlinuz-6.1.0-18-amd64", "boot/vmlinuz-6.1.0-20-amd64"},
		},
		"ostree": {
			running: "6.8.11-300.fc40.x86_64", want: unknown, wantMessage: "updated as a whole",
			names: []string{"run/ostree-booted", "usr/lib/modules/6.8.11-300.fc40.x86_64/vmlinuz"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.booted.IsZero() {
				test.booted = hourAgo
			}
			state, message := host(t, test.running, test.booted, test.names...).Check()
			if state != test.want || !strings.Contains(message, test.wantMessage) {
				t.Errorf("%s %q, want %s %q", state, message, test.want, test.wantMessage)
			}
		})
	}
}

func TestOfKernelsThatAreEquallyNewTheLastOneThatWasInstalledCounts(t *testing.T) {
	booted := time.Now().Add(-time.Hour)
	before := installed{"6.8.5-1.el8.elrepo.x86_64", booted.Add(-time.Hour)}
	after := installed{"6.8.5-1.el9.elrepo.x86_64", booted.Add(time.Minute)}
	for _, kernels := range [][]installed{{before, after}, {after, before}} {
		if state, message := judge("6.8.4-1.el8.elrepo.x86_64", booted, kernels); state != rebooter.SentinelRequired {
			t.Errorf("of %v: %s %q", kernels, state, message)
		}
	}
}

func TestAHostThatIsUpdatedAsAWholeIsUnknown(t *testing.T) {
	d := host(t, "6.6.36-flatcar", time.Now().Add(-time.Hour), "usr/lib/modules/6.6.36-flatcar/vmlinuz")
	d.OS = "flatcar"
	if state, message := d.Check(); state != rebooter.SentinelUnknown {
		t.Errorf("%s %q", state, message)
	}
}

func TestAnEmptyImageIsNoKernel(t *testing.T) {
	d := host(
		t, "6.1.0-9-amd64", time.Now().Add(-time.Hour), "lib/modules/6.1.0-9-amd64/", "boot/vmlinuz-6.1.0-9-amd64",
		"lib/modules/6.1.0-18-amd64/",
	)
	if err := os.WriteFile(filepath.Join(string(d.Host), "boot", "vmlinuz-6.1.0-18-amd64"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if state, message := d.Check(); state != rebooter.SentinelNotRequired {
		t.Errorf("%s %q", state, message)
	}
}

func TestWithoutProcNothingIsKnown(t *testing.T) {
	for _, file := range []string{"proc/stat", "proc/sys/kernel/osrelease"} {
		d := host(t, "6.1.0-9-amd64", time.Now(), "lib/modules/6.1.0-9-amd64/", "boot/vmlinuz-6.1.0-9-amd64")
		if err := os.Remove(filepath.Join(string(d.Proc), file)); err != nil {
			t.Fatal(err)
		}
		if state, message := d.Check(); state != rebooter.SentinelUnknown || !strings.Contains(message, "which kernel runs") {
			t.Errorf("%s: %s %q", file, state, message)
		}
	}
}

func TestReleasesAreOrderedByAge(t *testing.T) {
	for _, ordered := range [][]release{
		{"6.1.0-9-amd64", "6.1.0-18-amd64", "6.1.0-100-amd64", "6.9.7+bpo-amd64", "6.12.9+deb13-amd64", "6.12.43+deb13-amd64"},
		{"6.10-rc7-amd64", "6.10-amd64", "6.10.1-amd64"},
		{"5.15.0-1053-azure", "5.15.0-1060-azure", "6.5.0-1010-azure"},
		{"5.14.0-70.el9_0.x86_64", "5.14.0-362.8.1.el9_3.x86_64", "5.14.0-362.24.1.el9_3.x86_64", "5.14.0-427.13.1.el9_4.x86_64"},
		{"6.10.0-0.rc7.58.fc41.x86_64", "6.10.0-64.fc41.x86_64", "6.10.1-200.fc40.x86_64"},
		{"6.1.94-99.176.amzn2023.x86_64", "6.1.102-108.177.amzn2023.x86_64", "6.12.5-1.amzn2023.x86_64"},
		{"5.14.21-150500.55.52-default", "5.14.21-150500.55.110-default", "6.4.0-150600.23.25-default"},
		{"6.9.1-arch1-1", "6.9.1-arch1-2", "6.9.3-arch1-1"},
	} {
		for i := range ordered {
			for j := range ordered {
				want := 0
				if i < j {
					want = -1
				} else if i > j {
					want = 1
				}
				if got := compare(ordered[i], ordered[j]); got != want {
					t.Errorf("%s and %s: %d, want %d", ordered[i], ordered[j], got, want)
				}
			}
			if got, want := ordered[i].flavor(), ordered[0].flavor(); got != want {
				t.Errorf("%s has the flavor %q, %s %q", ordered[i], got, ordered[0], want)
			}
		}
	}
}

func TestTheReleaseOfADistributionSaysNothingOfTheAgeOfItsKernel(t *testing.T) {
	for _, equal := range [][2]release{
		{"6.1.94-1.el8.elrepo.x86_64", "6.1.94-1.el9.elrepo.x86_64"},
		{"6.10.1-200.fc40.x86_64", "6.10.1-200.fc41.x86_64"},
		{"5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.13.1.el9_3.x86_64"},
	} {
		if got := compare(equal[0], equal[1]); got != 0 {
			t.Errorf("%s and %s: %d, want 0", equal[0], equal[1], got)
		}
	}
}

func TestFlavors(t *testing.T) {
	for name, want := range map[release]string{
		"6.8.0-31-generic":                  "generic",
		"6.8.0-31-generic-64k":              "generic-64k",
		"5.15.0-1053-azure-fde":             "azure-fde",
		"6.1.0-18-cloud-amd64":              "cloud-amd64",
		"6.10-rc7-amd64":                    "amd64",
		"6.8.4-2-pve":                       "pve",
		"6.9.1-zen1-1-zen":                  "zen",
		"6.9.1-arch1-1":                     "arch",
		"6.9.1":                             "",
		"":                                  "",
		"-":                                 "",
		"5.14.0-427.el10":                   "el",
		"5.14.0-427.13.1.el9_4.x86_64":      "el.x86_64",
		"5.14.0-427.13.1.el9_4.aarch64+64k": "el.aarch64+64k",
		"5.15.0-200.131.27.el9uek.x86_64":   "eluek.x86_64",
		"4.18.0-553.rt7.342.el8_10.x86_64":  "el.rt.x86_64",
		"6.9.1-1.el9.elrepo.x86_64":         "el.elrepo.x86_64",
		"6.8.11-300.fc40.x86_64":            "fc.x86_64",
		"6.1.94-99.176.amzn2023.x86_64":     "amzn.x86_64",
		"6.1.0-26-rt-amd64":                 "rt-amd64",
		"6.9.1-A1-Z2-a3-z4":                 "A1-Z2-a3-z4",
		"6.9.1-A1-1":                        "A",
		"6.9.1-Z1-1":                        "Z",
	} {
		if got := name.flavor(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSegmentsOfVersionsAreInOrder(t *testing.T) {
	ordered := []string{"rc", "", "ab", "b", "el", "2", "007", "10"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := compareSegments(a, b); got != cmp.Compare(i, j) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}
