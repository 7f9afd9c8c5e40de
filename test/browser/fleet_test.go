package browser

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
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
	objects := []client.Object{f.policy()}
	count := len(f.zones) * f.perZone
	middle := count / 4 * 2
	for i := range count {
		zone := f.zones[i/f.perZone]
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("worker-%s-%02d", zone[len(zone)-1:], i%f.perZone+1), Labels: map[string]string{corev1.LabelTopologyZone: zone},
			},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
		}
		objects = append(objects, node)
		if i%f.perZone == f.perZone/2+2 && i/2 != middle/2-1 {
			continue // nothing to do
		}
		pair := time.Duration((i - i%2 - middle + 2) / 2) // 0 is under way
		start := f.now.Add(-4*time.Minute + pair*(attempt+pause) + time.Duration(i%2)*40*time.Second - time.Duration(i*17%30)*time.Second)
		objects = append(objects, f.reboot(node.Name, zone, start, i))
	}
	return objects
}

func (f fleet) policy() *v1alpha1.RebootPolicy {
	day := f.now.UTC().Truncate(24 * time.Hour)
	hour := f.now.UTC().Add(-3 * time.Hour)
	p := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{
		Name: policy, UID: "1", CreationTimestamp: metav1.NewTime(day.Add(-24 * time.Hour)),
	}}
	p.Spec.Nodes = v1alpha1.NodesAll
	p.Spec.Mode = v1alpha1.ModeEnforce
	p.Spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt32(2))
	p.Spec.Rollout.Zones.Strategy = v1alpha1.ZonesOneAtATime
	p.Spec.Rollout.Zones.TopologyKey = corev1.LabelTopologyZone
	p.Spec.Schedule.TimeZone = "UTC"
	p.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: fmt.Sprintf("0 %d * * *", hour.Hour()), DurationSeconds: 7 * 3600}}
	closes := metav1.NewTime(hour.Truncate(time.Hour).Add(7 * time.Hour))
	p.Status.Summary, p.Status.Nodes = "InForce", int32(len(f.zones)*f.perZone)
	p.Status.Window = &v1alpha1.WindowStatus{State: v1alpha1.WindowOpen, NextClosingTime: &closes}
	return p
}

// reboot is where a node is that has its turn at a time.
func (f fleet) reboot(node, zone string, start time.Time, i int) *v1alpha1.NodeReboot {
	r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{
		Name: node + "-5c1d", UID: "1", CreationTimestamp: metav1.NewTime(f.now.Add(-8 * time.Hour)),
	}, Spec: v1alpha1.NodeRebootSpec{NodeName: node, Trigger: v1alpha1.TriggerSentinel, BootID: "1"}}
	status := &r.Status
	status.PolicyName, status.Zone, status.Phase = policy, zone, v1alpha1.PhasePending
	status.RequiredSince = micro(start.Add(-time.Duration(20+i*13%90) * time.Minute))
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
	status.Attempt = a
	switch {
	case end.Before(f.now):
		status.Phase, status.Reason = v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved
		status.Outcome, status.OutcomeReason = v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved
		a.DrainedTime, a.RebootOrderedTime, a.BackTime = micro(drained), micro(drained), micro(back)
		a.UncordonedTime, a.RecoveredTime = micro(back.Add(20*time.Second)), micro(end)
		a.EndedTime, status.CompletionTime = micro(end), micro(end)
		a.Result = v1alpha1.ReasonProved
	case i%2 == 0:
		status.Phase, status.Reason = v1alpha1.PhaseDraining, v1alpha1.ReasonEvictionRefused
		status.Message = "The eviction of Pod " + database + "-1 is refused: PodDisruptionBudget " + database +
			" allows no disruption, because 2 of 2 pods have to be available."
		status.UntilTime, a.StuckTime = micro(f.now.Add(11*time.Minute)), micro(start.Add(70*time.Second))
	default:
		status.Phase, status.Reason, status.Message = v1alpha1.PhaseRebooting, v1alpha1.ReasonRebooting, "The host was ordered to reboot."
		a.DrainedTime, a.RebootOrderedTime = micro(start.Add(time.Minute)), micro(start.Add(time.Minute))
	}
	return r
}
