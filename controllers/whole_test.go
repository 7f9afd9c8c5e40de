package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// abridgedCache shows NodeReboots as the manager's cache keeps them, and all else as it is stored.
type abridgedCache struct{ client.Reader }

func (c abridgedCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if err := c.Reader.List(ctx, list, opts...); err != nil {
		return err
	}
	if reboots, is := list.(*v1alpha1.NodeRebootList); is {
		for i := range reboots.Items {
			reboots.Items[i] = *keepReboot(&reboots.Items[i])
		}
	}
	return nil
}

// brokenReads fails for NodeReboots.
type brokenReads struct{ client.Reader }

func (brokenReads) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errors.New("no answer")
}

// withdrawn is a NodeReboot with all that a status can have, whose need is back.
func withdrawn() *v1alpha1.NodeReboot {
	return newReboot("a-0", "a", able, func(r *v1alpha1.NodeReboot) {
		r.Generation, r.Spec.Trigger, r.Spec.Reason = 1, v1alpha1.TriggerSentinel, "kernel"
		report := r.Status.Report
		report.Message = "the file is there"
		r.Status = v1alpha1.NodeRebootStatus{
			ObservedGeneration: 1, NodeUID: "uid-a", PolicyName: "p", LastSequence: 7, Report: report, RequiredSince: at(0),
			Before: &v1alpha1.BootInfo{BootID: "boot-1", KernelVersion: "6.1"}, ApprovedBy: "ann", ApprovedTime: at(1),
			Phase: v1alpha1.PhaseCancelled, Summary: "Cancelled", Reason: v1alpha1.ReasonNeedWithdrawn, Message: "m",
			Outcome: v1alpha1.OutcomeCancelled, OutcomeReason: v1alpha1.ReasonNeedWithdrawn, OutcomeMessage: "m", CompletionTime: at(9),
			Attempt:   &v1alpha1.Attempt{Number: 2, DrainedTime: at(3), Containers: []string{"c"}, EndedTime: at(4), Message: "rolled back"},
			Workloads: []v1alpha1.WorkloadRef{{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web"}},
			Conditions: []metav1.Condition{{
				Type: "example.com/backup-done", Status: metav1.ConditionTrue, Reason: "Done", Message: "kept",
				LastTransitionTime: metav1.NewTime(testNow),
			}},
		}
	})
}

// lost is what a write took away of a status that no plan changes.
func lost(before, after *v1alpha1.NodeRebootStatus) string {
	var kept []metav1.Condition
	for _, c := range after.Conditions {
		if strings.Contains(c.Type, "/") {
			kept = append(kept, c)
		}
	}
	return cmp.Diff(
		[]any{before.Workloads, before.Report, before.LastSequence, before.Attempt, before.Before, before.Conditions[0].Message},
		[]any{after.Workloads, after.Report, after.LastSequence, after.Attempt, after.Before, kept[0].Message})
}

func TestAWriteToAFinishedNodeRebootLosesNothingThatTheCacheDoesNotKeep(t *testing.T) {
	w := newWorld(t, append(fleet(v1alpha1.ModePaused, "a")[:2], withdrawn())...)
	var before, after v1alpha1.NodeReboot
	key := client.ObjectKey{Name: "a-0"}
	if err := w.Get(t.Context(), key, &before); err != nil {
		t.Fatal(err)
	}
	if short := keepReboot(before.DeepCopy()); short.Status.Workloads != nil || short.Status.Attempt.DrainedTime != nil {
		t.Fatal("nothing is left out that could be lost")
	}
	r := newReconciler(w, &fakePods{})
	r.reader.cache = abridgedCache{w}
	if _, err := r.Reconcile(t.Context(), clusterKey); err != nil {
		t.Fatal(err)
	}
	if err := w.Get(t.Context(), key, &after); err != nil {
		t.Fatal(err)
	}
	if after.Status.CompletionTime != nil || after.Status.Phase != v1alpha1.PhasePending {
		t.Fatalf("it was not opened again: %+v", after.Status)
	}
	if diff := lost(&before.Status, &after.Status); diff != "" {
		t.Errorf("the write took away (-before +after):\n%s", diff)
	}
}

func TestWithoutTheWholeOfAFinishedNodeRebootNothingOfItIsWritten(t *testing.T) {
	w := newWorld(t, append(fleet(v1alpha1.ModePaused, "a")[:2], withdrawn())...)
	r := newReconciler(w, &fakePods{})
	r.reader.cache, r.reader.live = abridgedCache{w}, brokenReads{w}
	_, err := r.Reconcile(t.Context(), clusterKey)
	if err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("got error %v, want that of the read", err)
	}
	var after v1alpha1.NodeReboot
	if err := w.Get(t.Context(), client.ObjectKey{Name: "a-0"}, &after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(withdrawn().Status, after.Status); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}
}

// realNode is a Node as a cloud has it: 20 labels, 12 conditions.
func realNode(i int) *corev1.Node {
	node := newNode(fmt.Sprintf("aks-pool1-12345678-vmss%06d", i))
	node.Labels, node.Annotations = map[string]string{}, map[string]string{"a": strings.Repeat("x", 4000)}
	for l := range 20 {
		node.Labels[strings.Clone(fmt.Sprintf("kubernetes.azure.com/a-label-of-the-cloud-%d", l))] = fmt.Sprintf("value-of-the-label-%d", l)
	}
	node.Labels[corev1.LabelHostname] = node.Name
	node.Status.Conditions = nil
	for c := range 12 {
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{
			Type: corev1.NodeConditionType(fmt.Sprintf("FrequentRestartsOf%d", c)), Status: "False", Reason: strings.Repeat("r", 30),
			Message: strings.Repeat("m", 100), LastTransitionTime: metav1.NewTime(testNow),
		})
	}
	return node
}

// realReboot is a NodeReboot that succeeded or failed, as the operator leaves it.
func realReboot(i int, outcome v1alpha1.Outcome) *v1alpha1.NodeReboot {
	r := withdrawn()
	r.Name, r.Spec.NodeName = fmt.Sprintf("aks-pool1-12345678-vmss%06d-%x", i/6, i%6), fmt.Sprintf("aks-pool1-12345678-vmss%06d", i/6)
	r.UID, r.ResourceVersion = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", "123456789"
	message := fmt.Sprintf("Node %s runs another boot, is Ready, and its workloads are as ready as before.", r.Spec.NodeName)
	s := &r.Status
	s.Phase, s.Outcome, s.Summary, s.OutcomeReason, s.Reason = v1alpha1.Phase(outcome), outcome, string(outcome), "Proved", "Proved"
	s.Message, s.OutcomeMessage = message, strings.Clone(message)
	s.Attempt.GrantedTime, s.Attempt.BackTime, s.Attempt.RebootOrderedTime = *at(1), at(3), at(2)
	s.After = &v1alpha1.BootInfo{BootID: "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", KernelVersion: "6.2"}
	for c := range 4 {
		s.Conditions = append(s.Conditions, metav1.Condition{
			Type: fmt.Sprint("Type", c), Status: "True", Reason: "Proved", Message: strings.Clone(message),
		})
	}
	for p := range 20 {
		s.Workloads = append(s.Workloads, v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDeployment, Namespace: "ns", Name: fmt.Sprint("web", p)})
	}
	return r
}

// realHelper is the pod of a helper that runs.
func realHelper(i int) *corev1.Pod {
	name := fmt.Sprintf("reboot-operator-helper-%05d", i)
	pod := newPod(name, labeled(componentLabel, helperComponent), ready(corev1.ConditionTrue, time.Time{}))
	pod.Spec.NodeName = fmt.Sprintf("aks-pool1-12345678-vmss%06d", i)
	for _, name := range []string{"helper", "rebooter"} {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{
			Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
		})
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: name, Ready: true, Started: ptr.To(true), Image: strings.Repeat("i", 80), ContainerID: "containerd://" + strings.Repeat("c", 64),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
	}
	return pod
}

// What a cluster has thousands of is most of the manager's memory: see docs/adr/0042-memory-of-the-manager.md.
func TestWhatThereAreThousandsOfIsSmallInMemory(t *testing.T) {
	const n = 2000
	for name, kind := range map[string]struct {
		whole, kept func(i int) any
		limit       int64
	}{
		"a NodeReboot that succeeded": {
			whole: func(i int) any { return realReboot(i, v1alpha1.OutcomeSucceeded) },
			kept:  func(i int) any { return keepReboot(realReboot(i, v1alpha1.OutcomeSucceeded)) },
			limit: 2 << 10,
		},
		"a NodeReboot that failed": {
			whole: func(i int) any { return realReboot(i, v1alpha1.OutcomeFailed) },
			kept:  func(i int) any { return keepReboot(realReboot(i, v1alpha1.OutcomeFailed)) },
			limit: 3500,
		},
		"a Node": {
			whole: func(i int) any { return realNode(i) },
			kept:  func(i int) any { return projection.StripNode(realNode(i)) },
			limit: 5 << 10,
		},
		"the pod of a helper": {
			whole: func(i int) any { return realHelper(i) },
			kept:  func(i int) any { return projection.StripHelper(realHelper(i)) },
			limit: 2 << 10,
		},
	} {
		t.Run(name, func(t *testing.T) {
			whole, kept := retained(t, n, kind.whole)/n, retained(t, n, kind.kept)/n
			t.Logf("%d bytes; %d are kept", whole, kept)
			if kept > kind.limit {
				t.Errorf("%d bytes are kept, want at most %d", kept, kind.limit)
			}
		})
	}
}
