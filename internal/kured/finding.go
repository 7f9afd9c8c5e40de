package kured

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Source is where something was written.
type Source struct {
	// File, or the object of a cluster.
	File string
	// Line in the file; 0 for an object of a cluster.
	Line int
	// Name of the setting as it is called there: configuration.startTime, --start-time, KURED_START_TIME.
	Name string
}

func (s Source) String() string {
	text := s.File
	if s.Line > 0 {
		text = fmt.Sprintf("%s:%d", text, s.Line)
	}
	if s.Name != "" {
		text += ": " + s.Name
	}
	return text
}

// Level says what a finding asks of a person.
type Level string

const (
	// Note is about something that behaves differently here and needs no decision.
	Note Level = "note"
	// Decide is about something that was left out and needs a decision.
	Decide Level = "decide"
	// Wrong is about something whose meaning is not certain, or that kured itself refuses. There is no policy while there is one.
	Wrong Level = "wrong"
)

// Finding is something about a line of the configuration.
type Finding struct {
	Level   Level
	Source  Source
	Message string
}

func (f Finding) String() string { return fmt.Sprintf("%-6s  %s: %s", f.Level, f.Source, f.Message) }

// report collects findings.
type report struct{ findings []Finding }

func (r *report) add(level Level, source Source, format string, args ...any) {
	r.findings = append(r.findings, Finding{Level: level, Source: source, Message: fmt.Sprintf(format, args...)})
}

func (r *report) note(source Source, format string, args ...any) {
	r.add(Note, source, format, args...)
}
func (r *report) decide(source Source, format string, args ...any) {
	r.add(Decide, source, format, args...)
}
func (r *report) wrong(source Source, format string, args ...any) {
	r.add(Wrong, source, format, args...)
}

// has says that there is a finding of a level.
func (r *report) has(level Level) bool {
	return slices.ContainsFunc(r.findings, func(f Finding) bool { return f.Level == level })
}

var levels = map[Level]int{Wrong: 0, Decide: 1, Note: 2}

// sorted findings: those that need a person first, then by line.
func (r *report) sorted() []Finding {
	sorted := slices.Clone(r.findings)
	slices.SortStableFunc(sorted, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(levels[a.Level], levels[b.Level]), cmp.Compare(a.Source.File, b.Source.File),
			cmp.Compare(order(a.Source.Line), order(b.Source.Line)))
	})
	return slices.Compact(sorted)
}

// order of a line: what is about no line comes last.
func order(line int) int {
	if line == 0 {
		return math.MaxInt
	}
	return line
}
