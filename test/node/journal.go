package node

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// what is a kind of event.
type what string

const (
	tainted      what = "tainted"
	untainted    what = "untainted"
	cordoned     what = "cordoned"
	uncordoned   what = "uncordoned"
	drained      what = "drained"
	toldToReboot what = "ordered to reboot"
	machineReset what = "machine reset"
	newBoot      what = "new boot ID"
	nodeReady    what = "Ready"
	nodeNotReady what = "not Ready"
	phaseIs      what = "phase"
	podEnded     what = "pod ended"
	said         what = "-"
)

// event is something that happened to a node, or to all of them if node is empty.
type event struct {
	at     time.Time
	node   string
	what   what
	detail string
}

// journal is what happened, in order. It is the transcript that is printed, and what the assertions look back at.
type journal struct {
	out   io.Writer
	begin time.Time

	mu     sync.Mutex
	events []event
}

func newJournal(out io.Writer) *journal { return &journal{out: out, begin: time.Now()} }

func (j *journal) add(node string, what what, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := event{at: time.Now(), node: node, what: what, detail: fmt.Sprintf(format, args...)}
	j.events = append(j.events, e)
	_, _ = fmt.Fprintf(j.out, "%6.1fs  %-7s  %-14s  %s\n", e.at.Sub(j.begin).Seconds(), cmp.Or(node, "-"), e.what, e.detail)
}

// turned reports something that became true or false.
func (j *journal) turned(node string, was, is bool, on, off what) {
	switch {
	case is && !was:
		j.add(node, on, "")
	case was && !is:
		j.add(node, off, "")
	}
}

// title begins a chapter of the transcript.
func (j *journal) title(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = fmt.Fprintf(j.out, "\n%6.1fs  == %s\n", time.Since(j.begin).Seconds(), fmt.Sprintf(format, args...))
}

// since returns what happened to the node after the instant.
func (j *journal) since(begin time.Time, node string) []event {
	j.mu.Lock()
	defer j.mu.Unlock()
	var events []event
	for _, e := range j.events {
		if e.node == node && e.at.After(begin) {
			events = append(events, e)
		}
	}
	return events
}

func indexOf(events []event, what what) int {
	return slices.IndexFunc(events, func(e event) bool { return e.what == what })
}

// logger writes what the testbed logs into the journal.
func (j *journal) logger() logr.Logger { return logr.New(journalSink{journal: j}) }

// journalSink implements logr.LogSink.
type journalSink struct{ journal *journal }

// Init implements logr.LogSink.
func (s journalSink) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (s journalSink) Enabled(int) bool { return true }

// Info implements logr.LogSink.
func (s journalSink) Info(_ int, message string, values ...any) {
	s.journal.add("", said, "%s%s", message, pairs(values))
}

// Error implements logr.LogSink.
func (s journalSink) Error(err error, message string, values ...any) {
	s.journal.add("", said, "%s%s: %v", message, pairs(values), err)
}

// WithValues implements logr.LogSink.
func (s journalSink) WithValues(...any) logr.LogSink { return s }

// WithName implements logr.LogSink.
func (s journalSink) WithName(string) logr.LogSink { return s }

func pairs(values []any) string {
	var text strings.Builder
	for i := 0; i+1 < len(values); i += 2 {
		_, _ = fmt.Fprintf(&text, ", %v: %v", values[i], values[i+1])
	}
	return text.String()
}
