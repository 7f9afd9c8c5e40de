package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// parallelWrites bounds how many objects are written at once.
const parallelWrites = 16

// executor is the only writer to the cluster.
type executor struct {
	client             client.Client
	recorder           events.EventRecorder
	numbers            *numbers
	namespace          string
	publishMaintenance bool
}

// outcome is what came of writing.
type outcome struct {
	mu sync.Mutex
	// stale says that something was not written because the object had changed, or was gone, since it was read. That is no error: another
	// pass will see what changed.
	stale bool
	errs  []error
}

func (o *outcome) add(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
	case apierrors.IsConflict(err), apierrors.IsNotFound(err), apierrors.IsAlreadyExists(err):
		o.stale = true
	default:
		o.errs = append(o.errs, err)
	}
}

func (o *outcome) err() error { return errors.Join(o.errs...) }

// execute carries out a plan. A write that fails keeps back what follows it for the same node and nothing else; the next pass starts from
// what is there then.
func (e *executor) execute(ctx context.Context, s *snapshot, p *plan.Plan, now time.Time) *outcome {
	result := &outcome{}
	granted := true
	if p.SlotsChanged {
		err := e.writeSlots(ctx, s.slots, p.Slots)
		granted = err == nil
		result.add(err)
	}
	var group errgroup.Group
	group.SetLimit(parallelWrites)
	run := func(write func() error) {
		group.Go(func() error {
			result.add(write())
			return nil
		})
	}
	for i := range p.Work {
		work := &p.Work[i]
		switch {
		case granted || !work.Granted:
			run(func() error { return e.writeNode(ctx, s, work, now) })
		case work.Patch != nil && work.Patch.SetTaints: // a taint waits for nothing
			taint := &plan.NodePatch{SetTaints: true, Taints: work.Patch.Taints}
			run(func() error { return e.patchNode(ctx, s.nodes[work.Node], taint) })
		}
	}
	for i := range s.notices {
		e.emit(s.notices[i].about, []model.Event{s.notices[i].event})
	}
	for _, reboot := range p.Creates {
		run(func() error { return e.create(ctx, reboot) })
	}
	for i := range p.Policies {
		run(func() error { return e.writePolicy(ctx, &p.Policies[i]) })
	}
	for _, reboot := range s.Reboots {
		if _, prune := slices.BinarySearch(p.Prune, reboot.Name); prune {
			run(func() error { return e.prune(ctx, reboot) })
		}
	}
	_ = group.Wait() // the functions keep their errors in result
	return result
}

// writeNode does the work for one node, in the order that plan.NodeWork documents: a cordon is never without a finalizer that undoes it,
// a status never says what was not done, and an object goes only when everything is undone.
func (e *executor) writeNode(ctx context.Context, s *snapshot, work *plan.NodeWork, now time.Time) error {
	node := s.nodes[work.Node]
	reboots := make([]*v1alpha1.NodeReboot, len(work.Reboots))
	each := func(write func(i int, change *plan.RebootChange) error) func() error {
		return func() error {
			for i := range work.Reboots {
				if err := write(i, &work.Reboots[i]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	patchFirst, patchLast := func() error { return e.patchNode(ctx, node, work.Patch) }, func() error { return nil }
	if work.Patch != nil && work.Patch.RollsBack() {
		patchFirst, patchLast = patchLast, patchFirst
	}
	return inOrder(
		each(func(i int, change *plan.RebootChange) (err error) {
			reboots[i], err = e.addFinalizer(ctx, change)
			return err
		}),
		patchFirst,
		each(func(i int, change *plan.RebootChange) (err error) {
			reboots[i], err = e.writeReboot(ctx, node, reboots[i], change)
			return err
		}),
		patchLast,
		func() error { return e.patchMaintenance(ctx, node, work.Maintenance, now) },
		each(func(i int, change *plan.RebootChange) error { return e.removeFinalizer(ctx, reboots[i], change) }),
	)
}

// inOrder makes writes one after the other, up to the first that fails.
func inOrder(writes ...func() error) error {
	for _, write := range writes {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// addFinalizer returns the NodeReboot as it is afterwards: a status patch has to name its new version.
func (e *executor) addFinalizer(ctx context.Context, change *plan.RebootChange) (*v1alpha1.NodeReboot, error) {
	if !change.AddFinalizer || slices.Contains(change.Object.Finalizers, v1alpha1.Finalizer) {
		return change.Object, nil
	}
	patch, err := finalizersPatch(change.Object, append(slices.Clone(change.Object.Finalizers), v1alpha1.Finalizer))
	if err != nil {
		return nil, err
	}
	reboot := change.Object.DeepCopy()
	if err := e.client.Patch(ctx, reboot, patch); err != nil {
		return nil, fmt.Errorf("add the finalizer to NodeReboot %s: %w", reboot.Name, err)
	}
	return reboot, nil
}

// removeFinalizer lets a NodeReboot go. One that is gone already is what was wanted.
func (e *executor) removeFinalizer(ctx context.Context, reboot *v1alpha1.NodeReboot, change *plan.RebootChange) error {
	if !change.RemoveFinalizer || !slices.Contains(reboot.Finalizers, v1alpha1.Finalizer) {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(reboot.Finalizers), func(f string) bool { return f == v1alpha1.Finalizer })
	patch, err := finalizersPatch(reboot, rest)
	if err != nil {
		return err
	}
	if err := e.client.Patch(ctx, reboot.DeepCopy(), patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove the finalizer from NodeReboot %s: %w", reboot.Name, err)
	}
	return nil
}

func (e *executor) patchNode(ctx context.Context, node *corev1.Node, change *plan.NodePatch) error {
	if change == nil || node == nil {
		return nil
	}
	patch, err := nodePatch(node, change)
	if err != nil {
		return err
	}
	if err := e.client.Patch(ctx, nodeNamed(node.Name), patch); err != nil {
		return fmt.Errorf("patch Node %s: %w", node.Name, err)
	}
	return nil
}

// patchMaintenance publishes the maintenance conditions. With publishing switched off it takes away those that are left from before.
func (e *executor) patchMaintenance(
	ctx context.Context, node *corev1.Node, want map[corev1.NodeConditionType]plan.MaintenanceCondition, now time.Time,
) error {
	if want == nil || node == nil {
		return nil
	}
	if !e.publishMaintenance {
		want = nil
	}
	patch, err := maintenancePatch(node, want, now)
	if err != nil || patch == nil {
		return err
	}
	if err := e.client.Status().Patch(ctx, nodeNamed(node.Name), patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patch the maintenance conditions of Node %s: %w", node.Name, err)
	}
	return nil
}

// nodeNamed takes the answer to a patch; the Node that was read belongs to the cache.
func nodeNamed(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// writeReboot writes a status, and tells people about it once it is written. It returns the NodeReboot as it is afterwards.
func (e *executor) writeReboot(
	ctx context.Context, node *corev1.Node, reboot *v1alpha1.NodeReboot, change *plan.RebootChange,
) (*v1alpha1.NodeReboot, error) {
	if change.StatusChanged {
		written, patch := rebootStatus(reboot, &change.Status)
		if err := e.client.Status().Patch(ctx, written, patch); err != nil {
			return nil, fmt.Errorf("patch the status of NodeReboot %s: %w", reboot.Name, err)
		}
		before := &change.Object.Status
		e.numbers.observe(before, &change.Status)
		logTransitions(logf.FromContext(ctx), reboot, before, &change.Status)
		reboot = written
	}
	e.emitReboot(reboot, node, change.Events)
	return reboot, nil
}

// writePolicy writes a policy's status. It takes no lock: nothing in it is read back, and only the leader writes it.
func (e *executor) writePolicy(ctx context.Context, change *plan.PolicyChange) error {
	patch, err := policyStatusPatch(&change.Object.Status, &change.Status)
	if err != nil {
		return err
	}
	if err := e.client.Status().Patch(ctx, change.Object.DeepCopy(), patch); err != nil {
		return fmt.Errorf("patch the status of RebootPolicy %s: %w", change.Object.Name, err)
	}
	e.emit(change.Object, change.Events)
	return nil
}

// create makes a NodeReboot. One that is there already is what was wanted, and is seen in another pass.
func (e *executor) create(ctx context.Context, reboot *v1alpha1.NodeReboot) error {
	if err := e.client.Create(ctx, reboot.DeepCopy()); err != nil {
		return fmt.Errorf("create NodeReboot %s: %w", reboot.Name, err)
	}
	return nil
}

// prune deletes a finished NodeReboot, and only the one that the plan was about: another one may have its name by now.
func (e *executor) prune(ctx context.Context, reboot *v1alpha1.NodeReboot) error {
	err := e.client.Delete(ctx, &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: reboot.Name, UID: reboot.UID}},
		client.Preconditions{UID: &reboot.UID})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete NodeReboot %s: %w", reboot.Name, err)
	}
	return nil
}
