// Package forecaster has the forecasts made that the status of policies shows. It works beside the passes: each of them leaves its snapshot
// here and waits for nothing. One forecast is made at a time, for all policies together, and only while nodes need a reboot.
//
// Nothing here writes. When a forecast is news, as package forecast decides, a pass is asked for, whose plan takes it into the status.
package forecaster

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

const (
	// gathering is how long a rollout is left alone that has begun: needs come in bursts, and the pods of nodes are still being read. It is
	// shorter than the counts in the status of a policy wait, so that the first forecast is written together with them.
	gathering = 5 * time.Second
	// samples are the runs that draw their durations. The tenth part of them tells what nine of ten do not exceed.
	samples = 10
	// part of the work that a forecast may do by default, one in so many: enough for the run with the medians, whatever the cluster.
	part = 2
	// rest after a forecast is this many times what it took, so that forecasts take no more than a tenth of one processor.
	rest = 9
)

// Options of a Forecaster.
type Options struct {
	// Clock is that of the passes. Waiting is done by the machine's own.
	Clock clock.PassiveClock
	Log   logr.Logger
}

// Forecaster has forecasts made. It does nothing until it is started.
type Forecaster struct {
	options Options
	compute func(forecast.Input) *forecast.Forecast
	// wake has it look again.
	wake chan struct{}

	mu sync.Mutex
	// snapshot of the last pass; nil if no node needs a reboot.
	snapshot *plan.Snapshot
	// rollouts are those of the last pass, by policy.
	rollouts map[types.UID]*rollout
	// began is when the last forecast began, and rested when the next one may be made.
	began, rested time.Time
}

// rollout is what is known of the rollout of one policy.
type rollout struct {
	plan.Rollout
	// fresh says that no forecast for it was made since the last pass.
	fresh bool
	// due is when the next forecast may be made for it: not before nodes have gathered, and not before the last one is old.
	due time.Time
	// news says that the status should say what says is; nil is nothing.
	news bool
	says *v1alpha1.ForecastStatus
}

// New makes a Forecaster.
func New(options Options) *Forecaster {
	return &Forecaster{
		options: options, compute: forecast.Compute, wake: make(chan struct{}, 1), rollouts: map[types.UID]*rollout{},
	}
}

// Start lets the Forecaster work until the context ends. It says when there is something new to write.
func (f *Forecaster) Start(ctx context.Context, changed func()) {
	go func() {
		for ctx.Err() == nil {
			news, pause := f.step()
			if news {
				changed()
			}
			f.wait(ctx, pause)
		}
	}()
}

// wait for so long, or until a pass leaves something; below zero is for as long as that takes.
func (f *Forecaster) wait(ctx context.Context, pause time.Duration) {
	var over <-chan time.Time
	if pause >= 0 {
		timer := clock.RealClock{}.NewTimer(pause)
		defer timer.Stop()
		over = timer.C()
	}
	select {
	case <-ctx.Done():
	case <-f.wake:
	case <-over:
	}
}

// Offer leaves the snapshot of a pass, and the rollouts that its plan found. Nobody changes the snapshot afterwards.
func (f *Forecaster) Offer(s *plan.Snapshot, rollouts []plan.Rollout) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(rollouts) == 0 {
		f.snapshot = nil
		clear(f.rollouts)
		return
	}
	f.snapshot = s
	now := f.options.Clock.Now()
	current := make(map[types.UID]*rollout, len(rollouts))
	for _, offered := range rollouts {
		known := f.rollouts[offered.Policy.UID]
		if known == nil {
			known = &rollout{due: now.Add(gathering)}
		}
		known.Rollout, known.fresh = offered, true
		current[offered.Policy.UID] = known
	}
	f.rollouts = current
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Says is what the status of policies should say, by name, as far as that is news.
func (f *Forecaster) Says() map[string]*v1alpha1.ForecastStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	var says map[string]*v1alpha1.ForecastStatus
	for _, r := range f.rollouts {
		if !r.news {
			continue
		}
		if says == nil {
			says = map[string]*v1alpha1.ForecastStatus{}
		}
		says[r.Policy.Name] = r.says
	}
	return says
}

// Written says that the status of a policy was written, with this forecast. If the API server drops it, because its kinds are older than
// this program, it is written again after a few minutes, and not before.
func (f *Forecaster) Written(policy *v1alpha1.RebootPolicy, says *v1alpha1.ForecastStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.rollouts[policy.UID]; r != nil && r.says == says {
		r.news, r.says = false, nil
	}
}

// step makes a forecast if one is due. It says whether that is news, and when to look again: below zero is after the next pass.
func (f *Forecaster) step() (news bool, pause time.Duration) {
	snapshot, now := f.next()
	if snapshot == nil {
		return false, f.pause()
	}
	made := f.make(snapshot, now)
	took := f.options.Clock.Since(now)
	f.mu.Lock()
	f.began, f.rested = now, now.Add(took+rest*max(took, 0))
	for _, r := range f.rollouts {
		if f.dueOf(r, now).After(now) {
			continue
		}
		r.due = now.Add(forecast.PublishEvery)
		if made == nil {
			r.fresh = true
			continue
		}
		says, is := forecast.Publish(r.Policy.Status.Forecast, made, r.Policy.Name)
		r.news, r.says = is, nil
		if is {
			r.says, news = says, true
		}
	}
	f.mu.Unlock()
	return news, f.pause()
}

// next returns the snapshot to make a forecast of now; nil if none is due.
func (f *Forecaster) next() (*plan.Snapshot, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.options.Clock.Now()
	if due, is := f.due(now); !is || due.After(now) {
		return nil, now
	}
	for _, r := range f.rollouts {
		r.fresh = r.fresh && f.dueOf(r, now).After(now)
	}
	return f.snapshot, now
}

func (f *Forecaster) pause() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.options.Clock.Now()
	due, is := f.due(now)
	if !is {
		return -1
	}
	return max(due.Sub(now), 0)
}

// due is when the next forecast is to be made. Of what a forecast was made of already, another one says the same while nodes only wait.
func (f *Forecaster) due(now time.Time) (due time.Time, is bool) {
	for _, r := range f.rollouts {
		if !r.fresh && !r.UnderWay {
			continue
		}
		if at := f.dueOf(r, now); !is || at.Before(due) {
			due, is = at, true
		}
	}
	if is && due.Before(f.rested) && !now.Before(f.began) { // the clock may have been set back
		due = f.rested
	}
	return due, is
}

// dueOf one rollout.
func (f *Forecaster) dueOf(r *rollout, now time.Time) time.Time {
	due := forecast.MayPublish(r.Policy.Status.Forecast, now)
	if r.due.After(due) && !r.due.After(now.Add(forecast.PublishEvery)) {
		due = r.due
	}
	return due
}

// make a forecast; nil if that fails. The planner may fail on objects that nobody thought of, and its next pass has to find out.
func (f *Forecaster) make(snapshot *plan.Snapshot, now time.Time) (made *forecast.Forecast) {
	defer func() {
		if problem := recover(); problem != nil {
			made = nil
			f.options.Log.Error(fmt.Errorf("panic: %v", problem), "A forecast failed; there is another one in a few minutes",
				"stack", string(debug.Stack()))
		}
	}()
	budget := forecast.DefaultBudget(len(snapshot.Nodes))
	budget.Work /= part
	return f.compute(forecast.Input{Snapshot: snapshot, Now: now, Samples: samples, Budget: budget})
}
