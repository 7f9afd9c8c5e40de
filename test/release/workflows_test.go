package release

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// workflow is what is judged of a workflow of GitHub Actions.
type workflow struct {
	On          yaml.Node `yaml:"on"`
	Permissions yaml.Node `yaml:"permissions"`
	Jobs        map[string]struct {
		Needs    yaml.Node `yaml:"needs"`
		RunsOn   string    `yaml:"runs-on"`
		Strategy struct {
			Matrix yaml.Node `yaml:"matrix"`
		} `yaml:"strategy"`
		Timeout     int               `yaml:"timeout-minutes"`
		Permissions map[string]string `yaml:"permissions"`
		Uses        string            `yaml:"uses"`
		Secrets     yaml.Node         `yaml:"secrets"`
		Steps       []step            `yaml:"steps"`
	} `yaml:"jobs"`
}

type step struct {
	Uses string            `yaml:"uses"`
	Run  string            `yaml:"run"`
	With map[string]string `yaml:"with"`
}

var (
	pinned = regexp.MustCompile(`uses:\s*[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	// A line that has a key uses, however it is written.
	usesLine  = regexp.MustCompile(`(^|[\s{,"'])uses["']?\s*:`)
	commit    = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	runner    = regexp.MustCompile(`^ubuntu-\d\d\.\d\d(-arm)?$`)
	untrusted = []string{"pull_request_target", "workflow_run", "issue_comment", "issues", "discussion", "discussion_comment", "fork", "watch"}
)

// mayWrite are the rights to write that jobs have. One that is not here is a fault.
var mayWrite = map[string]string{
	"pages.yml deploy":       "id-token, pages",
	"release.yml push":       "attestations, id-token, packages",
	"release.yml publish":    "contents",
	"scorecard.yml analysis": "id-token, security-events",
}

// faults are the rules of this project that a workflow breaks, besides what actionlint finds.
func faults(file, text string) []string {
	var found []string
	fault := func(format string, args ...any) { found = append(found, file+": "+fmt.Sprintf(format, args...)) }
	for _, line := range strings.Split(text, "\n") {
		if usesLine.MatchString(line) && !pinned.MatchString(line) {
			fault("not pinned by a commit with its version as comment: %s", strings.TrimSpace(line))
		}
	}
	var read workflow
	if err := yaml.Unmarshal([]byte(text), &read); err != nil {
		fault("%v", err)
		return found
	}
	if read.Permissions.Kind != yaml.MappingNode || len(read.Permissions.Content) > 0 {
		fault("no \"permissions: {}\" at the top")
	}
	for _, event := range untrusted {
		if read.On.Value == event || slices.ContainsFunc(read.On.Content, func(one *yaml.Node) bool { return one.Value == event }) {
			fault("on %s: what strangers write would run with rights", event)
		}
	}
	if strings.Contains(text, "secrets.") {
		fault("uses a secret; github.token is enough")
	}
	for name, job := range read.Jobs {
		where := file + " " + name
		var writes []string
		for right, value := range job.Permissions {
			if value != "read" && value != "none" {
				writes = append(writes, right)
			}
		}
		slices.Sort(writes)
		if got := strings.Join(writes, ", "); got != mayWrite[where] {
			fault("job %s may write %q, and should %q", name, got, mayWrite[where])
		}
		if job.Permissions == nil {
			fault("job %s has no permissions", name)
		}
		if job.Timeout == 0 {
			fault("job %s has no timeout-minutes", name)
		}
		if job.Uses != "" || !job.Secrets.IsZero() {
			fault("job %s is another workflow, which is not judged here", name)
		}
		for _, machine := range machines(job.RunsOn, &job.Strategy.Matrix) {
			if !runner.MatchString(machine) {
				fault("job %s runs on %q, which is another machine one day", name, machine)
			}
		}
		for _, one := range job.Steps {
			found = append(found, one.faults(where, file == "release.yml")...)
		}
	}
	slices.Sort(found)
	return found
}

// machines are what a job runs on: the value itself, or what the matrix has under "runner".
func machines(runsOn string, matrix *yaml.Node) []string {
	if runsOn != "${{ matrix.runner }}" {
		return []string{runsOn}
	}
	var rows struct {
		Runner  []string            `yaml:"runner"`
		Include []map[string]string `yaml:"include"`
	}
	if err := matrix.Decode(&rows); err != nil {
		return []string{err.Error()}
	}
	found := rows.Runner
	for _, row := range rows.Include {
		found = append(found, row["runner"])
	}
	if len(found) == 0 {
		return []string{runsOn}
	}
	return found
}

// faults are the rules that a step breaks. A release takes nothing from a cache.
func (s step) faults(where string, release bool) []string {
	var found []string
	if s.Uses != "" && !commit.MatchString(s.Uses) {
		found = append(found, where+": not pinned by a commit: "+s.Uses)
	}
	// A value that is pasted into a script is part of the script. As a variable of the environment it is a value.
	if strings.Contains(s.Run, "${{") {
		found = append(found, where+": an expression in a script; put it into env: "+s.Run)
	}
	if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != "false" {
		found = append(found, where+": the token stays in the checkout; say persist-credentials: false")
	}
	cached := strings.HasPrefix(s.Uses, "actions/cache") || strings.HasPrefix(s.Uses, "actions/setup-") && s.With["cache"] != "false"
	if release && cached {
		found = append(found, where+": a cache that other workflows wrote; say cache: false, and use no actions/cache")
	}
	if strings.HasPrefix(s.Uses, "actions/github-script@") {
		found = append(found, where+": a script that is not judged here")
	}
	return found
}

func workflows(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../.github/workflows/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	texts := map[string]string{}
	for _, file := range files {
		texts[filepath.Base(file)] = read(t, file)
	}
	return texts
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWorkflowsHaveNoMoreRightsThanTheyNeed(t *testing.T) {
	pins := map[string]string{}
	for file, text := range workflows(t) {
		for _, one := range faults(file, text) {
			t.Error(one)
		}
		for _, match := range regexp.MustCompile(`uses: ([^@\s]+)@(\S+ # \S+)`).FindAllStringSubmatch(text, -1) {
			if was, ok := pins[match[1]]; ok && was != match[2] {
				t.Errorf("%s is pinned to %s and to %s", match[1], was, match[2])
			}
			pins[match[1]] = match[2]
		}
	}
	if len(pins) < 5 {
		t.Errorf("only %d actions were found", len(pins))
	}
	for where := range mayWrite {
		file, job, _ := strings.Cut(where, " ")
		if !strings.Contains(workflows(t)[file], "\n  "+job+":\n") {
			t.Errorf("%s may write and does not exist", where)
		}
	}
}

// A user who may push a tag may not be allowed to merge: what is built is on main, no matter who tagged it.
func TestOnlyWhatWasMergedIsReleased(t *testing.T) {
	var read workflow
	if err := yaml.Unmarshal([]byte(workflows(t)["release.yml"]), &read); err != nil {
		t.Fatal(err)
	}
	merged, built := -1, -1
	for i, one := range read.Jobs["build"].Steps {
		if strings.HasPrefix(one.Run, `git merge-base --is-ancestor "$GITHUB_SHA" origin/main ||`) && strings.Contains(one.Run, "exit 1") {
			merged = i
		}
		if strings.HasPrefix(one.Run, "make release ") {
			built = i
		}
	}
	if merged < 0 || built < merged {
		t.Errorf("step %d compares with main, and step %d builds", merged, built)
	}
	for job, before := range map[string]string{"push": "build", "publish": "push"} {
		if needs := read.Jobs[job]; needs.Needs.Value != before {
			t.Errorf("job %s does not wait for %s, and so for the comparison with main", job, before)
		}
	}
}

const goodWorkflow = `on: {push: {branches: [main]}}
permissions: {}
jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: read
    steps:
    - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
      with:
        persist-credentials: false
    - run: make test
`

func TestEveryFaultOfAWorkflowIsFound(t *testing.T) {
	if found := faults("x.yml", goodWorkflow); len(found) > 0 {
		t.Errorf("faults of a good one: %q", found)
	}
	const commit = "@3d3c42e5aac5ba805825da76410c181273ba90b1"
	for name, one := range map[string]struct{ from, to, want string }{
		"a tag":                    {commit + " # v7.0.1", "@v7", "not pinned"},
		"a commit without version": {" # v7.0.1", "", "not pinned"},
		"a short commit":           {commit, "@3d3c42e", "not pinned"},
		"a branch as comment":      {"# v7.0.1", "# main", "not pinned"},
		"a docker image":           {"actions/checkout" + commit, "docker://alpine:3", "not pinned"},
		"no permissions at the top": {
			"permissions: {}\n", "", "at the top",
		},
		"all permissions at the top": {"permissions: {}", "permissions: write-all", "at the top"},
		"read all at the top":        {"permissions: {}", "permissions: {contents: read}", "at the top"},
		"a job without permissions":  {"    permissions:\n      contents: read\n", "", "job test has no permissions"},
		"a job that writes":          {"contents: read", "contents: write", "may write"},
		"requests of strangers":      {"on: {push: {branches: [main]}}", "on: [push, pull_request_target]", "pull_request_target"},
		"one event, as text":         {"on: {push: {branches: [main]}}", "on: workflow_run", "workflow_run"},
		"an event with settings":     {"on: {push: {branches: [main]}}", "on: {issue_comment: {types: [created]}}", "issue_comment"},
		"an expression in a script":  {"make test", "echo ${{ github.event.pull_request.title }}", "an expression in a script"},
		"a ref in a script":          {"make test", "make ${{github.head_ref}}", "an expression in a script"},
		"no limit of time":           {"    timeout-minutes: 5\n", "", "timeout-minutes"},
		"a machine that changes":     {"ubuntu-24.04", "ubuntu-latest", "another machine"},
		"a token that stays":         {"persist-credentials: false", "fetch-depth: 0", "persist-credentials"},
		"a runner of a matrix":       {"runs-on: ubuntu-24.04", "strategy: {matrix: {include: [{runner: ubuntu-latest}]}}\n    runs-on: ${{ matrix.runner }}", "another machine"},
		"runners of a matrix":        {"runs-on: ubuntu-24.04", "strategy: {matrix: {runner: [self-hosted]}}\n    runs-on: ${{ matrix.runner }}", "another machine"},
		"a runner that is nowhere":   {"runs-on: ubuntu-24.04", "runs-on: ${{ matrix.runner }}", "another machine"},
		"a branch in braces":         {"    - run: make test\n", "    - {uses: a/b@main}\n", "not pinned"},
		"a branch after spaces":      {"    - run: make test\n", "    -   uses: a/b@main\n", "not pinned"},
		"a branch with a quoted key": {"    - run: make test\n", "    - \"uses\": a/b@main\n", "not pinned"},
		"a branch on the next line":  {"    - run: make test\n", "    - ? uses\n      : a/b@main\n", "not pinned"},
		"a secret":                   {"make test", "make test TOKEN=$TOKEN # secrets.TOKEN", "a secret"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(goodWorkflow, one.from, one.to, 1)
			if text == goodWorkflow {
				t.Fatal("nothing was changed")
			}
			if found := strings.Join(faults("x.yml", text), "\n"); !strings.Contains(found, one.want) {
				t.Errorf("found %q, and nothing with %q", found, one.want)
			}
		})
	}
}

func TestAReleaseTakesNothingFromACache(t *testing.T) {
	for _, one := range []struct{ from, to string }{
		{"actions/checkout", "actions/setup-go"},
		{"actions/checkout", "actions/setup-node"},
		{"actions/checkout", "actions/cache"},
		{"actions/checkout", "actions/cache/restore"},
	} {
		text := strings.Replace(goodWorkflow, one.from, one.to, 1)
		if found := strings.Join(faults("release.yml", text), "\n"); !strings.Contains(found, "a cache") {
			t.Errorf("%s: found %q", one.to, found)
		}
		if found := faults("ci.yml", text); len(found) > 0 {
			t.Errorf("%s in another workflow: %q", one.to, found)
		}
	}
	// A composite action could do all of this unseen.
	if found, err := filepath.Glob("../../.github/actions/*"); err != nil || len(found) > 0 {
		t.Errorf("actions of this repository are not judged: %q, %v", found, err)
	}
}

func TestEveryModuleGetsUpdates(t *testing.T) {
	var settings struct {
		Updates []struct {
			Ecosystem   string   `yaml:"package-ecosystem"`
			Directory   string   `yaml:"directory"`
			Directories []string `yaml:"directories"`
		} `yaml:"updates"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../.github/dependabot.yml")), &settings); err != nil {
		t.Fatal(err)
	}
	var got, ecosystems []string
	for _, one := range settings.Updates {
		ecosystems = append(ecosystems, one.Ecosystem)
		if one.Ecosystem == "gomod" {
			got = append(got, one.Directories...)
			if one.Directory != "" {
				got = append(got, one.Directory)
			}
		}
	}
	var want []string
	for _, module := range modules(t) {
		want = append(want, strings.TrimSuffix("/"+filepath.ToSlash(filepath.Dir(module)), "/."))
	}
	for i := range want {
		if want[i] == "" {
			want[i] = "/"
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("folders with a go.mod, and those in .github/dependabot.yml (-go.mod +dependabot):\n%s", diff)
	}
	if !slices.Contains(ecosystems, "github-actions") {
		t.Error("actions get no updates")
	}
}
