package controllers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// reconciler makes passes: it reads the cluster, has a plan made, and carries it out.
type reconciler struct {
	clock    clock.PassiveClock
	reader   *reader
	executor *executor
	silences silenceKeeper
	numbers  *numbers
	limiter  *retryLimiter
	memory   podMemory
	// receivers are notified of how rollouts go; nil if none are.
	receivers receiverTeller
	// forecasts are made beside the passes; nil if none are.
	forecasts forecastMaker
	// handOver has another manager lead, and says whether it does; nil never does.
	handOver func() bool
	// deferred is what the last plan said about writes that wait.
	deferred map[string]time.Time
	// letGo is what the last plan said about evictions that are about to be asked for.
	letGo map[plan.EvictionClaim]time.Time
	// state is what the last plan left to the next one.
	state *plan.State
}

// Reconcile makes one pass. The request is always the same. What fails because the manager stops is not an error: the next leader makes
// another pass.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	result, err := r.pass(ctx, request)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		logf.FromContext(ctx).V(1).Info("The manager stops during a pass", "because", err.Error())
		return reconcile.Result{}, nil
	}
	return result, err
}

func (r *reconciler) pass(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	now := r.clock.Now()
	defer func() { r.numbers.passes.Observe(max(r.clock.Since(now), 0).Seconds()) }()
	r.limiter.wakeIn(0)
	s, err := r.reader.read(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	r.numbers.keepPolicies(s.Policies)
	r.executor.refused.current(s, now)
	r.numbers.refusedNow.Set(float64(len(s.Refusals)))
	r.remind(s)
	p, complete, unread := r.plan(ctx, s, now)
	r.deferred, r.letGo = p.Deferred, p.LetGo
	if r.handsOver(ctx, p, s.LeaderNode) {
		return reconcile.Result{}, nil // The next leader makes this plan.
	}
	r.silence(s, p, now)
	written := r.executor.execute(ctx, s, p, now)
	r.reader.pods.ahead(p.ReadAhead)
	r.tell(s, written)
	r.forecast(s, p, written)
	wake := untilWake(p.Wake, r.clock.Now())
	if written.refused && (wake == 0 || wake > firstRetry) {
		wake = firstRetry // what follows from it is for another plan
	}
	if !complete && len(unread) == 0 {
		wake = burst
	}
	if written.more {
		wake = time.Millisecond
	}
	r.limiter.wakeIn(wake)
	if err := errors.Join(slices.Concat(s.unread, unread, []error{written.err()})...); err != nil {
		return reconcile.Result{}, err
	}
	if written.stale {
		logf.FromContext(ctx).V(1).Info("Something changed while the plan was carried out; planning again")
		return reconcile.Result{RequeueAfter: r.limiter.afterStale(request)}, nil
	}
	r.limiter.settled(request)
	return reconcile.Result{RequeueAfter: wake}, nil
}

// remind tells a snapshot what the last plan left to the next one, and what fails alongside the passes.
func (r *reconciler) remind(s *snapshot) {
	if r.silences != nil {
		s.SilenceFailures = r.silences.Failures()
	}
	if r.receivers != nil {
		s.NotificationProblems = r.receivers.Problems()
	}
	if r.forecasts != nil {
		s.Forecasts = r.forecasts.Says()
	}
	s.Deferred, s.LetGo = r.deferred, r.letGo
	if s.Deferred == nil {
		s.Deferred = map[string]time.Time{}
	}
}

// handsOver has another manager lead if a plan says so, and says whether it does.
func (r *reconciler) handsOver(ctx context.Context, p *plan.Plan, node string) bool {
	if !p.HandOver || r.handOver == nil || !r.handOver() {
		return false
	}
	logf.FromContext(ctx).Info("Handing the lead over: the node of this manager is next", "node", node)
	return true
}

const (
	// maxRounds bounds how often one pass makes a plan because the last one asked for more. Each start may ask once more for room. The next
	// pass continues at once with what the bound leaves.
	maxRounds = 20
	// maxUnread is how often one pass continues to read pods although some cannot be read: it may have waited long for them each time.
	maxUnread = 2
)

// plan computes plans, with the pods and the answers of gates that they ask for, until one asks for nothing new; otherwise it is not
// complete. If some pods cannot be read, there is a plan nevertheless: one that waits for them, and the errors. It does not wait for
// answers that take long: there is another pass when they are known.
func (r *reconciler) plan(ctx context.Context, s *snapshot, now time.Time) (p *plan.Plan, complete bool, unread []error) {
	asks := map[model.GateKey]model.GateQuery{}
	known := r.memory.recall(s, now)
	fill := func(nodes sets.Set[string]) {
		if err := r.reader.fill(ctx, s, sets.List(nodes)); err != nil {
			unread = append(unread, err)
		}
	}
	if known.Len() > 0 {
		fill(known)
	}
	for round := 1; ; round++ {
		var err error
		if p, err = r.compute(ctx, s, now); err != nil {
			unread = append(unread, err)
		}
		asked := news(asks, p.Queries)
		missing := sets.New(p.NeedPods...).Difference(known)
		complete = !asked && missing.Len() == 0
		known = r.memory.note(s, p, known, now)
		reads := missing.Len() > 0 && len(unread) < maxUnread
		if !asked && !reads || round == maxRounds {
			r.reader.pods.keep(r.memory.watched)
			r.reader.gates.Keep(s.Policies, slices.Collect(maps.Values(asks)))
			return p, complete, unread
		}
		if asked {
			s.Answers = r.reader.gates.Answer(ctx, s.Policies, slices.Collect(maps.Values(asks)))
		}
		if reads {
			r.reader.pods.keep(known)
			known = known.Union(missing)
			fill(missing)
		}
	}
}

// compute makes a plan, again from the slots object as it is now if the plan depends on that, and again from the whole of each NodeReboot
// that it changes and that was abridged. If one cannot be read, what is written of it fails; what depends on the slots object is left out.
func (r *reconciler) compute(ctx context.Context, s *snapshot, now time.Time) (*plan.Plan, error) {
	for {
		var p *plan.Plan
		p, r.state = plan.Next(r.state, &s.Snapshot, now)
		if p.NeedSlots && !s.SlotsLive {
			if err := r.reader.readSlotsLive(ctx, s); err != nil {
				return p, err
			}
			continue
		}
		partial := p.Partial()
		if len(partial) == 0 {
			return p, nil
		}
		if err := r.reader.readWhole(ctx, s, partial); err != nil {
			return p, err
		}
	}
}

// news adds questions to those that were asked, and says whether there are new ones. Room may be asked for once more for other nodes.
func news(asked map[model.GateKey]model.GateQuery, asks []model.GateQuery) bool {
	more := false
	for _, ask := range asks {
		if before, is := asked[ask.GateKey]; is && slices.Equal(before.Nodes, ask.Nodes) {
			continue
		}
		asked[ask.GateKey] = ask
		more = true
	}
	return more
}

// untilWake is how long to wait for a plan's wake-up time; 0 means forever.
func untilWake(wake, now time.Time) time.Duration {
	if wake.IsZero() {
		return 0
	}
	return max(wake.Sub(now), time.Millisecond)
}
