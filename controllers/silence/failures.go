package silence

import (
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	// firstRetry is when a task that failed is tried again for the first time. Each time it takes twice as long, up to lastRetry.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	// lastFind is the same of Find: nothing waits for that, and the answer may be large.
	lastFind = 5 * time.Minute
	// patience is how often in a row a task has to fail before that is reported: each word is a write to the policy.
	patience = 3
)

// streak is a number of failures one after the other.
type streak struct {
	count int
	since time.Time
	// next is when to try again.
	next time.Time
	// text is the message about them. It is another one only if that has been so for as often as a failure has to be to be said: two failures
	// that take turns would be a write each time.
	text, last string
	same       int
}

func (s *streak) add(now time.Time, text string, most time.Duration) {
	if s.count == 0 {
		s.since = now
	}
	s.next = now.Add(min(firstRetry<<min(s.count, 10), most))
	s.count++
	if text != s.last {
		s.last, s.same = text, 0
	}
	if s.same++; s.text == "" || s.same >= patience {
		s.text = text
	}
}

// failing is a task that fails.
type failing struct {
	streak
	action Action
	key    Key
}

// Failed notes that a task was tried in vain, and what is said about that: others go first. The silence may exist nevertheless. Answered
// says that there was an answer; without one, the server is left alone for a while.
func (l *Ledger) Failed(t Task, now time.Time, text string, answered bool) {
	key := t.Silence.Key
	if t.Action == Keep {
		if l.held[key] == nil {
			l.Found(t.Silence, time.Time{})
		}
		if h := l.held[key]; h.maybe.Before(t.Until) {
			h.maybe = t.Until
		}
	}
	if l.failing == nil {
		l.failing = map[Key]*failing{}
	}
	f := l.failed(&t)
	if f == nil {
		f = &failing{action: t.Action, key: key}
		l.failing[key] = f
	}
	f.add(now, text, mostBetween(&t))
	if answered {
		l.silent = streak{}
		return
	}
	l.silent.add(now, text, lastRetry)
}

// mostBetween is the most that there is between two tries of a task. A next try that is farther away is from before the clock went back.
func mostBetween(t *Task) time.Duration {
	if t.Action == Find {
		return lastFind
	}
	return lastRetry
}

// failed is how the task failed before; nil if it did not.
func (l *Ledger) failed(t *Task) *failing {
	if f := l.failing[t.Silence.Key]; f != nil && f.action == t.Action {
		return f
	}
	return nil
}

// mayTry is when a task may be tried. An end that is new is tried at once, also at a server that gave no answer: it lets a page through.
func (l *Ledger) mayTry(t *Task) time.Time {
	f := l.failed(t)
	switch {
	case f == nil && t.Action == End:
		return time.Time{}
	case f == nil || l.silent.next.After(f.next):
		return l.silent.next
	}
	return f.next
}

// Failures are what has failed for some time: that silences cannot be made, otherwise that those of earlier managers cannot be listed, and
// that silences cannot be ended.
func (l *Ledger) Failures() []model.SilenceFailure {
	var all []*failing
	for _, f := range l.failing {
		if max(f.count, l.silent.count) >= patience {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b *failing) int { return compare(a.key, b.key) })
	var keep, find, end *model.SilenceFailure
	for _, f := range all {
		switch f.action {
		case Keep:
			keep = join(keep, f)
		case Find:
			find = join(find, f)
			find.Finding, find.Until = true, l.began.Add(longest)
		case End:
			end = join(end, f)
			if h := l.held[f.key]; h != nil && h.lasts().After(end.Until) {
				end.Until = h.lasts()
			}
		}
	}
	if keep != nil {
		find = nil
	}
	var failures []model.SilenceFailure
	for _, f := range []*model.SilenceFailure{keep, find, end} {
		if f != nil {
			failures = append(failures, *f)
		}
	}
	return failures
}

// join adds one that fails to others.
func join(to *model.SilenceFailure, f *failing) *model.SilenceFailure {
	if to == nil {
		return &model.SilenceFailure{
			Ending: f.action == End, Silence: f.key.Entry, Node: f.key.Node, Nodes: 1, Message: f.text, Since: f.since,
		}
	}
	to.Nodes++
	if f.since.Before(to.Since) {
		to.Since = f.since
	}
	return to
}

// Overdue is how many silences should have ended and may still hide alerts, as far as that has failed for some time.
func (l *Ledger) Overdue() int {
	n := 0
	for _, f := range l.Failures() {
		if f.Ending {
			n += f.Nodes
		}
	}
	return n
}
