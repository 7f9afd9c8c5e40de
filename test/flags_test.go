package test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/test/docs"
)

// Every flag of a program has a row in its table of docs/operations.md, and nothing else has one.
func TestThePageOfOperationsHasTheFlagsOfThePrograms(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n### Flags\n")
	section, _, ends := strings.Cut(section, "\n### ")
	if !found || !ends {
		t.Fatal("docs/operations.md has no section Flags")
	}
	for _, program := range []string{"manager", "helper", "rebooter"} {
		_, table, found := strings.Cut(section, "\nThe "+program)
		if !found {
			t.Errorf("no table is that of the %s", program)
			continue
		}
		table, _, _ = strings.Cut(table, "\n\nThe ")
		if diff := cmp.Diff(flagsOf(t, program), flagsIn(table)); diff != "" {
			t.Errorf("flags of the %s (-program +docs):\n%s", program, diff)
		}
	}
}

// flagsOf are the flags that a program lists when it is asked for help.
func flagsOf(t *testing.T, program string) []string {
	t.Helper()
	help, err := exec.CommandContext(t.Context(), "go", "run", "../cmd/"+program, "--help").CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var flags []string
	for _, found := range regexp.MustCompile(`(?m)^\s+--?([a-z][a-z0-9-]*)`).FindAllStringSubmatch(string(help), -1) {
		flags = append(flags, found[1])
	}
	if len(flags) < 5 {
		t.Fatalf("%s --help lists %q:\n%s", program, flags, help)
	}
	slices.Sort(flags)
	return flags
}

// knownFlags are those of all programs, and of all commands of the plugin.
func knownFlags(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, program := range []string{"manager", "helper", "rebooter"} {
		for _, flag := range flagsOf(t, program) {
			known[flag] = true
		}
	}
	commands := []*cobra.Command{plugin.Command(app.New(genericiooptions.NewTestIOStreamsDiscard()))}
	for len(commands) > 0 {
		for _, flags := range []*pflag.FlagSet{commands[0].Flags(), commands[0].PersistentFlags()} {
			flags.VisitAll(func(flag *pflag.Flag) { known[flag.Name] = true })
		}
		commands = append(commands[1:], commands[0].Commands()...)
	}
	return known
}

// others are flags of other programs that pages name by themselves.
var others = map[string]string{
	"create-namespace": "helm", "force-conflicts": "helm", "reset-then-reuse-values": "helm", "reuse-values": "helm", "take-ownership": "helm",
	"skip-crds": "helm", "no-hooks": "helm",
	"wait": "helm", "set": "helm", "timeout": "helm", "rollback-on-failure": "helm", "atomic": "helm", "data.retention": "alertmanager",
	"delete-emptydir-data": "kubectl drain", "dry-run": "kubectl", "field-manager": "kubectl",
	"field-selector": "kubectl", "all-containers": "kubectl logs", "prefix": "kubectl logs", "tail": "kubectl logs", "show-labels": "kubectl",
	"force": "kubectl drain", "server-side": "kubectl", "feature-gates": "kube-apiserver",
	"node-monitor-grace-period": "kube-controller-manager",
	"drain-delay":               "kured", "lock-release-delay": "kured", "notify-url": "kured", "slack-hook-url": "kured",
	"message-template-drain": "kured",
	"type":                   "kubectl", "list": "systemd-inhibit",
	"replicas": "kubectl scale", "help": "cobra",
}

// A page names no flag that no program has, such as one that was removed, where it stands by itself or is an argument in a manifest. The
// changelog names those that were removed, the page about kured those of kured, and decisions are of their time.
func TestPagesNameFlagsThatProgramsHave(t *testing.T) {
	known := knownFlags(t)
	named := regexp.MustCompile("(?m)(?:`|\\[|^\\s*- |[\"'])--([a-z][a-z0-9.-]+)")
	pages, err := docs.Pages("..")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages {
		for _, flag := range named.FindAllStringSubmatch(page.Text, -1) {
			found++
			if !known[flag[1]] && others[flag[1]] == "" && page.Path != "docs/kured.md" {
				t.Errorf("%s: no program has --%s", page.Path, flag[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d flags were found in %d pages", found, len(pages))
	}
}

// What programs say to people names no flag that no program has either.
func TestTextsOfProgramsNameFlagsThatProgramsHave(t *testing.T) {
	known := knownFlags(t)
	named, found := regexp.MustCompile(`(?:^|[^a-z0-9-])--([a-z][a-z0-9-]+)`), 0
	for _, folder := range []string{"../api", "../cmd", "../controllers", "../internal"} {
		err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(node ast.Node) bool {
				literal, is := node.(*ast.BasicLit)
				// A text without a space is an argument, which other programs have as well.
				if !is || literal.Kind != token.STRING || !strings.Contains(literal.Value, " ") ||
					strings.Contains(literal.Value, "<style>") { // whose variables look like flags
					return true
				}
				for _, flag := range named.FindAllStringSubmatch(literal.Value, -1) {
					found++
					if !known[flag[1]] && others[flag[1]] == "" {
						t.Errorf("%s: no program has --%s: %s", path, flag[1], literal.Value)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 20 {
		t.Errorf("only %d flags were found", found)
	}
}

// flagsIn are those in the first column of a table.
func flagsIn(table string) []string {
	var flags []string
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| `--") {
			continue
		}
		first, _, _ := strings.Cut(line[2:], " | ")
		for _, found := range regexp.MustCompile("`--([a-z0-9-]+)`").FindAllStringSubmatch(first, -1) {
			flags = append(flags, found[1])
		}
	}
	slices.Sort(flags)
	return flags
}
