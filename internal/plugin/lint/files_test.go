package lint_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

// folder of policies, one in each file, with a folder below it.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "below.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a.yaml", "b.yml", "c.json", "d.txt", "below.yaml/e.yaml"} {
		text := strings.Replace(head+"  nodes: All\n", "name: p", "name: p"+string(rune('0'+i)), 1)
		if name == "c.json" {
			text = `{"apiVersion": "reboot-operator.io/v1alpha1", "kind": "RebootPolicy", "metadata": {"name": "p2"}, "spec": {"nodes": "All"}}`
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheFilesOfAFolderAreThoseThatKubectlReads(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a folder":           {[]string{"-f", dir}, "3 RebootPolicies and 0 NodeReboots: 0 errors, 0 warnings\n"},
		"a folder and below": {[]string{"-R", "-f", dir}, "4 RebootPolicies and 0 NodeReboots: 0 errors, 0 warnings\n"},
		"a file of any name": {[]string{"-f", filepath.Join(dir, "d.txt")}, "1 RebootPolicy and 0 NodeReboots: 0 errors, 0 warnings\n"},
		"a file that is in it": {[]string{"-f", dir, "-f", filepath.Join(dir, "a.yaml")}, "3 RebootPolicies and 0 NodeReboots: 0 errors, 0 " +
			"warnings\n"},
		"the standard input": {[]string{"-f", "-", "-f", filepath.Join(dir, "a.yaml")}, "1 RebootPolicy and 0 NodeReboots: 0 errors, 0 " +
			"warnings\n"},
		"two files and no more": {[]string{"-f", filepath.Join(dir, "a.yaml") + "," + filepath.Join(dir, "c.json")},
			"2 RebootPolicies and 0 NodeReboots: 0 errors, 0 warnings\n"},
	} {
		code, out, errOut := plugintest.New(t, 0).Run(plugin.Run, append([]string{"lint", "--offline"}, test.args...)...)
		if code != app.ExitOK || out+errOut != test.want {
			t.Errorf("%s: it ended with %d and says %s%s, want %s", name, code, out, errOut, test.want)
		}
	}
}

func TestAFileThatCannotBeReadEndsTheLint(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := os.Symlink("nowhere", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ file, says string }{
		"a link to nowhere":        {dir, "link.yaml: no such file or directory"},
		"a file that is not there": {"nowhere.yaml", "nowhere.yaml"},
		"an input that is broken":  {"-", "read -: the disk is full"},
		"a name that no file has":  {"a\x00b", "invalid argument"},
	} {
		terminal := plugintest.New(t, 0)
		terminal.In = iotest.ErrReader(errors.New("the disk is full"))
		code, out, errOut := terminal.Run(plugin.Run, "lint", "--offline", "-f", test.file)
		if code != app.ExitFailed || !strings.Contains(errOut, test.says) {
			t.Errorf("%s: it ended with %d and says %s%s, want %s", name, code, out, errOut, test.says)
		}
	}
}

// full is a disk that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestAReportThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	for _, output := range []string{"", "json", "github"} {
		terminal := plugintest.New(t, 0)
		terminal.App.Out = full{}
		code, _, errOut := terminal.Run(plugin.Run, "lint", "--offline", "-f", "testdata/bad.yaml", "-o", output)
		if code != app.ExitFailed || !strings.Contains(errOut, "the disk is full") {
			t.Errorf("-o %s ended with %d: %s", output, code, errOut)
		}
	}
	terminal := plugintest.New(t, 0)
	terminal.ErrOut = full{}
	if code, _, _ := terminal.Run(plugin.Run, "lint", "--offline", "-f", "../../../config/samples"); code != app.ExitFailed {
		t.Errorf("without a place for the summary it ended with %d", code)
	}
}

func TestErrorsAreRedAndWarningsYellow(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	_, out, _ := plugintest.New(t, 80).Run(plugin.Run, "lint", "--offline", "-f", "testdata/bad.yaml")
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if strings.Contains(line, "error") != strings.Contains(line, ": \x1b[31merror\x1b[0m: ") ||
			strings.Contains(line, "warning") != strings.Contains(line, ": \x1b[33mwarning\x1b[0m: ") {
			t.Errorf("%q", line)
		}
	}
}

func TestAReportKeepsTheLettersOfAMessage(t *testing.T) {
	t.Parallel()
	if _, out, _ := run(t, "apiVersion: reboot-operator.io/v1alpha1\nkind: a<b\n", nil, "--offline", "-o", "json"); !strings.Contains(out,
		`\"a<b\" is unknown`) {
		t.Errorf("%s", out)
	}
	if _, out, _ := run(t, "a: [\n", nil, "--offline", "-o", "github"); !strings.HasPrefix(out,
		"::error file=-,line=1,title=kubectl reboots lint::this is not YAML: ") {
		t.Errorf("%s", out)
	}
}

func TestWhatHoldsNothingIsClean(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "", "null": "null\n", "comments": "# a\n---\n# b\n", "separators": "---\n---\n",
		"as much as may be": "# " + strings.Repeat("x", 16<<20-2), "other kinds": "apiVersion: v1\nkind: List\nitems: []\n",
	} {
		code, out, errOut := run(t, text, nil, "--offline", "--strict")
		if code != app.ExitOK || out != "" || errOut != "0 RebootPolicies and 0 NodeReboots: 0 errors, 0 warnings\n" {
			t.Errorf("%s: it ended with %d and says %s%s", name, code, out, errOut)
		}
	}
}
