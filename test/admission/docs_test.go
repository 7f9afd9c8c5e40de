package admission

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the tables of rights into docs/security.md")

const (
	tableBegins = "<!-- The table of rights is written by go test ./test/admission -update -->\n"
	tableEnds   = "<!-- End of the table of rights -->\n"
)

// The tables that the API server's answers are compared with are also those that people read.
func TestTheDocumentedRightsAreThoseThatAreTested(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "security.md")
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(content), tableBegins)
	table, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("%s has no place for the table", page)
	}
	want := rightsTable()
	if *update {
		if err := os.WriteFile(page, []byte(before+tableBegins+want+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("run go test ./test/admission -update (-want +got):\n%s", diff)
	}
}

// rightsTable shows what a helper may do, as itself or as its node, since constrained impersonation and before.
func rightsTable() string {
	since := merged(lines(asItself), changed(refused(lines(asItself)), asItsNode))
	before := changed(lines(asItself), asItselfBefore136)
	var table strings.Builder
	table.WriteString("\n| With the token of a helper on n1 | 1.36 and newer | before 1.36, with the component |\n|---|---|---|\n")
	for line := range strings.Lines(strings.TrimPrefix(asItself, "\n")) {
		name := strings.TrimSpace(line[:nameWidth])
		if name == "" {
			continue
		}
		first, second := verbsOf(since[name]), verbsOf(before[name])
		if first != second {
			second = "**" + second + "**"
		}
		table.WriteString("| " + name + " | " + first + " | " + second + " |\n")
	}
	table.WriteString("\n")
	return table.String()
}

// verbsOf are the verbs of a row that are allowed.
func verbsOf(cells string) string {
	var allowed []string
	for i, cell := range strings.Fields(cells) {
		if cell == "yes" {
			allowed = append(allowed, verbs[i])
		}
	}
	if len(allowed) == 0 {
		return "nothing"
	}
	return strings.Join(allowed, ", ")
}

// merged allows what either table allows.
func merged(first, second map[string]string) map[string]string {
	all := map[string]string{}
	for name, cells := range first {
		one, other := strings.Fields(cells), strings.Fields(second[name])
		for i := range one {
			if slices.Contains([]string{one[i], other[i]}, "yes") {
				one[i] = "yes"
			}
		}
		all[name] = strings.Join(one, " ")
	}
	return all
}
