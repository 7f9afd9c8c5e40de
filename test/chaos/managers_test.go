package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
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
		step = max(1, len(writes)/4)
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

// jitter makes managers see different things and write at the same time: each watch is late by a time of its own, and each write of the
// slots object by another one, so that what was read before it is old.
func (r *run) jitter(manager *rig.Manager, most time.Duration) {
	var mu sync.Mutex
	source := rand.New(rand.NewPCG(r.rand.Uint64(), 1))
	some := func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(source.Int64N(int64(most)))
	}
	manager.Wire().SetHook(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if grantsSlot(call) {
			r.pause(some())
		}
		response, err := next()
		if err == nil && call.Watch {
			response = wire.Late(response, some(), r.Clock)
		}
		return response, err
	})
	manager.Kill() // its watches begin again, and are late
}

// require has hosts ask for a reboot one after the other, in any order.
func (r *run) require(most time.Duration) {
	for _, i := range r.rand.Perm(len(r.hosts)) {
		r.hosts[i].RequireReboot()
		r.pause(time.Duration(r.rand.Int64N(int64(most))))
	}
}

// flicker has one node be skipped, and another one not. So managers that see that at different times choose different nodes; otherwise they
// would all choose the same one, and nobody would need a limit that holds for all of them.
func (r *run) flicker() {
	r.label(r.hosts[r.rand.IntN(len(r.hosts))], v1alpha1.SkipLabel, "true")
	r.label(r.hosts[r.rand.IntN(len(r.hosts))], v1alpha1.SkipLabel, "")
	r.pause(time.Duration(50+r.rand.IntN(200)) * time.Millisecond)
}

// managersWithoutElection has two or three managers that all believe they lead, and kills one now and then.
func managersWithoutElection(r *run) {
	r.nodes("a", "a", "b", "b", "c", "c")
	r.app(5)
	limit := 1 + r.rand.IntN(2)
	count := 2 + r.rand.IntN(2)
	for range count {
		r.jitter(r.alone(), 700*time.Millisecond)
	}
	options := []rig.PolicyOption{rig.MaxUnavailable(limit)}
	if r.rand.IntN(2) == 0 {
		options = append(options, rig.AnyOrder())
	}
	r.policy(options...)
	kills := 0
	for range r.scaled(1, 3) {
		r.judged(fmt.Sprintf("%d managers led at once", count), judge.Rules{Grace: grace}, func(*rig.Trial) {
			r.require(300 * time.Millisecond)
			for i := range r.scaled(20, 40) {
				r.flicker()
				if i%10 == 9 {
					r.managers[r.rand.IntN(count)].Kill()
					kills++
				}
			}
			for _, host := range r.hosts {
				r.label(host, v1alpha1.SkipLabel, "")
			}
		})
	}
	r.note = fmt.Sprintf("%d managers, %d kills", count, kills)
}

// leaseOver is longer than a leader's lease.
const leaseOver = 24 * time.Second

// leaderStopped stops the leader for longer than its lease, in the middle of a write, and lets it continue after another one took over.
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
