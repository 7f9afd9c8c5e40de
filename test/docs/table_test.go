package docs

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// root is the top of the repository.
const root = "../.."

// tableFile says what the test does with commands that it cannot just type, and what it has ready for those that it types.
const tableFile = "testdata/table.yaml"

// class says what is done with a command.
type class string

const (
	// run types it into a shell with a cluster, as it is written.
	run class = "Run"
	// partly types something else that shows as much as can be shown here, or looks at its parts.
	partly class = "Partly"
	// elsewhere leaves it to another test, which reads the page.
	elsewhere class = "Elsewhere"
	// never leaves it out.
	never class = "Never"
)

var classes = []class{run, partly, elsewhere, never}

// rule is about some commands. The first one that matches counts.
type rule struct {
	// Command and Page are regular expressions that the whole command and the whole path of its page match. Empty matches all.
	Command string `json:"command"`
	Page    string `json:"page"`
	Class   class  `json:"class"`
	// Why the command does not just run. Commands that run as they are need no rule.
	Why string `json:"why"`
	// Code is the exit code that is right, and Says a regular expression that its output then matches.
	Code int    `json:"code"`
	Says string `json:"says"`
	// Stays says that it runs until it is interrupted.
	Stays bool `json:"stays"`
	// Instead are what is typed in place of parts of the command, of class Partly.
	Instead []replacement `json:"instead"`
	// Check is the name of a function that looks at the parts of a command, of class Partly.
	Check string `json:"check"`
	// Test is the name of the test that runs it, of class Elsewhere.
	Test string `json:"test"`

	command, page, says *regexp.Regexp
	matched             int
}

type replacement struct {
	This string `json:"this"`
	By   string `json:"by"`
}

// pageState is what a page, or a part of it, is read with.
type pageState struct {
	Page string `json:"page"`
	// Heading begins the part, whose blocks stand below it before the next heading. Empty is the beginning of the page.
	Heading string `json:"heading"`
	// Block is the number of the block of commands below that heading; 0 is the first one.
	Block int `json:"block"`
	// Empty says that nothing is installed in the cluster. It is of the whole page.
	Empty bool `json:"empty"`
	// Policies and NodeReboots are the names of those that are there. Without them a page has the policies linux and workers.
	Policies    *[]string `json:"policies"`
	NodeReboots []string  `json:"nodeReboots"`
	// Fails are nodes whose hosts asked for a reboot and then refused it.
	Fails []string `json:"fails"`
	// Files are what the reader has written to the folder that the commands run in.
	Files map[string]file `json:"files"`
	// Before is what the reader has typed before.
	Before string `json:"before"`
	// Reinstall installs the operator again behind this block, which removes or changes it.
	Reinstall bool   `json:"reinstall"`
	Why       string `json:"why"`

	used bool
}

// file is a text, the example in YAML of this number on the page, or a file of the repository.
type file struct {
	Text       string `json:"text"`
	Example    int    `json:"example"`
	Repository string `json:"repository"`
}

type table struct {
	// Env are variables that the reader has set.
	Env map[string]string `json:"env"`
	// Placeholders are what the reader puts in place of a text, in all commands.
	Placeholders []replacement `json:"placeholders"`
	Rules        []*rule       `json:"rules"`
	Pages        []*pageState  `json:"pages"`
	// Examples are those in YAML that are neither of the kinds that the testbed knows, nor parts of them.
	Examples []*otherExample `json:"examples"`
}

// otherExample is one that is of something else.
type otherExample struct {
	// Text is a regular expression that the example has.
	Text string `json:"text"`
	Why  string `json:"why"`

	pattern *regexp.Regexp
	used    bool
}

func readTable(t *testing.T) *table {
	t.Helper()
	content, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	read := &table{}
	if err := yaml.UnmarshalStrict(content, read); err != nil {
		t.Fatalf("%s: %v", tableFile, err)
	}
	for _, r := range read.Rules {
		if err := r.compile(); err != nil {
			t.Fatalf("%s: the rule for %q on page %q: %v", tableFile, r.Command, r.Page, err)
		}
	}
	for _, other := range read.Examples {
		if other.pattern, err = regexp.Compile(other.Text); err != nil || other.Why == "" {
			t.Fatalf("%s: the example %q: why: %q, error %v", tableFile, other.Text, other.Why, err)
		}
	}
	return read
}

func (r *rule) compile() error {
	var err error
	for text, into := range map[*string]**regexp.Regexp{&r.Command: &r.command, &r.Page: &r.page} {
		if *into, err = regexp.Compile("^(" + *text + ")$"); err != nil {
			return err
		}
		if *text == "" {
			*into = regexp.MustCompile("")
		}
	}
	if r.says, err = regexp.Compile(r.Says); err != nil {
		return err
	}
	switch {
	case r.Command == "" && r.Page == "":
		return fmt.Errorf("it matches everything")
	case r.Why == "":
		return fmt.Errorf("it does not say why")
	case r.Class == partly && (len(r.Instead) == 0) == (r.Check == ""):
		return fmt.Errorf("class %s has either instead or check", partly)
	case r.Class == partly && r.Check != "" && checks[r.Check] == nil:
		return fmt.Errorf("there is no check %s", r.Check)
	case r.Class == elsewhere && r.Test == "":
		return fmt.Errorf("class %s names the test", elsewhere)
	case r.Class == "":
		return fmt.Errorf("it has no class")
	}
	return nil
}

// byProgram are the rules for programs whose commands are all alike.
var byProgram = map[string]*rule{
	"kubectl": {Class: run},
	"":        {Class: run},
	"helm":    {Class: run},
	"cat":     {Class: run},
	"make":    {Class: partly, Check: "make", Why: "targets take minutes, or change the clone"},
	"go":      {Class: partly, Check: "go", Why: "the programs are built and their tests run by other tests"},
}

const newCommand = `test/docs does not know what to do with this command. It types commands of kubectl, kubectl reboots and helm by
itself, and looks whether the targets of make and the packages of go exist. For any other program, add a rule to test/docs/` + tableFile + `:
- command: a regular expression for the whole command
  class: Run, Partly, Elsewhere or Never
  why: in words for people`

// ruleFor is the rule for a command, or nil.
func (t *table) ruleFor(command *Command) *rule {
	for _, r := range t.Rules {
		if r.command.MatchString(command.Bare()) && r.page.MatchString(command.Block.Page) {
			r.matched++
			return r
		}
	}
	return byProgram[command.Program()]
}

// state is what a block is read with, or nil.
func (t *table) state(page, heading string, block int) *pageState {
	for _, state := range t.Pages {
		if state.Page == page && state.Heading == heading && state.Block == block {
			state.used = true
			return state
		}
	}
	return nil
}

// typed is the command with what the reader puts in place of placeholders.
func (t *table) typed(command *Command, r *rule) string {
	text := command.Text
	for _, p := range t.Placeholders {
		text = strings.ReplaceAll(text, p.This, p.By)
	}
	for _, p := range r.Instead {
		text = regexp.MustCompile(p.This).ReplaceAllString(text, p.By)
	}
	return text
}

// unused are the entries that nothing of the docs needs.
func (t *table) unused() []string {
	var all []string
	for _, r := range t.Rules {
		if r.matched == 0 {
			all = append(all, fmt.Sprintf("no command matches the rule for %q on page %q", r.Command, r.Page))
		}
	}
	for _, state := range t.Pages {
		if !state.used {
			all = append(all, fmt.Sprintf("%s has no block %d of commands below %q", state.Page, state.Block, state.Heading))
		}
	}
	return all
}
