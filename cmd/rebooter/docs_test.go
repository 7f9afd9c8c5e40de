package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

// The examples of the docs are what people install.
func TestTheExamplesForHostsAreInstallations(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "hosts.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, example := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(example[1], "kind: Kustomization") {
			continue
		}
		objects, err := manifests.RenderText(example[1])
		if err != nil {
			t.Errorf("%v:\n%s", err, example[1])
			continue
		}
		options := parsed(t, objects).machine
		got = append(got, strings.Join(append(options.Sentinels, options.Sentinel.Command...), " "))
	}
	want := []string{
		"/run/reboot-required /run/reboot-needed /var/lib/updates/reboot",
		"/run/reboot-required /run/reboot-needed /usr/bin/dnf needs-restarting -r",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what asks for a reboot (-want +got):\n%s", diff)
	}
}
