package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	// parallelWrites bounds how many objects are written at once.
	parallelWrites = 64
	// writingTime is for how long a pass starts writes that can wait, such as the statuses of waiting NodeReboots. The next pass writes the
	// rest, after it has tainted the nodes that came in the meantime.
	writingTime = 250 * time.Millisecond
)

// executor is the only writer to the cluster.
type executor struct {
	client client.Client
	// live reads from the API server.
	live               client.Reader
	recorder           events.EventRecorder
	numbers            *numbers
	namespace          string
	publishMaintenance bool
	refused            *refusedWrites
	clock              clock.PassiveClock
	// slotsKnown is shared with the reader.
	slotsKnown *slotsMemory
	// left is the first node whose work the last pass left to this one; empty if it left none.
	left string
	// reported are the objects that cannot be read and were reported.
	reported reported
}

// outcome is what came of writing.
type outcome struct {
	mu sync.Mutex
	// stale says that something was not written because the object had changed, or was gone, since it was read. That is not an error: another
	// pass will see what changed.
	stale bool
	// refused says that the API server refused something. That is not an error either: another pass finds out what follows from it.
	refused bool
	// more says that there was not enough time to write everything.
	more bool
	errs []error
	// reboots and policies whose status was written, as they are afterwards.
	reboots  []*v1alpha1.NodeReboot
	policies []*v1alpha1.RebootPolicy
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

func (o *outcome) refuse() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused = true
}

func (o *outcome) err() error { return errors.Join(o.errs...) }

// writing is the execution of one plan.
type writing struct {
	*executor
	snapshot *snapshot
	plan     *plan.Plan
	now      time.Time
	result   *outcome
}

// execute carries out a plan. A write that fails, or is refused, keeps back what needs it for the same node and nothing else; the next pass
// starts from what is there then. Taints go first: they wait for nothing.
func (e *executor) execute(ctx context.Context, s *snapshot, p *plan.Plan, now time.Time) *outcome {
	w := &writing{executor: e, snapshot: s, plan: p, now: now, result: &outcome{}}
	e.reported.keep(s.Reboots)
	work := w.taints(ctx)
	w.nodes(ctx, work, w.slots(ctx))
	for i := range s.notices {
		e.emit(s.notices[i].about, []model.Event{s.notices[i].event})
	}
	return w.result
}

// slots writes the slots object, and says whether what the plan grants is granted.
func (w *writing) slots(ctx context.Context) bool {
	if !w.plan.SlotsChanged {
		return true
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: v1alpha1.SlotsName}}
	if w.snapshot.slots != nil {
		object.UID = w.snapshot.slots.UID
	}
	t := target{key: model.WriteKey{Write: model.WriteSlots, Name: v1alpha1.SlotsName}, object: object}
	written, err := w.writeSlots(ctx, w.snapshot.slots, w.plan.Slots)
	w.slotsKnown.note(written, err)
	if w.made(ctx, t, err) != plan.WriteMade {
		return false
	}
	w.refused.freed(w.plan.Slots)
	return true
}

// isCurrent says that a NodeReboot is still what was read.
func (w *writing) isCurrent(ctx context.Context, read *v1alpha1.NodeReboot) bool {
	var reboot v1alpha1.NodeReboot
	err := w.live.Get(ctx, client.ObjectKeyFromObject(read), &reboot)
	if err == nil && (reboot.UID != read.UID || reboot.ResourceVersion != read.ResourceVersion) {
		err = apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("nodereboots").GroupResource(), read.Name, errChanged)
	}
	if err != nil {
		w.result.add(fmt.Errorf("read NodeReboot %s, whose node is to be cordoned: %w", read.Name, err))
	}
	return err == nil
}

// errChanged is about an object that is not what was read anymore.
var errChanged = errors.New("it was changed since it was read")

// node does the work for one node.
func (w *writing) node(ctx context.Context, work *plan.NodeWork) {
	if work.Takes != nil && !w.isCurrent(ctx, work.Takes) {
		if work = work.NeedOnly(); work == nil {
			return
		}
	}
	node := w.snapshot.node(work.Node)
	reboots := make([]*v1alpha1.NodeReboot, len(work.Reboots))
	for i := range work.Reboots {
		reboots[i] = work.Reboots[i].Object
	}
	about := func(write model.Write, i int) target {
		reboot := work.Reboots[i].Object
		return target{
			key: model.WriteKey{Write: write, Name: reboot.Name}, node: node, reboot: reboot, grant: w.grantOf(work, string(reboot.UID)),
		}
	}
	work.Write(plan.NodeWrites{
		AddFinalizer: func(i int) plan.Written {
			written, err := w.addFinalizer(ctx, &work.Reboots[i])
			if err == nil {
				reboots[i] = written
			}
			return w.made(ctx, about(model.WriteFinalizer, i), err)
		},
		Patch: func(patch *plan.NodePatch) plan.Written { return w.patch(ctx, node, work, patch) },
		Status: func(i int) plan.Written {
			written, err := w.writeReboot(ctx, node, reboots[i], &work.Reboots[i])
			if err == nil {
				reboots[i] = written
				w.result.wrote(written)
			}
			return w.made(ctx, about(work.Reboots[i].Write(), i), err)
		},
		Maintenance: func() plan.Written {
			t := target{key: model.WriteKey{Write: model.WriteMaintenance, Name: work.Node}, node: node}
			return w.made(ctx, t, w.patchMaintenance(ctx, node, work.Maintenance, w.now))
		},
		RemoveFinalizer: func(i int) plan.Written {
			return w.made(ctx, about(model.WriteFinalizer, i), w.removeFinalizer(ctx, reboots[i], &work.Reboots[i]))
		},
	})
}

// grantOf is what the plan grants for the work, if that is for the NodeReboot of a UID.
func (w *writing) grantOf(work *plan.NodeWork, uid string) model.GrantKey {
	if slot := w.plan.Slots[work.Node]; work.Granted && slot.UID == uid {
		return slot.Key()
	}
	return model.GrantKey{}
}

// patch changes the Node in one request. If that is refused, there is one for each part: what is refused is not to keep back the others.
func (w *writing) patch(ctx context.Context, node *corev1.Node, work *plan.NodeWork, patch *plan.NodePatch) plan.Written {
	if node == nil {
		return plan.WriteMade
	}
	about := func(write model.Write) target {
		t := target{key: model.WriteKey{Write: write, Name: node.Name}, node: node}
		if slot := w.plan.Slots[work.Node]; work.Granted {
			t.grant = slot.Key()
		}
		return t
	}
	latest := node
	try := func(patch *plan.NodePatch) error {
		patched, err := w.patchNode(ctx, latest, patch)
		if err == nil {
			latest = patched
		}
		return err
	}
	parts := patch.Parts()
	if len(parts) > 1 {
		err := try(patch)
		if _, refused := refusalOf(err); err != nil && !refused {
			w.result.add(err)
			return plan.WriteFailed
		}
		if err == nil {
			for _, part := range parts {
				w.made(ctx, about(part.Write), nil)
			}
			return plan.WriteMade
		}
	}
	return patch.WriteInParts(func(part plan.PatchPart) plan.Written { return w.made(ctx, about(part.Write), try(part.Patch)) })
}

// addFinalizer returns the NodeReboot as it is afterwards: a status patch has to name its new version.
func (e *executor) addFinalizer(ctx context.Context, change *plan.RebootChange) (*v1alpha1.NodeReboot, error) {
	if !change.AddFinalizer || slices.Contains(change.Object.Finalizers, v1alpha1.Finalizer) {
		return change.Object, nil
	}
	reboot, finalizers := change.Object.DeepCopy(), append(slices.Clone(change.Object.Finalizers), v1alpha1.Finalizer)
	if err := e.client.Patch(ctx, reboot, finalizersPatch(change.Object, finalizers)); err != nil {
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
	if err := e.client.Patch(ctx, reboot.DeepCopy(), finalizersPatch(reboot, rest)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove the finalizer from NodeReboot %s: %w", reboot.Name, err)
	}
	return nil
}

// patchNode returns the Node as it is afterwards: the next patch has to name its new version.
func (e *executor) patchNode(ctx context.Context, node *corev1.Node, change *plan.NodePatch) (*corev1.Node, error) {
	patched := nodeNamed(node.Name)
	if err := e.client.Patch(ctx, patched, nodePatch(node, change)); err != nil {
		return nil, fmt.Errorf("patch Node %s: %w", node.Name, err)
	}
	return patched, nil
}

// patchMaintenance publishes the maintenance conditions. With publishing switched off it removes those that are left from before.
func (e *executor) patchMaintenance(
	ctx context.Context, node *corev1.Node, want map[corev1.NodeConditionType]plan.MaintenanceCondition, now time.Time,
) error {
	if want == nil || node == nil {
		return nil
	}
	if !e.publishMaintenance {
		want = nil
	}
	patch := maintenancePatch(node, want, now)
	if patch == nil {
		return nil
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
	if change.Report != nil {
		return e.report(ctx, node, reboot, change)
	}
	written, patch := rebootStatus(reboot, &change.Status)
	if err := e.client.Status().Patch(ctx, written, patch); err != nil {
		return nil, fmt.Errorf("patch the status of NodeReboot %s: %w", reboot.Name, err)
	}
	before := &change.Object.Status
	e.numbers.observe(before, &change.Status)
	logTransitions(logf.FromContext(ctx), reboot, before, &change.Status)
	e.emitReboot(written, node, change.Events)
	return written, nil
}

// policy writes a policy's status. It takes no lock: nothing in it is read back, and only the leader writes it.
func (w *writing) policy(ctx context.Context, change *plan.PolicyChange) {
	written := change.Object.DeepCopy()
	err := w.client.Status().Patch(ctx, written, policyStatusPatch(&change.Status))
	if err != nil {
		err = fmt.Errorf("patch the status of RebootPolicy %s: %w", change.Object.Name, err)
	}
	t := target{key: model.WriteKey{Write: model.WritePolicy, Name: change.Object.Name}, object: change.Object}
	if w.made(ctx, t, err) == plan.WriteMade {
		w.result.wrotePolicy(written)
		w.emit(change.Object, change.Events)
	}
}

// create makes a NodeReboot. One that is there already is what was wanted, and is seen in another pass.
func (w *writing) create(ctx context.Context, reboot *v1alpha1.NodeReboot) {
	t := target{key: model.WriteKey{Write: model.WriteCreate, Name: reboot.Name}, node: w.snapshot.node(reboot.Spec.NodeName)}
	err := w.client.Create(ctx, reboot.DeepCopy())
	if err != nil {
		err = fmt.Errorf("create NodeReboot %s: %w", reboot.Name, err)
	}
	w.made(ctx, t, err)
}

// prune deletes a finished NodeReboot, but only the one that the plan was about: another one may have its name now.
func (w *writing) prune(ctx context.Context, reboot *v1alpha1.NodeReboot) {
	err := w.client.Delete(ctx, &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: reboot.Name, UID: reboot.UID}},
		client.Preconditions{UID: &reboot.UID})
	if err = client.IgnoreNotFound(err); err != nil {
		err = fmt.Errorf("delete NodeReboot %s: %w", reboot.Name, err)
	}
	t := target{key: model.WriteKey{Write: model.WriteDelete, Name: reboot.Name}, node: w.snapshot.node(reboot.Spec.NodeName), reboot: reboot}
	w.made(ctx, t, err)
}
