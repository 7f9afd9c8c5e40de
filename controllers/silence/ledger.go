package silence

import (
	"cmp"
	"slices"
	"time"
)

// Task is one thing to do at an Alertmanager.
type Task struct {
	// End the silence; otherwise it is made, renewed or shortened, to last until the time.
	End bool
	// Unsure says of an end that there may be no silence: it was asked for, and there was no answer.
	Unsure  bool
	Silence Silence
	Until   time.Time
}

// Ledger is what is known of the silences of one entry at one Alertmanager. Its zero value knows none.
type Ledger struct {
	held map[Key]*held
	// over are those of open attempts that are not made again.
	over map[Key]bool
	// failures is how often a task of each was tried in vain.
	failures map[Key]int
}

// held is a silence that exists until a time; zero if that is not known. It may exist for longer: a request that failed may have been
// carried out.
type held struct {
	silence      Silence
	until, maybe time.Time
}

// possible says that the silence may exist.
func (h *held) possible(now time.Time) bool { return now.Before(h.until) || now.Before(h.maybe) }

// end is the task to end it.
func (h *held) end(now time.Time) *Task {
	return &Task{End: true, Unsure: !now.Before(h.until), Silence: h.silence}
}

// slack is by how much two clocks, and whole seconds, may differ.
const slack = 5 * time.Second

// Found notes a silence that exists until a time.
func (l *Ledger) Found(s Silence, until time.Time) {
	if l.held == nil {
		l.held = map[Key]*held{}
	}
	l.held[s.Key] = &held{silence: s, until: until}
}

// Done notes that a task is done.
func (l *Ledger) Done(t Task) {
	delete(l.failures, t.Silence.Key)
	if t.End {
		delete(l.held, t.Silence.Key)
		return
	}
	l.Found(t.Silence, t.Until)
}

// Failed notes that a task was tried in vain: others go first. What was to be made may exist nevertheless.
func (l *Ledger) Failed(t Task) {
	if !t.End {
		if l.held[t.Silence.Key] == nil {
			l.Found(t.Silence, time.Time{})
		}
		if h := l.held[t.Silence.Key]; h.maybe.Before(t.Until) {
			h.maybe = t.Until
		}
	}
	if l.failures == nil {
		l.failures = map[Key]int{}
	}
	l.failures[t.Silence.Key]++
}

// Held is how many silences exist as far as is known.
func (l *Ledger) Held() int {
	n := 0
	for _, h := range l.held {
		if !h.until.IsZero() {
			n++
		}
	}
	return n
}

// Empty says that no silence exists or may exist.
func (l *Ledger) Empty() bool { return len(l.held) == 0 }

// Next is what to do first; none if there is nothing to do. Wake is when time alone will ask for more; zero is never.
func (l *Ledger) Next(wanted []Silence, now time.Time) (first *Task, wake time.Time) {
	var tasks []Task
	at := func(t time.Time) {
		if wake.IsZero() || t.Before(wake) {
			wake = t
		}
	}
	known := make(map[Key]bool, len(wanted))
	l.note(wanted)
	for _, s := range wanted {
		known[s.Key] = true
		if task, due := l.due(s, now); !due.IsZero() && due.After(now) {
			at(due)
		} else if task != nil {
			tasks = append(tasks, *task)
		}
	}
	for key, h := range l.held {
		switch {
		case !h.possible(now):
			delete(l.held, key) // it has lapsed
		case !known[key]:
			tasks = append(tasks, *h.end(now))
		}
	}
	if len(tasks) == 0 {
		return nil, wake
	}
	slices.SortFunc(tasks, l.before)
	return &tasks[0], wake
}

// note remembers what is over, for as long as the attempt is open, and what failed, for as long as it matters.
func (l *Ledger) note(wanted []Silence) {
	over, failures := map[Key]bool{}, map[Key]int{}
	keep := func(key Key) {
		if n := l.failures[key]; n > 0 {
			failures[key] = n
		}
	}
	for _, s := range wanted {
		if s.State == Over || l.over[s.Key] {
			over[s.Key] = true
		}
		keep(s.Key)
	}
	for key := range l.held {
		keep(key)
	}
	l.over, l.failures = over, failures
}

// due is what is to be done about a silence that is asked for, and when; no task if there is nothing to do but to wait until then.
func (l *Ledger) due(s Silence, now time.Time) (*Task, time.Time) {
	h := l.held[s.Key]
	if h == nil {
		h = &held{}
	}
	exists := now.Before(h.until)
	over := l.isOver(s, exists)
	switch {
	case over && h.possible(now):
		return h.end(now), time.Time{}
	case over:
		return nil, time.Time{}
	case s.State == Lingering && h.until.After(s.Until.Add(slack)):
		return &Task{Silence: s, Until: s.Until}, time.Time{}
	case s.State == Lingering:
		return nil, h.until
	}
	next := Task{Silence: s, Until: now.Add(s.Duration)}
	if !exists || h.until.After(next.Until.Add(slack)) {
		return &next, time.Time{}
	}
	renew := h.until.Add(-s.Duration / 2)
	return &next, renew
}

// isOver says that the silence is neither to be made nor to stay. One that lingers stays if it exists.
func (l *Ledger) isOver(s Silence, exists bool) bool {
	return s.State == Over || l.over[s.Key] || s.State == Lingering && !exists
}

// before puts those that failed less often first, and then the ends: they let a page through.
func (l *Ledger) before(a, b Task) int {
	rank := func(t Task) int {
		switch h := l.held[t.Silence.Key]; {
		case t.End:
			return 0
		case h == nil || h.until.IsZero():
			return 1
		}
		return 2
	}
	return cmp.Or(
		cmp.Compare(l.failures[a.Silence.Key], l.failures[b.Silence.Key]),
		cmp.Compare(rank(a), rank(b)),
		compare(a.Silence.Key, b.Silence.Key),
	)
}
