package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
	"github.com/reboot-operator/reboot-operator/test/chaos/rig"
	"github.com/reboot-operator/reboot-operator/test/chaos/wire"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// killAt kills the manager at one write: before the API server sees it, or after it has done it and before the manager learns that. It
// returns whether that has happened.
func killAt(manager *rig.Manager, number int, before bool) *atomic.Bool {
	done := &atomic.Bool{}
	manager.Wire().Reset()
	manager.Wire().SetHook(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if call.Number != number || done.Swap(true) {
			return next()
		}
		if !before {
			if response, err := next(); err == nil {
				_ = response.Body.Close() // nobody reads it
			}
		}
		manager.Kill()
		return nil, wire.ErrCut
	})
	return done
}

// managerKilledAtEachWrite rolls out once for each write of a rollout and each side of it.
func managerKilledAtEachWrite(r *run) {
	r.nodes("a", "b")
	r.app(2)
	manager := r.alone()
	r.policy()
	rules := judge.Rules{Grace: grace}
	manager.Wire().Reset()
	r.rollout("nothing goes wrong", rules, nil)
	writes := manager.Wire().Writes()
	step := 1
	if !r.full {
		step = max(1, len(writes)/6)
	}
	killed := 0
	for number := 1 + r.rand.IntN(step); number <= len(writes); number += step {
		for _, before := range []bool{true, false} {
			r.must(r.ForgetReboots(r.ctx))
			done := killAt(manager, number, before)
			side := map[bool]string{true: "before", false: "after"}[before]
			r.rollout(fmt.Sprintf("the manager was killed %s write %d (in the run before: %s)", side, number, writes[number-1]), rules, nil)
			manager.Wire().SetHook(nil)
			r.must(manager.WaitReady(r.ctx))
			if done.Load() {
				killed++
			}
		}
	}
	r.note = fmt.Sprintf("%d writes, %d kills", len(writes), killed)
}

// jitter delays writes, so that managers that race do so at every point.
func (r *run) jitter(manager *rig.Manager, most time.Duration) {
	var mu sync.Mutex
	source := rand.New(rand.NewPCG(r.rand.Uint64(), 1))
	manager.Wire().SetHook(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if call.Write {
			mu.Lock()
			wait := time.Duration(source.Int64N(int64(most)))
			mu.Unlock()
			r.pause(wait)
		}
		return next()
	})
}

// managersWithoutElection has two or three managers that all believe they lead, and kills one now and then.
func managersWithoutElection(r *run) {
	r.nodes("a", "a", "b", "b", "c", "c")
	r.app(5)
	limit := 1 + r.rand.IntN(2)
	count := 2 + r.rand.IntN(2)
	for range count {
		r.jitter(r.alone(), 150*time.Millisecond)
	}
	r.policy(rig.MaxUnavailable(limit))
	kills := 0
	r.rollout(fmt.Sprintf("%d managers led at once", count), judge.Rules{Grace: grace}, func(*rig.Trial) {
		for range r.scaled(4, 12) {
			r.pause(time.Duration(300+r.rand.IntN(2200)) * time.Millisecond)
			r.managers[r.rand.IntN(count)].Kill()
			kills++
		}
	})
	r.note = fmt.Sprintf("%d managers, %d kills", count, kills)
}

// leaseOver is longer than a leader's lease.
const leaseOver = 24 * time.Second

// leaderStopped stops the leader for longer than its lease, in the middle of a write, and lets it go on after another one took over.
func leaderStopped(r *run) {
	r.nodes("a", "a", "b", "b")
	r.app(3)
	r.manager()
	r.manager()
	r.policy()
	r.rollout("the leader was stopped for longer than its lease", judge.Rules{Grace: grace}, func(*rig.Trial) {
		stopped := make(chan *testbed.Manager, len(r.managers))
		var once sync.Once
		at := 2 + r.rand.IntN(10)
		for _, manager := range r.managers {
			manager.Wire().Reset()
			manager.Wire().SetHook(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
				current := manager.Current()
				if call.Number < at || current == nil {
					return next()
				}
				once.Do(func() {
					r.check(current.Pause())
					stopped <- current
				})
				return next()
			})
		}
		select {
		case process := <-stopped:
			r.pause(leaseOver)
			r.check(process.Continue())
		case <-r.after(time.Minute):
			r.Error("the leader came to no write")
		}
	})
}
