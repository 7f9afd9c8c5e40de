// Package site tests that the documentation site can be built, and that a link that leads nowhere would be found.
package site

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// node skips a test where a program is missing.
func node(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed; on Debian: apt-get install nodejs npm")
		}
	}
}

func TestTheSiteBuildsAndEveryLinkLeadsSomewhere(t *testing.T) {
	node(t, "node", "npm")
	if out, err := exec.Command("./build.sh").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// fakeSite writes pages, and checks them.
func fakeSite(t *testing.T, pages map[string]string) string {
	t.Helper()
	node(t, "node")
	folder := t.TempDir()
	for name, text := range pages {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("node", "check.mjs", folder).CombinedOutput()
	if err == nil {
		t.Errorf("a site of %d pages is no error", len(pages))
	}
	return string(out)
}

func TestEachKindOfLinkThatLeadsNowhereIsFound(t *testing.T) {
	const repository = "https://github.com/reboot-operator/reboot-operator/"
	other := `<h1 id="there">There</h1>`
	for name, test := range map[string]struct{ html, want string }{
		"page":               {`<a href="/gone">x</a>`, "page.html: /gone does not exist"},
		"page beside":        {`<a class="x" href="./gone.html">x</a>`, "page.html: ./gone.html does not exist"},
		"anchor":             {`<a href="/a/other#gone">x</a>`, "page.html: /a/other#gone: no anchor of a/other.html is called #gone"},
		"anchor of the page": {`<a href="#gone">x</a>`, "page.html: #gone: no anchor of page.html is called #gone"},
		"picture":            {`<img alt="x" src="/assets/gone.png">`, "page.html: /assets/gone.png does not exist"},
		"script":             {`<script type="module" src="/gone.js"></script>`, "page.html: /gone.js does not exist"},
		"file":               {`<a href="` + repository + `blob/main/config/gone.yaml">x</a>`, "the repository has no config/gone.yaml"},
		"folder":             {`<a href="` + repository + `tree/main/config/gone">x</a>`, "the repository has no config/gone"},
		"heading of a file":  {`<a href="` + repository + `blob/main/CONTRIBUTING.md#gone">x</a>`, "no heading of CONTRIBUTING.md is called #gone"},
	} {
		out := fakeSite(t, map[string]string{"page.html": test.html, "a/other.html": other})
		if !strings.Contains(out, test.want) {
			t.Errorf("%s: %q is not in:\n%s", name, test.want, out)
		}
	}
	good := `<a href="/a/other#there"></a><a href="/a/other.html?q#there"></a><a href="./a/"></a><img src="/x.png">
<a href="https://example.com/x#y"></a><a href="mailto:x"></a>
<a href="` + repository + `tree/main/config/samples"></a><a href="` + repository + `blob/main/CONTRIBUTING.md#rules"></a>
<!-- <a href="/gone"></a> --><a href="#%C3%A4"></a><b id="ä"></b>`
	out := fakeSite(t, map[string]string{"page.html": good, "a/other.html": other, "a/index.html": "", "x.png": ""})
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 1 || !strings.HasPrefix(lines[0], "only 3 pages") {
		t.Errorf("what is good was found:\n%s", out)
	}
}
