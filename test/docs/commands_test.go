package docs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/test/terminal"
)

// limit is how long a command may take. It is no measure of speed.
const limit = time.Minute

// reader types the commands of all pages.
type reader struct {
	table *table
	// counts are the commands of each class, and left those that are not typed, by the reason.
	counts map[class]int
	left   map[string][]string
	// headings are those of all tables that commands wrote.
	headings map[string]bool
}

func TestEveryCommandOfTheDocsRuns(t *testing.T) {
	sharedBed(t)
	pages, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{table: readTable(t), counts: map[class]int{}, left: map[string][]string{}, headings: map[string]bool{}}
	whole := true
	for i := range pages {
		page := &pages[i]
		ran := false
		t.Run(page.Path, func(t *testing.T) {
			ran = true
			r.read(t, page)
		})
		whole = whole && ran
	}
	if !whole { // -run chose some pages
		return
	}
	for i := range pages {
		r.showsWhatIsWritten(t, &pages[i])
	}
	for _, text := range r.table.unused() {
		t.Errorf("%s: %s: remove it", tableFile, text)
	}
	for _, c := range classes {
		t.Logf("%4d commands of class %s", r.counts[c], c)
	}
	for _, why := range slices.Sorted(maps.Keys(r.left)) {
		t.Run("not run", func(t *testing.T) {
			t.Skipf("%s: %d commands: %s", why, len(r.left[why]), strings.Join(r.left[why], "; "))
		})
	}
}

// read types the commands of a page, in their order.
func (r *reader) read(t *testing.T, page *Page) {
	t.Helper()
	session := &session{reader: r, t: t, page: page}
	number := map[string]int{} // of blocks with commands, by heading
	for i := range page.Blocks {
		block := &page.Blocks[i]
		commands, err := Commands(block)
		if err != nil {
			t.Error(err)
		}
		if len(commands) == 0 {
			continue
		}
		state := r.table.state(page.Path, block.Heading, number[block.Heading])
		number[block.Heading]++
		session.goOn(state)
		for i := range commands {
			session.do(&commands[i])
		}
		if state != nil && state.Reinstall {
			session.bed.install()
		}
	}
}

// session is a reader with one page.
type session struct {
	*reader
	t    *testing.T
	page *Page
	// bed, folder and terminal are there from the first command on that needs them.
	bed      *bed
	folder   string
	terminal *terminal.Terminal
	// next is what the block says that has not begun yet.
	next *pageState
}

// goOn comes to a block. Without a command that runs there, nothing has to be ready for it.
func (s *session) goOn(state *pageState) { s.next = state }

// begin has everything ready that the block says.
func (s *session) begin() {
	s.t.Helper()
	if s.bed == nil {
		s.open(s.table.state(s.page.Path, "", 0))
	}
	if s.next != nil {
		state := s.next
		s.next = nil
		s.prepare(state)
	}
}

// open gets a cluster and a folder for the page.
func (s *session) open(state *pageState) {
	s.t.Helper()
	if state == nil {
		state = &pageState{Page: s.page.Path, Policies: &usualPolicies}
	}
	if state.Empty {
		s.bed = emptyBed(s.t)
	} else {
		s.bed = sharedBed(s.t)
	}
	s.folder = s.bed.folder()
	env := []string{
		"KUBECONFIG=" + s.bed.Kubeconfig(), "PATH=" + s.bed.programs + ":" + os.Getenv("PATH"), "HOME=" + s.folder,
		"BROWSER=true", "KUBE_EDITOR=true", "TZ=Europe/Berlin", "NO_COLOR=1",
	}
	for name, value := range s.table.Env {
		env = append(env, name+"="+value)
	}
	s.terminal = &terminal.Terminal{Folder: s.folder, Env: env, Limit: limit}
	if state.Policies == nil {
		state.Policies = &usualPolicies
	}
	s.prepare(state)
}

// prepare brings the cluster and the folder into the state.
func (s *session) prepare(state *pageState) {
	s.t.Helper()
	if state.Policies != nil && !state.Empty {
		s.bed.reset(*state.Policies, state.NodeReboots)
	} else {
		for _, name := range state.NodeReboots {
			s.bed.require(name)
		}
	}
	for _, node := range state.Fails {
		s.bed.fail(node)
	}
	s.bed.write(s.folder, s.page, state.Files)
	if state.Before == "" {
		return
	}
	if got := s.terminal.Type(s.t.Context(), state.Before); got.Code != 0 {
		s.t.Errorf("%s: what the reader of %s has done before %q ended with %d:\n%s", tableFile, state.Page, state.Heading, got.Code, got.Output)
	}
}

// do does with a command what its class says.
func (s *session) do(command *Command) {
	s.t.Helper()
	rule := s.table.ruleFor(command)
	if rule == nil && terminal.Assigns(command.Text) {
		rule = byProgram[""]
	}
	if rule == nil {
		s.t.Errorf("%s: %s\n%s", command.Place(), command.Text, newCommand)
		return
	}
	s.counts[rule.Class]++
	switch {
	case rule.Class == never || rule.Class == elsewhere:
		s.leave(command, rule)
	case rule.Check != "":
		s.t.Logf("%s: looked at, %s: %s", command.Place(), rule.Why, command.Bare())
		if err := checks[rule.Check](command.Bare()); err != nil {
			s.t.Errorf("%s: %s: %v", command.Place(), command.Bare(), err)
		}
	default:
		s.begin()
		s.typeIt(command, rule)
	}
}

func (s *session) leave(command *Command, rule *rule) {
	why := rule.Why
	if rule.Class == elsewhere {
		why += " (" + rule.Test + ")"
		if !testExists(s.t, rule.Test) {
			s.t.Errorf("%s: there is no test %s", tableFile, rule.Test)
		}
	}
	s.left[why] = append(s.left[why], command.Place()+" "+command.Bare())
	s.t.Logf("%s: not run, %s: %s", command.Place(), why, command.Bare())
}

// typeIt runs a command.
func (s *session) typeIt(command *Command, rule *rule) {
	s.t.Helper()
	line := s.table.typed(command, rule)
	run := s.terminal.Type
	if rule.Stays {
		run = s.terminal.TypeUntilItWrites
	}
	got := run(s.t.Context(), line)
	s.t.Logf("%s: %.1f s $ %s\n%s", command.Place(), got.Took.Seconds(), line, firstLines(got.Output))
	for line := range strings.Lines(got.Output) {
		if heading := tableHeading(line); heading != "" {
			s.headings[heading] = true
		}
	}
	if got.Code != rule.Code || rule.says != nil && !rule.says.MatchString(got.Output) {
		s.t.Errorf("%s: the command ended with %d, which should be %d, and has to write %q:\n$ %s\n%s\nIf the command is wrong, correct "+
			"the page. If it needs something that the cluster or the folder does not have, say so in test/docs/%s, under pages. If it "+
			"cannot run here, write a rule.", command.Place(), got.Code, rule.Code, rule.Says, line, firstLines(got.Output), tableFile)
	}
}

// firstLines are those of a text that has not too many.
func firstLines(text string) string {
	const most = 60
	lines := strings.SplitAfterN(text, "\n", most+1)
	if len(lines) <= most {
		return text
	}
	return strings.Join(lines[:most], "") + fmt.Sprintf("... and %d more lines\n", strings.Count(lines[most], "\n"))
}

// columns are words in capital letters, two spaces or more apart.
var columns = regexp.MustCompile(`^\s*[A-Z][A-Z-]*( [A-Z-]+)*(\s{2,}[A-Z][A-Z-]*( [A-Z-]+)*)+\s*$`)

// tableHeading is what the columns of a table are called, if the line says so.
func tableHeading(line string) string {
	if !columns.MatchString(line) {
		return ""
	}
	return strings.Join(regexp.MustCompile(`\s{2,}`).Split(strings.TrimSpace(line), -1), "|")
}

// showsWhatIsWritten: the columns of a table that a page shows are those of one that a command wrote.
func (r *reader) showsWhatIsWritten(t *testing.T, page *Page) {
	t.Helper()
	for i := range page.Blocks {
		block := &page.Blocks[i]
		if !slices.Contains(transcripts, block.Language) {
			continue
		}
		for line := range strings.Lines(block.Text) {
			if heading := tableHeading(line); heading != "" && !r.wrote(heading) {
				t.Errorf("%s: no command wrote a table with the columns %s. Those that were written:\n%s", block.Place(), heading,
					strings.Join(slices.Sorted(maps.Keys(r.headings)), "\n"))
			}
		}
	}
}

// wrote reports whether a command wrote a table with these columns. Those that have nothing in them are left out, so one of both may have
// more.
func (r *reader) wrote(heading string) bool {
	for written := range r.headings {
		if isWithin(heading, written) || isWithin(written, heading) {
			return true
		}
	}
	return false
}

// isWithin reports whether all columns of one heading are in the other, in their order.
func isWithin(one, other string) bool {
	columns := strings.Split(one, "|")
	for _, column := range strings.Split(other, "|") {
		if len(columns) > 0 && column == columns[0] {
			columns = columns[1:]
		}
	}
	return len(columns) == 0
}

// testExists reports whether a test in Go has this name.
func testExists(t *testing.T, name string) bool {
	t.Helper()
	found := false
	for _, folder := range []string{"test", "internal", "hack", "controllers", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ os.DirEntry, err error) error {
			if err != nil || found || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			found = strings.Contains(string(content), fmt.Sprintf("\nfunc %s(", name))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
