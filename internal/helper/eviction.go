package helper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/podlabels"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

const (
	// A request that was refused is repeated after a jittered pause that doubles from firstPause to lastPause.
	firstPause  = time.Second
	lastPause   = 10 * time.Second
	pauseSpread = 0.2
	// One that a budget refused is repeated when the manager says that the budget may allow it. In case nothing is heard of it, the pause
	// grows from firstBudgetPause to lastBudgetPause.
	firstBudgetPause = 30 * time.Second
	lastBudgetPause  = time.Minute
	// maxEvictions is how many evictions are asked for at once.
	maxEvictions = 16
)

func nextPause(pause time.Duration) time.Duration {
	return min(max(2*pause, firstPause), lastPause)
}

// podFilter decides which pods a drain has to remove. The rules are the rules of kubectl drain with --force, --ignore-daemonsets and
// --delete-emptydir-data (k8s.io/kubectl/pkg/drain, filters.go); that package itself would triple the helper's memory.
type podFilter struct {
	selector selectors.Pods
	// stages are selectors of pods that go before all others, each before the next.
	stages []selectors.Pods
	// left are pods of a namespace that stay; of no namespace, none.
	leftIn     string
	left       selectors.Pods
	daemonSets map[types.UID]*daemonSetLookup
}

func newPodFilter(order *v1alpha1.DrainOrder) (podFilter, error) {
	if err := understood(order); err != nil {
		return podFilter{}, err
	}
	selector, err := selectors.ForPodsOrAll(order.Selector)
	if err != nil {
		return podFilter{}, fmt.Errorf("invalid pod selector: %w", err)
	}
	stages, err := selectors.Stages(order.Stages)
	if err != nil {
		return podFilter{}, fmt.Errorf("invalid pod selector: %w", err)
	}
	filter := podFilter{selector: selector, stages: stages, daemonSets: map[types.UID]*daemonSetLookup{}}
	if leave := order.Leave; leave.Namespace != "" {
		if filter.left, err = selectors.ForPods(&leave.Selector); err != nil {
			return podFilter{}, fmt.Errorf("invalid selector of pods that stay: %w", err)
		}
		filter.leftIn = leave.Namespace
	}
	return filter, nil
}

// leaves reports whether the order says that the pod stays. One that is going already does not.
func (f *podFilter) leaves(pod *corev1.Pod) bool {
	if f.leftIn == "" || pod.Namespace != f.leftIn || pod.DeletionTimestamp != nil {
		return false
	}
	selects, known := podlabels.MatchPod(f.left, pod)
	return selects && known
}

// stage of a pod: the first that selects it, or the one after all of them.
func (f *podFilter) stage(pod *corev1.Pod) int {
	for i, selector := range f.stages {
		if selects, known := podlabels.MatchPod(selector, pod); selects && known {
			return i
		}
	}
	return len(f.stages)
}

// forbidden says why a pod that has to go must not be evicted, as kubectl drain does without --force and --delete-emptydir-data. The
// manager does not start a node that has such a pod; this is about those that arrived since.
func forbidden(order *v1alpha1.DrainOrder, pod *corev1.Pod) string {
	owner := metav1.GetControllerOf(pod)
	finished := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	switch {
	case finished || pod.DeletionTimestamp != nil:
		return ""
	case order.Unmanaged == v1alpha1.UnmanagedRefuse && owner == nil:
		return "has no controller"
	case order.Unmanaged == v1alpha1.UnmanagedRefuse && isDaemonSet(owner):
		return "is of a DaemonSet that is gone" // those of one that exists do not have to go
	case order.EmptyDir == v1alpha1.EmptyDirRefuse &&
		slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.EmptyDir != nil }):
		return "has an emptyDir volume"
	}
	return ""
}

// daemonSetLookup remembers whether a DaemonSet exists, or when to ask again.
type daemonSetLookup struct {
	exists bool
	err    error
	pause  time.Duration
	next   time.Time
}

// mustGo reports whether the pod has to go. Pods of a DaemonSet and mirror pods of the kubelet would come back at once, so they stay,
// unless they are finished or their DaemonSet is gone. With an error, the pod is not known to stay or to go.
func (f *podFilter) mustGo(ctx context.Context, api podAPI, pod *corev1.Pod, now time.Time) (bool, error) {
	selects, known := podlabels.MatchPod(f.selector, pod)
	if !known {
		return false, fmt.Errorf("pod %s/%s has too many labels or annotations, and the order was changed to use others",
			pod.Namespace, pod.Name)
	}
	if !selects {
		return false, nil
	}
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return false, nil
	}
	owner := metav1.GetControllerOf(pod)
	finished := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if finished || !isDaemonSet(owner) {
		return finished || !f.leaves(pod), nil
	}
	lookup := f.daemonSets[owner.UID]
	if lookup == nil {
		lookup = &daemonSetLookup{next: now}
		f.daemonSets[owner.UID] = lookup
		lookup.ask(ctx, api, pod.Namespace, owner.Name, now)
	}
	if lookup.err != nil && !now.Before(lookup.next) {
		lookup.ask(ctx, api, pod.Namespace, owner.Name, now)
	}
	if lookup.err != nil {
		return false, lookup.err
	}
	return !lookup.exists, nil
}

func isDaemonSet(owner *metav1.OwnerReference) bool {
	return owner != nil && owner.Kind == "DaemonSet" && owner.APIVersion == "apps/v1"
}

func (l *daemonSetLookup) ask(ctx context.Context, api podAPI, namespace, name string, now time.Time) {
	l.exists, l.err = api.DaemonSetExists(ctx, namespace, name)
	if l.err != nil {
		l.err = fmt.Errorf("get DaemonSet %s/%s: %w", namespace, name, l.err)
		l.pause = nextPause(l.pause)
		l.next = now.Add(wait.Jitter(l.pause, pauseSpread))
	}
}

// nextTry is when to ask again for the first of those DaemonSets that could not be read.
func (f *podFilter) nextTry() (next time.Time, ok bool) {
	for _, lookup := range f.daemonSets {
		if lookup.err != nil && (!ok || lookup.next.Before(next)) {
			next, ok = lookup.next, true
		}
	}
	return next, ok
}

// leavingPod is a pod that has to go, and what came of the attempts to evict it.
type leavingPod struct {
	*corev1.Pod
	// owner is what puts it back, if anything does.
	owner *owner
	// late is set for a pod that was not on the node when the drain began.
	late bool
	// returns is set for a pod that its owner put back on the node, counted when its eviction was counted.
	returns, counted bool
	inFlight         bool
	// accepted is set when there is nothing left to ask for: the pod only has to end. asked is set while its responders are to evict it.
	accepted, asked bool
	acceptedTime    time.Time
	// held is for how long budgets have kept the pod from going, but for heldSince; zero if none does.
	held      time.Duration
	heldSince time.Time
	// finalizedSince is since when only finalizers keep the pod.
	finalizedSince time.Time
	// refused is what came of the last attempt.
	refused *v1alpha1.RefusedPod
	pause   time.Duration
	next    time.Time
}

// update notes the pod's present state. Evicting one that terminates already makes sense only to shorten its grace period.
func (p *leavingPod) update(pod *corev1.Pod, shorten bool, now time.Time) {
	p.Pod = pod
	p.noteReturn()
	if pod.DeletionTimestamp == nil {
		return
	}
	p.noteFinalizers(now)
	p.letGo(now)
	p.refused = nil
	if !shorten {
		p.accepted = true
	}
}

// repeat notes when the eviction is asked for again.
func (p *leavingPod) repeat(pause time.Duration, now time.Time) {
	p.pause, p.next = pause, now.Add(wait.Jitter(pause, pauseSpread))
}

// retry asks for evictions at once that the order says may be allowed now, and did not say before.
func (d *drain) retry(before, after *v1alpha1.DrainOrder, now time.Time) {
	for _, pod := range d.leaving {
		name := v1alpha1.PodReference{Namespace: pod.Namespace, Name: pod.Name}
		again := pod.refused != nil && slices.Contains(after.Retry, name) && !slices.Contains(before.Retry, name)
		if again || before.Holds(pod.Namespace, pod.Name) && !after.Holds(pod.Namespace, pod.Name) {
			pod.pause, pod.next = 0, now
		}
	}
}

type evictionResult struct {
	pod *leavingPod
	err error
}

// due returns the pods to evict now, which are those of the first stage that has any left, and notes that they are in flight.
func (d *drain) due(now time.Time) []*leavingPod {
	var due []*leavingPod
	for _, pod := range sorted(d.leaving) {
		if d.inFlight >= maxEvictions {
			break
		}
		if d.filter.stage(pod.Pod) != d.stage || pod.inFlight || pod.accepted || now.Before(pod.next) || pod.waitsForOwner(now) {
			continue
		}
		pod.inFlight = true
		d.inFlight++
		pod.owner.inFlight++
		due = append(due, pod)
	}
	return due
}

func (d *drain) evict(ctx context.Context, p *leavingPod, pod *corev1.Pod, gracePeriodSeconds *int32) {
	var grace *int64
	if gracePeriodSeconds != nil {
		seconds := int64(*gracePeriodSeconds)
		grace = &seconds
	}
	err := d.api.Evict(ctx, pod, grace)
	select {
	case d.results <- evictionResult{pod: p, err: err}:
	case <-ctx.Done():
	}
}

// settle notes what came of an eviction, also if the pod is gone by now. Every refusal is tried again: by a PodDisruptionBudget because it
// may allow the eviction later, any other because nobody is helped if the drain gives up before its deadline.
func (d *drain) settle(result evictionResult, now time.Time) {
	d.inFlight--
	pod := result.pod
	pod.inFlight = false
	evicted := result.err == nil || apierrors.IsNotFound(result.err)
	_, asked := errors.AsType[*askedError](result.err)
	pod.owner.settle(pod, evicted || asked, now)
	if evicted || asked && !pod.asked {
		pod.acceptedTime = now
	}
	pod.accepted, pod.asked = evicted, asked
	if evicted || asked {
		pod.letGo(now)
	}
	if evicted {
		pod.refused = nil
		return
	}
	if asked {
		pod.refused = nil
		pod.repeat(nextPause(pod.pause), now)
		return
	}
	pod.refused = refusal(pod.Pod, result.err)
	if strings.HasPrefix(pod.refused.By, v1alpha1.RefusedByBudget) {
		pod.hold(now)
		pod.repeat(min(max(2*pod.pause, firstBudgetPause), lastBudgetPause), now)
	} else {
		pod.letGo(now)
		pod.repeat(nextPause(pod.pause), now)
	}
	d.log.V(1).Info("Eviction refused", "pod", pod.Namespace+"/"+pod.Name, "by", pod.refused.By, "answer", pod.refused.Message)
}
