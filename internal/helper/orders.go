package helper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// rebootTimeout bounds the call that tells the host to reboot. The host only has to accept it in that time.
const rebootTimeout = time.Minute

// running is an order that this process carries out or carried out.
type running struct {
	cancel context.CancelFunc
	// reboot says that it is an order to reboot. drain is nil then.
	reboot bool
	drain  *drain

	mu  sync.Mutex
	job job
}

// start carries out the order of a NodeReboot. One to reboot is recorded by now.
func (a *agent) start(ctx context.Context, reboot *v1alpha1.NodeReboot) {
	order := reboot.Status.Order
	log := a.Log.WithValues("nodeReboot", reboot.Name, "sequence", order.Sequence, "action", order.Action)
	log.Info("Order begins", "deadline", order.Deadline)
	ctx, cancel := context.WithCancel(ctx)
	r := &running{
		cancel: cancel, reboot: order.Action == v1alpha1.ActionReboot, job: job{sequence: order.Sequence, state: v1alpha1.OrderStarted},
	}
	a.jobs[reboot.UID] = r
	if r.reboot {
		via, err := a.reboot(ctx, order)
		a.update(r, func(j *job) { j.via, j.refusal = via, refusalOf(order, err) })
		a.finish(log, r, nil, err)
		if err != nil && !errors.Is(err, ErrUncertain) {
			a.machine.Store(a.askMachine(ctx)) // What refused may be in the way still.
		}
		return
	}
	d, err := newDrain(a.drainOptions(log, reboot, r))
	if err != nil {
		a.finish(log, r, nil, err)
		return
	}
	r.drain, r.job.order = d, order
	a.drains.Add(1)
	a.background.Go(func() {
		a.drain(ctx, log, d, r, order.Deadline.Time)
		a.drains.Add(-1)
		a.notify()
	})
}

func (a *agent) drainOptions(log logr.Logger, reboot *v1alpha1.NodeReboot, r *running) drainOptions {
	order := reboot.Status.Order
	options := drainOptions{
		api:       a.pods,
		clock:     a.Clock,
		log:       log,
		amendment: amendmentBy(order),
		pace:      reportPace,
		publish: func(progress v1alpha1.DrainProgress, message string) {
			a.update(r, func(j *job) { j.drain, j.message = &progress, message })
		},
	}
	if report := reboot.Status.Report; report != nil && report.Sequence == order.Sequence && report.Drain != nil {
		options.gone = max(0, report.Drain.Total-report.Drain.Remaining)
		options.stuck = report.Drain.Activity == v1alpha1.DrainStuck
	}
	return options
}

// amendmentBy is what an order says about the drain.
func amendmentBy(order *v1alpha1.RebootOrder) amendment {
	result := amendment{deadline: order.Deadline.Time, protocol: order.Protocol}
	if order.Drain != nil {
		result.order = *order.Drain
	}
	return result
}

// drain carries out an order to drain, whose deadline is that of when it was given.
func (a *agent) drain(ctx context.Context, log logr.Logger, d *drain, r *running, deadline time.Time) {
	publish := func(obstacle string) { a.update(r, func(j *job) { j.message = "nothing is evicted yet: " + obstacle }) }
	if obstacle := a.awaitRights(ctx, deadline, publish); obstacle != "" && ctx.Err() == nil {
		a.finish(log, r, nil, errors.New("nothing was evicted: "+obstacle))
		return
	}
	progress, err := d.run(ctx)
	if ctx.Err() != nil {
		log.Info("Stopped draining: the order is no longer in force, or the helper ends")
		return
	}
	a.finish(log, r, &progress, err)
}

// withdrawRequests withdraws what drains that have ended still ask for, also those of a helper before this one.
func (a *agent) withdrawRequests(ctx context.Context) error {
	if a.requests == nil {
		return nil
	}
	if a.drains.Load() > 0 {
		a.withdrawn = false
		return nil
	}
	if a.withdrawn {
		return nil
	}
	err := a.requests.withdraw(ctx)
	a.withdrawn = err == nil
	return err
}

// reboot tells the host to reboot, unless recording the order took until after its deadline.
func (a *agent) reboot(ctx context.Context, order *v1alpha1.RebootOrder) (v1alpha1.RebootVia, error) {
	left := order.Deadline.Sub(a.Clock.Now())
	if left <= 0 {
		return "", fmt.Errorf("the deadline %s passed before the host was ordered to reboot", deadline(order))
	}
	ctx, cancel := context.WithTimeout(ctx, min(left, rebootTimeout))
	defer cancel()
	via, err := a.Host.Reboot(ctx, order.BootID, rebooter.Order{Method: string(order.Method), Via: string(order.Via)})
	return v1alpha1.RebootVia(via), err
}

// refusalOf is the inhibitor lock that the host refused a reboot for; nil if it was something else. The manager waits for a lock to go, so
// the report has to say it with the result.
func refusalOf(order *v1alpha1.RebootOrder, err error) *v1alpha1.MethodReport {
	var refusal *rebooter.RefusedError
	if !errors.As(err, &refusal) || refusal.Kind != rebooter.ObstacleInhibited {
		return nil
	}
	return &v1alpha1.MethodReport{
		Name: order.Method, Obstacle: truncate(refusal.Message, maxObstacle), Kind: v1alpha1.ObstacleInhibited,
	}
}

// finish notes the result of a job, to be reported. A reboot that the host accepted has none, nor one of which that is not certain: the
// order stays recorded as started, and the manager waits for the boot. A report would race with the end of the host.
func (a *agent) finish(log logr.Logger, r *running, progress *v1alpha1.DrainProgress, err error) {
	before := r.get()
	result := job{sequence: before.sequence, state: v1alpha1.OrderDone, drain: progress, via: before.via, refusal: before.refusal}
	switch {
	case err == nil && r.reboot:
		result.state = v1alpha1.OrderStarted
	case errors.Is(err, ErrUncertain):
		result.state, result.message = v1alpha1.OrderStarted, err.Error()
	case errors.Is(err, errOverdue):
		result.state, result.message = v1alpha1.OrderTimedOut, err.Error()
	case err != nil:
		result.state, result.message = v1alpha1.OrderFailed, err.Error()
	}
	log.Info("Order ended", "state", result.state, "message", result.message)
	a.update(r, func(j *job) { *j = result })
}

func (a *agent) update(r *running, change func(*job)) {
	r.mu.Lock()
	change(&r.job)
	r.mu.Unlock()
	a.notify()
}

// notify asks for a pass.
func (a *agent) notify() {
	select {
	case a.progress <- struct{}{}:
	default:
	}
}

// amend has a drain under way follow its order, which was changed.
func (r *running) amend(order *v1alpha1.RebootOrder) {
	r.mu.Lock()
	r.job.order = order
	r.mu.Unlock()
	r.drain.amend(amendmentBy(order))
}

func (r *running) get() job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job
}
