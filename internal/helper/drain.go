package helper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// errOverdue is a drain that has pods left at its deadline.
var errOverdue = errors.New("not drained at the deadline")

// podAPI is what a drain needs: the node's pods, their eviction, and whether a DaemonSet exists.
type podAPI interface {
	// Pods lists and watches the node's pods. While it reads a list, keep reduces each pod to what is kept before the next is read.
	Pods(keep func(*corev1.Pod) *corev1.Pod) toolscache.ListerWatcherWithContext
	Evict(ctx context.Context, pod *corev1.Pod, gracePeriodSeconds *int64) error
	DaemonSetExists(ctx context.Context, namespace, name string) (bool, error)
}

// drainOptions say what to drain, until when, and where to report its progress.
type drainOptions struct {
	amendment
	api   podAPI
	clock clock.WithTicker
	log   logr.Logger
	// gone is how many pods went before this process continued the drain, and stuck whether it was stuck.
	gone  int32
	stuck bool
	// publish gets the progress, as often as pace says, and the last error that is not about one pod's eviction.
	pace    pace
	publish func(progress v1alpha1.DrainProgress, message string)
}

// drain empties a node. It sees the node's pods by one watch, so that it knows those that arrive while it works, and learns without polling
// that one is gone. Its loop is one goroutine; only the requests for evictions run next to it.
type drain struct {
	drainOptions
	mirror *mirror[*corev1.Pod]
	filter podFilter

	// leaving are the pods that have to go and are still there, ignored those that came back too often to be waited for.
	leaving, ignored map[types.UID]*leavingPod
	// first are the pods of the first complete list; nil before it.
	first map[types.UID]bool
	// seen are all pods that had to go so far.
	seen   map[types.UID]bool
	owners map[ownerKey]*owner
	// began is when this process began to drain, and moved when the drain last got nearer to its goal.
	began, moved time.Time
	// stage is the first that has pods left, or may have.
	stage int
	wait  budgetWait
	// forbidden says which pod must not be evicted.
	forbidden string
	// complete is set when every pod of the node was seen and judged.
	complete bool
	message  string

	amendments chan amendment
	results    chan evictionResult
	inFlight   int
	last       publication
}

// amendment is what may change while a drain is under way.
type amendment struct {
	order    v1alpha1.DrainOrder
	deadline time.Time
	// protocol is the level that the order takes.
	protocol int32
}

func newDrain(options drainOptions) (*drain, error) {
	filter, err := newPodFilter(&options.order)
	if err != nil {
		return nil, err
	}
	pods, named := newMirror[*corev1.Pod](), filter.keys()
	pods.slim = func(pod *corev1.Pod) *corev1.Pod { return slim(pod, named) }
	return &drain{
		drainOptions: options,
		mirror:       pods,
		filter:       filter,
		leaving:      map[types.UID]*leavingPod{},
		ignored:      map[types.UID]*leavingPod{},
		seen:         map[types.UID]bool{},
		owners:       map[ownerKey]*owner{},
		amendments:   make(chan amendment, 1),
		results:      make(chan evictionResult),
	}, nil
}

// amend has the drain continue with other options and another deadline. It is called by one goroutine.
func (d *drain) amend(a amendment) {
	select {
	case <-d.amendments: // One that was not seen yet is out of date.
	default:
	}
	d.amendments <- a
}

// apply follows an amendment. If the grace period changes, evictions are asked for again.
func (d *drain) apply(a amendment) error {
	if err := understoodLevel(a.protocol); err != nil {
		return err
	}
	filter, err := newPodFilter(&a.order)
	if err != nil {
		return err
	}
	filter.daemonSets = d.filter.daemonSets
	regrant := !ptr.Equal(d.order.GracePeriodSeconds, a.order.GracePeriodSeconds)
	d.retry(&d.order, &a.order, d.clock.Now())
	d.amendment, d.filter = a, filter
	for _, pod := range d.leaving {
		pod.accepted = pod.accepted && !regrant
	}
	d.log.Info("The order was changed", "deadline", d.deadline)
	return nil
}

// run drains until no pod is left that has to go. It fails at the deadline, with the pods that are left. When it returns, nothing of it is
// under way anymore.
func (d *drain) run(ctx context.Context) (v1alpha1.DrainProgress, error) {
	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.began = d.clock.Now()
	d.moved = d.began
	if d.stuck {
		d.moved = d.moved.Add(-stuckAfter)
	}
	background.Go(func() { d.mirror.run(ctx, d.log.WithName("pods"), d.api.Pods(d.mirror.keep), &corev1.Pod{}) })
	for {
		d.observe(ctx, d.clock.Now())
		now := d.clock.Now() // observing may have taken its time
		if done, err := d.result(now); done {
			return d.progress(now), err
		}
		for _, pod := range d.due(now) {
			target, grace := pod.Pod, d.order.GracePeriodSeconds
			background.Go(func() { d.evict(ctx, pod, target, grace) })
		}
		next := d.nextLook(now)
		if publish := d.publishChanges(now); !publish.IsZero() && publish.Before(next) {
			next = publish
		}
		if err := d.sleep(ctx, next.Sub(now)); err != nil {
			return d.progress(d.clock.Now()), err
		}
	}
}

// result reports whether the drain has ended, and how.
func (d *drain) result(now time.Time) (done bool, err error) {
	switch {
	case d.forbidden != "":
		return true, errors.New(d.forbidden)
	case d.complete && len(d.leaving) == 0:
		return true, nil
	case !now.Before(d.deadline):
		return true, d.overdue(now)
	}
	return false, nil
}

// sleep waits until something happens, but no longer than d.
func (d *drain) sleep(ctx context.Context, atMost time.Duration) error {
	timer := d.clock.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-d.mirror.changed:
	case result := <-d.results:
		d.settle(result, d.clock.Now())
	case a := <-d.amendments:
		return d.apply(a)
	case <-timer.C():
	}
	return ctx.Err()
}

// observe brings leaving up to date with the pods on the node.
func (d *drain) observe(ctx context.Context, now time.Time) {
	pods, synced, err := d.mirror.snapshot()
	var problems []string
	if err != nil {
		problems = append(problems, fmt.Sprintf("pods of the node: %v", err))
	}
	if synced && d.first == nil {
		d.first = make(map[types.UID]bool, len(pods))
		for uid := range pods {
			d.first[uid] = true
		}
	}
	d.complete, d.stage, d.forbidden = synced, len(d.filter.stages), ""
	left, ignored := make(map[types.UID]*leavingPod, len(d.leaving)), map[types.UID]*leavingPod{}
	for uid, pod := range pods {
		goes, err := d.filter.mustGo(ctx, d.api, pod, now)
		if err != nil {
			d.complete = false
			problems = append(problems, err.Error())
			d.stage = min(d.stage, d.filter.stage(pod))
		}
		if !goes || d.abandoned(pod, now) {
			continue
		}
		p := d.known(pod, now)
		p.update(pod, d.order.GracePeriodSeconds != nil, now)
		if d.order.ReturningPods != v1alpha1.ReturningPodsRefuse && p.exhausted() {
			ignored[uid] = p
			continue
		}
		left[uid] = p
		d.stage = min(d.stage, d.filter.stage(pod))
		d.forbid(pod)
	}
	d.replace(left, ignored, now)
	// The pods come in any order; what is said about them must not change with it.
	slices.Sort(problems)
	d.message = strings.Join(slices.Compact(problems), "; ")
}

// replace notes which pods are left, and whether that is nearer to the goal.
func (d *drain) replace(left, ignored map[types.UID]*leavingPod, now time.Time) {
	for uid := range d.leaving {
		if left[uid] == nil {
			d.moved = now
			d.wait.gone(d.leaving[uid], now)
		}
	}
	for uid := range left {
		d.seen[uid] = true
	}
	for uid := range ignored {
		delete(d.seen, uid)
	}
	d.leaving, d.ignored = left, ignored
	d.wait.at(d.stage)
	d.noteHeld(now)
}

// known returns what is known about a pod that has to go.
func (d *drain) known(pod *corev1.Pod, now time.Time) *leavingPod {
	if p := d.leaving[pod.UID]; p != nil {
		return p
	}
	if p := d.ignored[pod.UID]; p != nil {
		return p
	}
	p := &leavingPod{next: now, late: !d.first[pod.UID], owner: d.ownerOf(pod)}
	if d.order.Holds(pod.Namespace, pod.Name) {
		p.repeat(firstBudgetPause, now)
	}
	return p
}

// forbid notes a pod that must not be evicted; of several the first by name.
func (d *drain) forbid(pod *corev1.Pod) {
	why := forbidden(&d.order, pod)
	if why == "" {
		return
	}
	message := fmt.Sprintf("pod %s/%s must not be evicted: it %s", pod.Namespace, pod.Name, why)
	if d.forbidden == "" || message < d.forbidden {
		d.forbidden = message
	}
}

// abandoned reports whether the pod has been terminating for so long that the order says not to wait for it. As for kubectl drain, the time
// counts from the deletion timestamp, which is the end of the grace period.
func (d *drain) abandoned(pod *corev1.Pod, now time.Time) bool {
	end, ok := d.abandonTime(pod)
	return ok && !now.Before(end)
}

func (d *drain) abandonTime(pod *corev1.Pod) (time.Time, bool) {
	if d.order.SkipWaitForDeleteSeconds == nil || pod.DeletionTimestamp == nil {
		return time.Time{}, false
	}
	return pod.DeletionTimestamp.Add(time.Duration(*d.order.SkipWaitForDeleteSeconds) * time.Second), true
}

// nextLook is when something is due even if nothing happens until then.
func (d *drain) nextLook(now time.Time) time.Time {
	next := d.deadline
	sooner := func(t time.Time) {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	sooner(d.deadline.Add(-lastCall))
	sooner(d.moved.Add(stuckAfter))
	for _, pod := range d.leaving {
		if end, ok := d.abandonTime(pod.Pod); ok {
			sooner(end)
		}
		if from, ok := pod.namedFrom(); ok {
			sooner(from)
		}
		if len(pod.Finalizers) > 0 && pod.DeletionTimestamp != nil {
			sooner(pod.DeletionTimestamp.Time)
		}
		if !pod.inFlight && !pod.accepted {
			sooner(pod.next)
			sooner(pod.ownerNext())
		}
	}
	if retry, ok := d.filter.nextTry(); ok {
		sooner(retry)
	}
	return next
}
