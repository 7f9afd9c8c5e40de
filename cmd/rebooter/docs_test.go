package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/controllers/plan/detector"
	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// example is what one kustomization of the page installs.
type example struct {
	// Detects is what asks for a reboot in addition to the two files of the default installation.
	Detects string
	// HostPrograms says that programs of the host can be run.
	HostPrograms bool
}

// The examples of the docs are what people install: each renders as it stands, and the rebooter takes its arguments.
func TestTheExamplesForHostsAreInstallations(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "hosts.md"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]example{}
	for _, text := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		first, _, _ := strings.Cut(text[1], "\n")
		title, titled := strings.CutPrefix(first, "# ")
		if _, twice := got[title]; !titled || twice || !strings.Contains(text[1], "kind: Kustomization") {
			t.Errorf("not a whole kustomization with a title of its own:\n%s", text[1])
			continue
		}
		objects, err := manifests.RenderText(text[1])
		if err != nil {
			t.Errorf("%v:\n%s", err, text[1])
			continue
		}
		options := parsed(t, objects).machine
		others, found := strings.CutPrefix(strings.Join(options.Sentinels, " "), "/run/reboot-required /run/reboot-needed")
		if !found {
			t.Errorf("%s: sentinels %q", title, options.Sentinels)
		}
		detects := append(strings.Fields(others), options.Sentinel.Command...)
		if options.SentinelKernel {
			detects = append(detects, "kernel")
		}
		got[title] = example{strings.Join(detects, " "), options.HostNamespaces}
	}
	want := map[string]example{
		"Debian, Ubuntu":                        {},
		"SUSE, openSUSE, MicroOS, Flatcar":      {},
		"RHEL 8, Rocky Linux 8, AlmaLinux 8":    {"/usr/bin/needs-restarting -r", true},
		"RHEL 9 and 10, Rocky Linux, AlmaLinux": {"/usr/bin/dnf needs-restarting -r", true},
		"Fedora":                                {"/usr/bin/dnf5 needs-restarting", true},
		"Amazon Linux 2023":                     {"/usr/bin/dnf needs-restarting -r", true},
		"Fedora CoreOS":                         {"/usr/bin/rpm-ostree status --pending-exit-77", true},
		"Kernel":                                {"kernel", false},
		"A file":                                {"/var/lib/updates/reboot", false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the examples install (-want +got):\n%s", diff)
	}
}

// The page shows for each host what a policy says about it if nothing detects its need.
func TestThePageHasTheExampleThatAPolicyNames(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "hosts.md"))
	if err != nil {
		t.Fatal(err)
	}
	for title, osImage := range map[string]string{
		"RHEL 8": "Red Hat Enterprise Linux 8.10 (Ootpa)", "RHEL 9 and 10": "Red Hat Enterprise Linux 10.0 (Coughlan)",
		"Fedora": "Fedora Linux 42 (Server Edition)", "Amazon Linux 2023": "Amazon Linux 2023.6.20241010",
		"rpm-ostree": "Fedora CoreOS 40.20240825.3.0",
	} {
		_, section, found := strings.Cut(string(page), "\n### "+title+"\n")
		section, _, _ = strings.Cut(section, "\n### ")
		_, preset, named := strings.Cut(detector.Missing(osImage), "--sentinel-preset=")
		if !found || !named || !strings.Contains(section, "value: --sentinel-preset="+preset+"}") {
			t.Errorf("%s: the policy says %q, and the page\n%s", osImage, preset, section)
		}
	}
}
