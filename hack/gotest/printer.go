package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// modulePath is left out where packages are named.
const modulePath = "github.com/reboot-operator/reboot-operator/"

// event is what `go test -json` writes, one in a line; see `go doc test2json`.
type event struct {
	Time                          time.Time
	Action, Package, Test, Output string
}

// testPackage is a package whose tests run.
type testPackage struct {
	began time.Time
	// last is the test that began last, and running are all that have not ended.
	last    string
	running map[string]bool
	// output is the output of each test; the package itself has the empty name.
	output map[string][]string
	// parents have tests below them, whose results count instead of theirs; of failing ones, some below failed.
	parents, failing map[string]bool
}

// printer makes the output of `go test` out of that of `go test -json`.
type printer struct {
	out      io.Writer
	packages map[string]*testPackage
	summary  summary
	// err is the first error of writing.
	err error
}

func newPrinter(out io.Writer) *printer {
	return &printer{out: out, packages: map[string]*testPackage{}}
}

func (p *printer) print(text string) {
	if _, err := io.WriteString(p.out, text); err != nil && p.err == nil {
		p.err = fmt.Errorf("print: %w", err)
	}
}

// take takes a line of `go test -json`, and reports whether something was printed.
func (p *printer) take(line []byte) bool {
	var e event
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		p.print(string(line)) // It is not of a test: something that the go command says.
		return true
	}
	if e.Action == "build-output" {
		p.print(e.Output)
		return true
	}
	if e.Package == "" {
		return false
	}
	pkg := p.packages[e.Package]
	if pkg == nil {
		pkg = &testPackage{
			began: e.Time, running: map[string]bool{}, output: map[string][]string{}, parents: map[string]bool{}, failing: map[string]bool{},
		}
		p.packages[e.Package] = pkg
	}
	switch e.Action {
	case "run":
		pkg.last, pkg.running[e.Test] = e.Test, true
	case "output":
		pkg.output[e.Test] = append(pkg.output[e.Test], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			p.endPackage(&e, pkg)
			return true
		}
		return p.endTest(&e, pkg)
	}
	return false
}

// endTest prints what a test said that failed, and counts it.
func (p *printer) endTest(e *event, pkg *testPackage) bool {
	said := pkg.output[e.Test]
	delete(pkg.output, e.Test)
	delete(pkg.running, e.Test)
	if parent := e.Test[:max(0, strings.LastIndex(e.Test, "/"))]; parent != "" {
		pkg.parents[parent] = true
		pkg.failing[parent] = pkg.failing[parent] || e.Action == "fail"
	}
	name := strings.TrimPrefix(e.Package, modulePath) + " " + e.Test
	switch e.Action {
	case "fail":
		if !pkg.failing[e.Test] {
			p.summary.Failed = append(p.summary.Failed, name)
		}
		pkg.failing[""] = true
		p.print(withoutMarks(said))
		return true
	case "skip":
		p.summary.Skipped = append(p.summary.Skipped, name+": "+reason(said))
	default:
		if !pkg.parents[e.Test] {
			p.summary.Passed++
		}
		if specs := skippedSpecs(said); specs != "" {
			p.summary.Skipped = append(p.summary.Skipped, name+": some of its specs: "+specs)
		}
	}
	return false
}

// endPackage prints the line of go test about the package, and of one that failed everything that it said.
func (p *printer) endPackage(e *event, pkg *testPackage) {
	delete(p.packages, e.Package)
	own := pkg.output[""]
	if e.Action != "fail" {
		p.print(strings.Join(own[max(0, len(own)-1):], ""))
		return
	}
	// The program ended before these did, and the innermost ones are what hung. They come before those that they are part of.
	for _, test := range slices.Backward(slices.Sorted(maps.Keys(pkg.running))) {
		p.endTest(&event{Action: "fail", Package: e.Package, Test: test}, pkg)
	}
	if !pkg.failing[""] {
		p.summary.Failed = append(p.summary.Failed, strings.TrimPrefix(e.Package, modulePath))
	}
	p.print(withoutMarks(own))
}

// sayWhatRuns is for those who wait.
func (p *printer) sayWhatRuns(now time.Time) {
	for _, path := range slices.Sorted(maps.Keys(p.packages)) {
		pkg := p.packages[path]
		p.print(fmt.Sprintf("...\t%s\trunning for %s: %s\n", path, now.Sub(pkg.began).Round(time.Second), pkg.last))
	}
}

// marks are the lines that only `go test -v` prints.
var marks = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME|ATTR|ARTIFACTS) `)

func withoutMarks(lines []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(lines), marks.MatchString), "")
}

// logged is the beginning of what a test logs.
var logged = regexp.MustCompile(`^\s*[^\s:]+\.go:\d+: `)

// reason is what a test logged last, in one line: t.Skip logs why.
func reason(said []string) string {
	var why string
	for line := range strings.Lines(withoutMarks(said)) {
		switch place := logged.FindString(line); {
		case place != "":
			why = strings.TrimPrefix(line, place)
		case why != "" && !strings.HasPrefix(strings.TrimSpace(line), "--- SKIP: "):
			why += line
		}
	}
	if why = strings.Join(strings.Fields(why), " "); why == "" {
		return "it does not say why"
	}
	return why
}

// color is what Ginkgo paints its words with.
var color = regexp.MustCompile("\x1b\\[[0-9;]*m")

// ginkgoCount is what Ginkgo says at the end, where it left out some.
var ginkgoCount = regexp.MustCompile(`\d+ Passed \| \d+ Failed \| (\d+ Pending \| [1-9]\d* Skipped|[1-9]\d* Pending \| \d+ Skipped)`)

// skippedSpecs is Ginkgo's count where it is not of all specs: to go test, all of them are one test.
func skippedSpecs(said []string) string {
	return ginkgoCount.FindString(color.ReplaceAllString(strings.Join(said, ""), ""))
}
