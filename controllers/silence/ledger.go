package silence

import (
	"maps"
	"slices"
	"time"
)

// Action is what a task does.
type Action int

const (
	// Find lists what a former manager made.
	Find Action = iota
	// Keep makes a silence, renews or shortens it.
	Keep
	// End ends one.
	End
)

// Task is one thing to do at an Alertmanager.
type Task struct {
	Action Action
	// Silence to keep or to end, and until when to keep it.
	Silence Silence
	Until   time.Time
	// Unsure says that there may be no silence to end: it was requested without an answer, or its state is unknown.
	Unsure bool
	// Kept is when the silence that is to end was last made or renewed; zero if that is not known.
	Kept time.Time
}

// Order is what a pass asked for last.
type Order struct {
	Silences []Silence
	// At is when that was. A silence lasts no longer than its duration from then on, unless the next pass asks for it again.
	At time.Time
	// Closed says that no one asks anymore.
	Closed bool
}

// AsOf is an order that was not given later than now: after the clock went back it does not count for longer than it should.
func (o Order) AsOf(now time.Time) Order {
	if o.At.After(now) {
		o.At = now
	}
	return o
}

// Ledger is what is known of the silences of one entry at one Alertmanager. Its zero value knows none.
type Ledger struct {
	held map[Key]*held
	// began is when there was something to do first. Found: what former managers made was listed, or has expired since then.
	began time.Time
	found bool
	// ended are those that were ended before they were found.
	ended map[Key]bool
	// failing are the tasks that were tried in vain since they last succeeded. The task of Find has no key.
	failing map[Key]*failing
	// silent are the requests in a row that had no answer.
	silent streak
}

// held is a silence that exists until a time; zero if that is not known. It may exist for longer: a request that failed may have been
// carried out.
type held struct {
	silence      Silence
	until, maybe time.Time
	// kept is when it was last made or renewed; zero if others did.
	kept time.Time
}

// lasts is until when the silence may exist.
func (h *held) lasts() time.Time {
	if h.maybe.After(h.until) {
		return h.maybe
	}
	return h.until
}

// possible says that the silence may exist.
func (h *held) possible(now time.Time) bool { return now.Before(h.lasts()) }

// end is the task to end it.
func (h *held) end(now time.Time) *Task {
	return &Task{Action: End, Unsure: !now.Before(h.until), Silence: h.silence, Kept: h.kept}
}

const (
	// slack is by how much two clocks, and whole seconds, may differ.
	slack = 5 * time.Second
	// longest is for how long any entry may have a silence made.
	longest = max(maxDuration, maxLinger)
)

// Found notes a silence that exists until a time.
func (l *Ledger) Found(s Silence, until time.Time) {
	if l.held == nil {
		l.held = map[Key]*held{}
	}
	l.held[s.Key] = &held{silence: s, until: until}
}

// Done notes that a task is done. The server has answered.
func (l *Ledger) Done(t Task, now time.Time) {
	l.silent = streak{}
	delete(l.failing, t.Silence.Key)
	switch t.Action {
	case Find:
		l.found, l.ended = true, nil
	case Keep:
		l.Found(t.Silence, t.Until)
		l.held[t.Silence.Key].kept = now
	case End:
		delete(l.held, t.Silence.Key)
		if !l.found {
			if l.ended == nil {
				l.ended = map[Key]bool{}
			}
			l.ended[t.Silence.Key] = true
		}
	}
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

// Next is what to do first; none if there is nothing to do now. Wake is when more becomes due; zero means never. Stale says that silences
// have to be renewed, and that only a pass can decide whether they should.
func (l *Ledger) Next(o Order, now time.Time) (first *Task, wake time.Time, stale bool) {
	plan := agenda{now: now}
	l.forget(o, now)
	if l.began.IsZero() {
		l.began = now
	}
	if !l.found && now.After(l.began.Add(longest+slack)) {
		l.Done(Task{Action: Find}, now) // whatever there was has expired
	}
	if !l.found && !o.Closed {
		plan.add(l, &Task{Action: Find})
	}
	known := make(map[Key]bool, len(o.Silences))
	for _, s := range o.Silences {
		known[s.Key] = true
		task, due, waits := l.due(s, o.At, now)
		stale = stale || waits
		plan.wakeAt(due)
		plan.add(l, task)
	}
	for key, h := range l.held {
		plan.wakeAt(h.lasts())
		if !known[key] {
			plan.add(l, h.end(now))
		}
	}
	return plan.first, plan.wake, stale
}

// forget what has expired, and what was noted about silences that no one asks for anymore.
func (l *Ledger) forget(o Order, now time.Time) {
	maps.DeleteFunc(l.held, func(_ Key, h *held) bool { return !h.possible(now) })
	asked, tried := map[Key]bool{}, map[Key]bool{{}: !o.Closed}
	for i := range o.Silences {
		s := &o.Silences[i]
		asked[s.Key], tried[s.Key] = true, s.State == UnderWay || l.mayBeLeft(s)
	}
	maps.DeleteFunc(l.failing, func(key Key, _ *failing) bool { return !tried[key] && l.held[key] == nil })
	maps.DeleteFunc(l.ended, func(key Key, _ bool) bool { return !asked[key] })
}

// mayBeLeft says that a silence may exist because a former manager made it, of an attempt that is over. It is not known yet what there is.
func (l *Ledger) mayBeLeft(s *Silence) bool { return s.State == Over && !l.found && !l.ended[s.Key] }

// due is what to do about a silence that a pass asked for at a time, and when to look again; zero means when it expires. It waits if only
// another pass can decide whether the silence should stay.
func (l *Ledger) due(s Silence, at, now time.Time) (task *Task, again time.Time, waits bool) {
	h := l.held[s.Key]
	if h == nil {
		h = &held{silence: s}
	}
	exists := now.Before(h.until)
	if s.State != UnderWay {
		return l.last(&s, h, now), time.Time{}, false
	}
	renew := h.until.Add(-s.Duration / 2)
	tooLong := h.until.After(now.Add(s.Duration + slack))
	switch {
	case exists && !tooLong && renew.After(now):
		return nil, renew, false
	case at.Before(now.Add(-s.Duration / 4)):
		return nil, time.Time{}, true
	}
	return &Task{Action: Keep, Silence: s, Until: at.Add(s.Duration)}, time.Time{}, false
}

// last is what to do about the silence of an attempt that is no longer under way. A silence that lingers is extended once by that time, and
// then expires.
func (l *Ledger) last(s *Silence, h *held, now time.Time) *Task {
	exists := now.Before(h.until) && now.Before(s.Until)
	switch {
	case s.State == Lingering && exists && differ(h.until, s.Until):
		return &Task{Action: Keep, Silence: *s, Until: s.Until}
	case s.State == Lingering && exists:
		return nil
	case h.possible(now):
		return h.end(now)
	case l.mayBeLeft(s):
		return &Task{Action: End, Unsure: true, Silence: *s}
	}
	return nil
}

func differ(a, b time.Time) bool { return a.Sub(b).Abs() > slack }

// agenda collects tasks, and keeps the first one.
type agenda struct {
	now   time.Time
	first *Task
	rank  [2]int
	wake  time.Time
}

func (a *agenda) wakeAt(t time.Time) {
	if t.After(a.now) && (a.wake.IsZero() || t.Before(a.wake)) {
		a.wake = t
	}
}

// add a task, unless it waits for its next try. Those that failed less often go first, and then the ends: they let a page through.
func (a *agenda) add(l *Ledger, t *Task) {
	if t == nil {
		return
	}
	if next := l.mayTry(t); next.After(a.now) && !next.After(a.now.Add(mostBetween(t))) {
		a.wakeAt(next)
		return
	}
	rank := [2]int{0, l.rank(t)}
	if f := l.failed(t); f != nil {
		rank[0] = f.count
	}
	order := slices.Compare(rank[:], a.rank[:])
	if a.first == nil || order < 0 || order == 0 && compare(t.Silence.Key, a.first.Silence.Key) < 0 {
		a.first, a.rank = t, rank
	}
}

// rank of a task among those that failed as often.
func (l *Ledger) rank(t *Task) int {
	h := l.held[t.Silence.Key]
	switch {
	case t.Action == Find:
		return 0
	case t.Action == End:
		return 1
	case h == nil || h.until.IsZero():
		return 2
	}
	return 3
}
