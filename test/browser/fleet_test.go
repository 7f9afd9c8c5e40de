package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
	"github.com/reboot-operator/reboot-operator/internal/plugin/policyfile"
)

// fleet is a rollout that is in the middle of its nodes. Nothing runs: it is objects.
type fleet struct {
	zones   []string
	perZone int
	// now is the middle of the rollout.
	now time.Time
}

const (
	database = "shop/database"
	policy   = "workers"
	attempt  = 7 * time.Minute
	pause    = 50 * time.Second
)

func micro(at time.Time) *metav1.MicroTime { return ptr.To(metav1.NewMicroTime(at)) }

// client has the objects of the fleet.
func (f fleet) client(t *testing.T) client.WithWatch {
	t.Helper()
	scheme, err := app.Scheme()
	check(t, err)
	builder := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.NodeReboot{}, &v1alpha1.RebootPolicy{})
	for _, object := range f.objects() {
		builder = builder.WithObjects(object)
	}
	return builder.Build()
}

func (f fleet) objects() []client.Object {
	slots := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace, Name: v1alpha1.SlotsName}, Data: map[string]string{},
	}
	all := []client.Object{f.policy(), slots, pod("manager", "", v1alpha1.ManagerComponent)}
	count := len(f.zones) * f.perZone
	middle := count / 4 * 2
	for i := range count {
		zone := f.zones[i/f.perZone]
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name:   fmt.Sprintf("worker-%s-%02d", zone[len(zone)-1:], i%f.perZone+1),
				Labels: map[string]string{corev1.LabelTopologyZone: zone},
			},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
		}
		node.UID, node.Status.NodeInfo.BootID = types.UID("uid-of-"+node.Name), "boot-of-"+node.Name
		all = append(all, node, pod("helper-"+node.Name, node.Name, "helper"))
		if i%f.perZone == f.perZone/2+2 && i/2 != middle/2-1 {
			continue // nothing to do
		}
		pair := time.Duration((i - i%2 - middle + 2) / 2) // 0 is under way
		start := f.now.Add(-4*time.Minute + pair*(attempt+pause) + time.Duration(i%2)*40*time.Second - time.Duration(i*17%30)*time.Second)
		r := f.reboot(node, zone, start, i)
		all = append(all, r)
		if r.Status.Order != nil {
			node.Spec.Unschedulable, node.Annotations = true, map[string]string{v1alpha1.CordonAnnotation: string(r.UID)}
			slots.Data[node.Name] = fmt.Sprintf(`{"reboot":%q,"uid":%q,"attempt":1}`, r.Name, r.UID)
		}
	}
	return all
}

// pod of the operator that is Ready.
func pod(name, node, component string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: objects.DefaultNamespace, Name: name,
		Labels: map[string]string{v1alpha1.ComponentLabel: component, "app.kubernetes.io/name": "reboot-operator"},
	}}
	p.Spec.NodeName = node
	p.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "DaemonSet", Name: component, UID: "1", Controller: ptr.To(true),
	}}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return p
}

// policy has a window that is open, with the defaults of the schema.
func (f fleet) policy() *v1alpha1.RebootPolicy {
	opens := f.now.UTC().Add(-3 * time.Hour).Truncate(time.Hour)
	found, err := policyfile.Read(strings.NewReader(fmt.Sprintf(`apiVersion: reboot-operator.io/v1alpha1
kind: RebootPolicy
metadata: {name: %s}
spec:
  nodes: All
  rollout: {maxUnavailable: 2, minIntervalSeconds: 0, zones: {strategy: OneAtATime}}
  schedule: {timeZone: UTC, windows: [{cron: "0 %d * * *", durationSeconds: 28800}]}
`, policy, opens.Hour())), "policy.yaml")
	if err == nil {
		err = found[0].Err("policy.yaml")
	}
	if err != nil {
		panic(err)
	}
	p := found[0].Object
	p.UID, p.Generation, p.CreationTimestamp = "1", 1, metav1.NewTime(f.now.Add(-24*time.Hour))
	closes := metav1.NewTime(opens.Add(8 * time.Hour))
	p.Status.Summary, p.Status.Nodes = "InForce", int32(len(f.zones)*f.perZone)
	p.Status.Window = &v1alpha1.WindowStatus{State: v1alpha1.WindowOpen, NextClosingTime: &closes}
	return p
}

// reboot is where a node is that has its turn at a time.
func (f fleet) reboot(node *corev1.Node, zone string, start time.Time, i int) *v1alpha1.NodeReboot {
	boot := node.Status.NodeInfo.BootID
	r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{
		Name: node.Name + "-5c1d", UID: "uid-of-reboot-of-" + node.UID, Generation: 1,
		CreationTimestamp: metav1.NewTime(f.now.Add(-8 * time.Hour)),
	}, Spec: v1alpha1.NodeRebootSpec{NodeName: node.Name, Trigger: v1alpha1.TriggerSentinel, Urgency: v1alpha1.UrgencyNormal, BootID: boot}}
	status := &r.Status
	status.NodeUID, status.Before = string(node.UID), &v1alpha1.BootInfo{BootID: boot}
	status.Report = &v1alpha1.HelperReport{
		Protocol: v1alpha1.ProtocolLevel, BootID: boot, BootTime: micro(f.now.Add(-24 * time.Hour)), Sentinel: v1alpha1.SentinelRequired,
		Methods: []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}},
	}
	status.PolicyName, status.Zone, status.Phase = policy, zone, v1alpha1.PhasePending
	since := start.Add(-time.Duration(20+i*13%90) * time.Minute)
	if since.After(f.now) {
		since = f.now.Add(-time.Duration(5+i) * time.Minute)
	}
	status.RequiredSince = micro(since)
	status.TaintedTime = status.RequiredSince
	if start.After(f.now) {
		status.Reason, status.Message = v1alpha1.ReasonBudgetExhausted, "2 of 2 nodes of policy "+policy+" are unavailable."
		return r
	}
	drained := start.Add(time.Duration(50+i*37%70) * time.Second)
	back, end := drained.Add(time.Duration(170+i*29%50)*time.Second), start.Add(attempt-time.Duration(i*41%60)*time.Second)
	a := &v1alpha1.Attempt{
		Number: 1, PolicyName: policy, Zone: zone, GrantedTime: *micro(start), CordonedTime: micro(start), DrainOrderedTime: micro(start),
	}
	a.Cordon = v1alpha1.CordonOperator
	status.Attempt = a
	switch {
	case end.Before(f.now):
		status.Phase, status.Reason = v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved
		status.Outcome, status.OutcomeReason = v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved
		a.DrainedTime, a.RebootOrderedTime, a.BackTime = micro(drained), micro(drained), micro(back)
		a.UncordonedTime, a.RecoveredTime = micro(back.Add(20*time.Second)), micro(end)
		a.EndedTime, status.CompletionTime = micro(end), micro(end)
		a.Result, status.Before.BootID, status.Report.Sentinel = v1alpha1.ReasonProved, "an earlier boot", v1alpha1.SentinelNotRequired
	case i%2 == 0:
		status.Phase, status.Reason = v1alpha1.PhaseDraining, v1alpha1.ReasonEvictionRefused
		status.Message = "The eviction of Pod " + database + "-1 is refused: PodDisruptionBudget " + database +
			" allows no disruption, because 2 of 2 pods have to be available."
		f.order(status, v1alpha1.ActionDrain)
		status.Order.Drain = &v1alpha1.DrainOrder{}
		status.UntilTime, a.StuckTime = micro(f.now.Add(11*time.Minute)), micro(start.Add(70*time.Second))
	default:
		status.Phase, status.Reason, status.Message = v1alpha1.PhaseRebooting, v1alpha1.ReasonRebooting, "The host was ordered to reboot."
		f.order(status, v1alpha1.ActionReboot)
		a.DrainedTime, a.RebootOrderedTime = micro(start.Add(time.Minute)), micro(start.Add(time.Minute))
	}
	return r
}

// order is what the helper was ordered to do, and has begun.
func (f fleet) order(status *v1alpha1.NodeRebootStatus, action v1alpha1.OrderAction) {
	status.LastSequence, status.Report.Sequence, status.Report.State = 1, 1, v1alpha1.OrderStarted
	status.Order = &v1alpha1.RebootOrder{
		Sequence: 1, Action: action, BootID: status.Before.BootID, Deadline: metav1.NewMicroTime(f.now.Add(10 * time.Minute)), Protocol: 1,
	}
}
