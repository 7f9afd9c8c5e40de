package silencer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/silence"
)

// lane keeps the silences of one entry at one server.
type lane struct {
	silencer *Silencer
	key      laneKey
	policy   string
	// wake has the lane look again.
	wake chan struct{}

	mu sync.Mutex
	// entry is the newest that asks for this lane.
	entry *v1alpha1.AlertSilence
	order silence.Order
	// stale: silences are to be renewed, and another pass has to say whether they should.
	stale bool
	// number is what there is, and empty says that no silence may exist.
	number Number
	empty  bool
	// failures are what fails.
	failures []model.SilenceFailure

	// Only run uses what follows.
	ledger silence.Ledger
	// asked is the order after which another pass was asked for.
	asked time.Time
}

func newLane(s *Silencer, key laneKey, w *silence.Wish, now time.Time) *lane {
	return &lane{
		silencer: s, key: key, policy: w.Policy.Name, wake: make(chan struct{}, 1), empty: true,
		entry: w.Entry, order: silence.Order{Silences: w.Silences, At: now},
	}
}

// want says what the lane is to keep.
func (l *lane) want(w *silence.Wish, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := l.entry == w.Entry && !l.order.Closed && slices.EqualFunc(l.order.Silences, w.Silences, equal)
	l.entry, l.order = w.Entry, silence.Order{Silences: w.Silences, At: now}
	if !same || l.stale {
		l.stale = false
		l.notify()
	}
}

func equal(a, b silence.Silence) bool {
	return a.Key == b.Key && a.State == b.State && a.Duration == b.Duration && a.Until.Equal(b.Until)
}

// close has the lane end what it keeps.
func (l *lane) close(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.order.Closed {
		l.order = silence.Order{At: now, Closed: true}
		l.notify()
	}
}

func (l *lane) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// mayGo says that nobody asks for the lane, and nothing is left in it.
func (l *lane) mayGo() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.order.Closed && l.empty
}

// run works until the context ends, or nothing is left to do.
func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		pause := l.step(ctx)
		if l.mayGo() && l.silencer.forget(l) {
			l.silencer.changed()
			return
		}
		l.wait(ctx, pause)
	}
}

// wait for that long, or until something else is asked for; below zero is for as long as that takes.
func (l *lane) wait(ctx context.Context, pause time.Duration) {
	if pause == 0 {
		return
	}
	var over <-chan time.Time
	if pause > 0 {
		timer := clock.RealClock{}.NewTimer(pause)
		defer timer.Stop()
		over = timer.C()
	}
	select {
	case <-ctx.Done():
	case <-l.wake:
	case <-over:
	}
}

// step makes at most one request, and says how long to wait then; below zero is until something else is asked for.
func (l *lane) step(ctx context.Context) (pause time.Duration) {
	now := l.silencer.options.Clock.Now()
	l.mu.Lock()
	l.order = l.order.AsOf(now)
	entry, order := l.entry, l.order
	task, wake, stale := l.ledger.Next(order, now)
	l.stale = stale
	l.mu.Unlock()
	if stale && !l.asked.Equal(order.At) {
		l.asked = order.At
		l.silencer.changed()
	}
	if task == nil {
		l.note(false)
		if wake.IsZero() {
			return -1
		}
		return max(wake.Sub(now), time.Millisecond)
	}
	err := l.try(ctx, l.silencer.options.Servers(entry), task, now)
	if ctx.Err() != nil {
		return -1
	}
	if err != nil {
		l.ledger.Failed(*task, l.silencer.options.Clock.Now(), gates.Readable(err), gates.Answered(err))
	} else {
		l.ledger.Done(*task, now)
		l.log(task)
	}
	l.note(err != nil)
	return 0
}

// try carries out a task.
func (l *lane) try(ctx context.Context, server Server, task *silence.Task, now time.Time) error {
	switch task.Action {
	case silence.Find:
		return l.find(ctx, server, now)
	case silence.Keep:
		return server.Keep(ctx, &task.Silence, task.Until.Sub(now))
	}
	since := time.Duration(0)
	if !task.Kept.IsZero() {
		since = max(now.Sub(task.Kept), time.Millisecond)
	}
	err := server.End(ctx, &task.Silence, since)
	if task.Unsure && errors.Is(err, gates.ErrNotListed) {
		return nil
	}
	return err
}

// find notes the silences that a former manager made for the entry.
func (l *lane) find(ctx context.Context, server Server, now time.Time) error {
	found, err := server.List(ctx)
	if err != nil {
		return err // part of a list says nothing
	}
	latest := map[silence.Key]time.Duration{}
	for i := range found {
		// Two managers may have made one each, and the alert is hidden until the later one ends.
		if f := &found[i]; f.PolicyUID == l.key.policyUID && f.Entry == l.key.entry && f.For > latest[f.Key] {
			latest[f.Key] = f.For
			l.ledger.Found(f.Silence, now.Add(f.For))
		}
	}
	return nil
}

func (l *lane) log(task *silence.Task) {
	log := l.silencer.options.Log.WithValues("policy", l.policy, "silence", l.key.entry, "node", task.Silence.Node)
	switch task.Action {
	case silence.Find:
	case silence.Keep:
		log.Info("The silence was made or renewed", "until", task.Until)
	case silence.End:
		log.Info("The silence was ended")
	}
}

// note takes down what there is, for others to read, and has a pass made if there is news.
func (l *lane) note(failed bool) {
	failures := l.ledger.Failures()
	for i := range failures {
		failures[i].Silence = l.key.entry
	}
	l.mu.Lock()
	l.empty = l.ledger.Empty()
	l.number.Silences, l.number.Overdue = l.ledger.Held(), l.ledger.Overdue()
	news := !slices.Equal(l.failures, failures)
	l.failures = failures
	l.mu.Unlock()
	if failed {
		l.silencer.count(l.policy)
	}
	if !news {
		return
	}
	for _, f := range failures {
		if f.Ending {
			l.silencer.options.Log.Info("A silence cannot be ended: alerts may stay hidden", "policy", l.policy, "silence", f.Silence,
				"node", f.Node, "until", f.Until, "reason", f.Message)
		}
	}
	l.silencer.changed()
}

// fails returns what fails, once that has been so for some time.
func (l *lane) fails() []model.SilenceFailure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failures
}

func (l *lane) add(n Number) Number {
	l.mu.Lock()
	defer l.mu.Unlock()
	n.Silences, n.Overdue = n.Silences+l.number.Silences, n.Overdue+l.number.Overdue
	return n
}
