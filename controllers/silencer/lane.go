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

const (
	// firstRetry is when a request that failed is tried again for the first time. Each time it takes twice as long, up to lastRetry.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	// patience is how many requests in a row have to fail before that is said: each word is a write to the policy.
	patience = 3
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
	entry  *v1alpha1.AlertSilence
	wanted []silence.Silence
	closed bool
	// held is how many silences exist, and empty says that none may exist.
	held  int
	empty bool
	// inARow is how many requests have failed one after the other, since when, and what was said of the last one.
	inARow int
	since  time.Time
	text   string
	failed int

	// Only run uses what follows.
	ledger silence.Ledger
	listed bool
}

func newLane(s *Silencer, key laneKey, w *silence.Wish) *lane {
	return &lane{silencer: s, key: key, policy: w.Policy.Name, wake: make(chan struct{}, 1), empty: true}
}

// want says what the lane is to keep.
func (l *lane) want(w *silence.Wish) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := l.entry == w.Entry && !l.closed && slices.EqualFunc(l.wanted, w.Silences, equal)
	l.entry, l.wanted, l.closed = w.Entry, w.Silences, false
	if !same {
		l.notify()
	}
}

func equal(a, b silence.Silence) bool {
	return a.Key == b.Key && a.State == b.State && a.Duration == b.Duration && a.Until.Equal(b.Until)
}

// close has the lane end what it keeps.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.wanted, l.closed = nil, true
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
	return l.closed && l.empty
}

// run works until the context ends, or nothing is left to do.
func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		pause, ended := l.step(ctx)
		if ended && l.silencer.forget(l) {
			l.silencer.changed()
			return
		}
		l.wait(ctx, pause)
	}
}

// wait for so long, or until something else is asked for; below zero is for as long as that takes. After a failure it is waited for the
// time of the retry in any case: the server is the same.
func (l *lane) wait(ctx context.Context, pause time.Duration) {
	if pause == 0 {
		return
	}
	wake := l.wake
	if l.failing() {
		wake = nil
	}
	var over <-chan time.Time
	if pause > 0 {
		timer := clock.RealClock{}.NewTimer(pause)
		defer timer.Stop()
		over = timer.C()
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-over:
	}
}

// step makes at most one change, and says how long to wait then; below zero is until something else is asked for.
func (l *lane) step(ctx context.Context) (pause time.Duration, ended bool) {
	l.mu.Lock()
	entry, wanted, closed := l.entry, l.wanted, l.closed
	l.mu.Unlock()
	now := l.silencer.options.Clock.Now()
	server := l.silencer.options.Servers(entry)
	if !l.listed {
		if closed {
			return -1, true // what a former manager made lapses
		}
		if err := l.list(ctx, server, now); err != nil {
			return l.note(ctx, err), false
		}
		l.listed = true
	}
	task, wake := l.ledger.Next(wanted, now)
	if task == nil {
		l.note(ctx, nil)
		if wake.IsZero() {
			return -1, closed
		}
		return max(wake.Sub(now), time.Millisecond), false
	}
	var err error
	if task.End {
		err = server.End(ctx, &task.Silence)
		if task.Unsure && errors.Is(err, gates.ErrNotListed) {
			err = nil
		}
	} else {
		err = server.Keep(ctx, &task.Silence, task.Until.Sub(now))
	}
	if err != nil {
		l.ledger.Failed(*task)
		return l.note(ctx, err), false
	}
	l.ledger.Done(*task)
	log := l.silencer.options.Log.WithValues("policy", l.policy, "silence", l.key.entry, "node", task.Silence.Node)
	if task.End {
		log.Info("The silence was ended")
	} else {
		log.Info("The silence was made or renewed", "until", task.Until)
	}
	return l.note(ctx, nil), false
}

// list finds the silences that a former manager made for the entry.
func (l *lane) list(ctx context.Context, server Server, now time.Time) error {
	found, err := server.List(ctx)
	for i := range found {
		if f := &found[i]; f.PolicyUID == l.key.policyUID && f.Entry == l.key.entry {
			l.ledger.Found(f.Silence, now.Add(f.For))
		}
	}
	return err
}

// note takes down how a request went, and says how long to wait before the next one.
func (l *lane) note(ctx context.Context, err error) time.Duration {
	if ctx.Err() != nil {
		return -1
	}
	l.mu.Lock()
	l.held, l.empty = l.ledger.Held(), l.ledger.Empty()
	before, saidBefore := l.text, l.inARow >= patience
	pause := time.Duration(0)
	if err == nil {
		l.inARow, l.text = 0, ""
	} else {
		if l.inARow == 0 {
			l.since = l.silencer.options.Clock.Now()
		}
		pause = lastRetry
		if l.inARow < 5 {
			pause = firstRetry << l.inARow
		}
		l.inARow++
		l.failed++
		l.text = gates.Readable(err)
	}
	says := l.inARow >= patience
	news := says != saidBefore || says && l.text != before
	l.mu.Unlock()
	if news {
		l.silencer.changed()
	}
	return pause
}

func (l *lane) failing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inARow > 0
}

// failure is what fails, once that has been so for some time.
func (l *lane) failure() (model.SilenceFailure, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inARow < patience {
		return model.SilenceFailure{}, false
	}
	return model.SilenceFailure{Silence: l.key.entry, Message: l.text, Since: l.since}, true
}

func (l *lane) add(n Number) Number {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Number{Silences: n.Silences + l.held, Failed: n.Failed + l.failed}
}
