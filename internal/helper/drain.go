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
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// reportInterval is how often progress is reported at most.
	reportInterval = time.Second
	// maxNamed is how many pods are named in status.report.drain.refused and in a message.
	maxNamed = 10
)

// errOverdue is a drain that has pods left at its deadline.
var errOverdue = errors.New("not drained at the deadline")

// podAPI is what a drain needs: the node's pods, their eviction, and whether a DaemonSet exists.
type podAPI interface {
	toolscache.ListerWatcherWithContext
	Evict(ctx context.Context, pod *corev1.Pod, gracePeriodSeconds *int64) error
	DaemonSetExists(ctx context.Context, namespace, name string) (bool, error)
}

// drainOptions say what to drain, until when, and where to say how far it is.
type drainOptions struct {
	api      podAPI
	clock    clock.WithTicker
	log      logr.Logger
	order    v1alpha1.DrainOrder
	deadline time.Time
	// gone is how many pods went before this process continued the drain.
	gone int32
	// publish gets the progress, about once a second at most, and the last error that is not about one pod's eviction.
	publish func(progress v1alpha1.DrainProgress, message string)
}

// drain empties a node. It sees the node's pods by one watch, so that it knows those that arrive while it works, and learns without
// polling that one is gone. Its loop is one goroutine; only the requests for evictions run beside it.
type drain struct {
	drainOptions
	mirror *mirror[*corev1.Pod]
	filter podFilter

	// leaving are the pods that have to go and are still there.
	leaving map[types.UID]*leavingPod
	// seen are all pods that had to go so far.
	seen map[types.UID]bool
	// stage is the first that has pods left, or may have.
	stage int
	// forbidden says which pod must not be evicted.
	forbidden string
	// complete is set when every pod of the node was seen and judged.
	complete bool
	message  string

	results  chan evictionResult
	inFlight int
	last     publication
}

// publication is what was published last, and when.
type publication struct {
	progress *v1alpha1.DrainProgress
	message  string
	time     time.Time
}

func newDrain(options drainOptions) (*drain, error) {
	filter, err := newPodFilter(&options.order)
	if err != nil {
		return nil, err
	}
	return &drain{
		drainOptions: options,
		mirror:       newMirror[*corev1.Pod](),
		filter:       filter,
		leaving:      map[types.UID]*leavingPod{},
		seen:         map[types.UID]bool{},
		results:      make(chan evictionResult),
	}, nil
}

// run drains until no pod is left that has to go. It fails at the deadline, with the pods that are left. When it returns, nothing of it is
// under way any more.
func (d *drain) run(ctx context.Context) (v1alpha1.DrainProgress, error) {
	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	background.Go(func() { d.mirror.run(ctx, d.log.WithName("pods"), d.api, &corev1.Pod{}) })
	for {
		d.observe(ctx, d.clock.Now())
		now := d.clock.Now() // observing may have taken its time
		if d.forbidden != "" {
			return d.progress(), errors.New(d.forbidden)
		}
		if d.complete && len(d.leaving) == 0 {
			return d.progress(), nil
		}
		if !now.Before(d.deadline) {
			return d.progress(), d.overdue()
		}
		for _, pod := range d.due(now) {
			d.inFlight++
			pod.inFlight = true
			target := pod.Pod
			background.Go(func() { d.evict(ctx, target) })
		}
		d.publishChanges(now)
		timer := d.clock.NewTimer(d.nextLook(now).Sub(now))
		select {
		case <-ctx.Done():
		case <-d.mirror.changed:
		case result := <-d.results:
			d.settle(result)
		case <-timer.C():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return d.progress(), ctx.Err()
		}
	}
}

// observe brings leaving up to date with the pods on the node.
func (d *drain) observe(ctx context.Context, now time.Time) {
	pods, synced, err := d.mirror.snapshot()
	var problems []string
	if err != nil {
		problems = append(problems, fmt.Sprintf("pods of the node: %v", err))
	}
	d.complete, d.stage, d.forbidden = synced, len(d.filter.stages), ""
	left := make(map[types.UID]*leavingPod, len(d.leaving))
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
		d.seen[uid] = true
		d.stage = min(d.stage, d.filter.stage(pod))
		d.forbid(pod)
		p := d.leaving[uid]
		if p == nil {
			p = &leavingPod{next: now}
		}
		p.update(pod, d.order.GracePeriodSeconds != nil)
		left[uid] = p
	}
	d.leaving = left
	// The pods come in any order; what is said about them must not change with it.
	slices.Sort(problems)
	d.message = strings.Join(slices.Compact(problems), "; ")
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

// abandoned tells whether the pod has been terminating for so long that the order says not to wait for it. As for kubectl drain, the time
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
		if t.Before(next) {
			next = t
		}
	}
	for _, pod := range d.leaving {
		if end, ok := d.abandonTime(pod.Pod); ok {
			sooner(end)
		}
		if !pod.inFlight && !pod.accepted && now.Before(pod.next) {
			sooner(pod.next)
		}
	}
	if retry, ok := d.filter.nextTry(); ok {
		sooner(retry)
	}
	if d.changed() {
		sooner(d.last.time.Add(reportInterval))
	}
	return next
}

// sorted returns the pods that have to go, by namespace and name.
func (d *drain) sorted() []*leavingPod {
	pods := make([]*leavingPod, 0, len(d.leaving))
	for _, pod := range d.leaving {
		pods = append(pods, pod)
	}
	slices.SortFunc(pods, func(x, y *leavingPod) int {
		if c := strings.Compare(x.Namespace, y.Namespace); c != 0 {
			return c
		}
		return strings.Compare(x.Name, y.Name)
	})
	return pods
}

func (d *drain) progress() v1alpha1.DrainProgress {
	progress := v1alpha1.DrainProgress{Total: d.gone + int32(len(d.seen)), Remaining: int32(len(d.leaving))}
	for _, pod := range d.sorted() {
		if pod.refused != nil && len(progress.Refused) < maxNamed {
			progress.Refused = append(progress.Refused, *pod.refused)
		}
	}
	return progress
}

// changed tells whether there is something to publish.
func (d *drain) changed() bool {
	if d.last.progress == nil {
		return d.complete || d.message != ""
	}
	progress := d.progress()
	return d.message != d.last.message || !equality.Semantic.DeepEqual(*d.last.progress, progress)
}

func (d *drain) publishChanges(now time.Time) {
	if !d.changed() || now.Before(d.last.time.Add(reportInterval)) {
		return
	}
	progress := d.progress()
	d.last = publication{progress: &progress, message: d.message, time: now}
	d.publish(progress, d.message)
}

// overdue says which pods are left, and why.
func (d *drain) overdue() error {
	var parts []string
	if d.message != "" {
		parts = append(parts, d.message)
	}
	for i, pod := range d.sorted() {
		if i == maxNamed {
			parts = append(parts, fmt.Sprintf("and %d more", len(d.leaving)-maxNamed))
			break
		}
		parts = append(parts, pod.String())
	}
	left := fmt.Sprintf("%s, %d pods left: %s", d.deadline.UTC().Format(time.RFC3339), len(d.leaving), strings.Join(parts, ", "))
	if !d.complete {
		return fmt.Errorf("%v %s", errOverdue, left) //nolint:errorlint // pods that were never seen did not run out of time
	}
	return fmt.Errorf("%w %s", errOverdue, left)
}
