// Package statustest makes policies and NodeReboots for tests of what shows them.
package statustest

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Fleet makes objects as they are at a time.
type Fleet struct{ Now time.Time }

func (f Fleet) ago(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: f.Now.Add(-d)} }

// Policy is in force, and changed by options.
func (f Fleet) Policy(name string, options ...func(*v1alpha1.RebootPolicy)) *v1alpha1.RebootPolicy {
	p := &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Generation: 1},
		Spec: v1alpha1.RebootPolicySpec{
			Mode: v1alpha1.ModeEnforce, Nodes: v1alpha1.NodesAll,
			Rollout: v1alpha1.RolloutSpec{
				MaxUnavailable: ptr.To(intstr.FromString("10%")), Zones: v1alpha1.ZonesSpec{Strategy: v1alpha1.ZonesOneAtATime},
			},
		},
		Status: v1alpha1.RebootPolicyStatus{
			ObservedGeneration: 1, Summary: "InForce", Nodes: 30, MaxUnavailable: 3,
			Conditions: []metav1.Condition{{
				Type: "Ready", Status: metav1.ConditionTrue, Reason: "InForce", LastTransitionTime: metav1.Time{Time: f.Now},
			}},
		},
	}
	for _, option := range options {
		option(p)
	}
	return p
}

// Reboot is a waiting NodeReboot with the name of its node.
func (f Fleet) Reboot(policy, zone, node string, options ...func(*v1alpha1.NodeReboot)) *v1alpha1.NodeReboot {
	r := &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{
			Name: "reboot-" + node, UID: types.UID(node), CreationTimestamp: metav1.Time{Time: f.Now.Add(-3 * time.Hour)},
		},
		Spec: v1alpha1.NodeRebootSpec{NodeName: node, Trigger: v1alpha1.TriggerSentinel},
		Status: v1alpha1.NodeRebootStatus{
			Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonBudgetExhausted, Message: "3 of at most 3 nodes are unavailable.",
			PolicyName: policy, Zone: zone, RequiredSince: f.ago(3 * time.Hour),
		},
	}
	for _, option := range options {
		option(r)
	}
	return r
}

// Waits for a reason.
func (f Fleet) Waits(reason, message string, until time.Duration) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		r.Status.Reason, r.Status.Message = reason, message
		if until != 0 {
			r.Status.UntilTime = f.ago(-until)
		}
	}
}

// Drains since a time.
func (f Fleet) Drains(since time.Duration, left, total int32) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		s := &r.Status
		s.Phase, s.Reason, s.Message = v1alpha1.PhaseDraining, v1alpha1.ReasonDraining, fmt.Sprintf("%d of %d pods left.", left, total)
		s.Attempt = &v1alpha1.Attempt{
			Number: 1, PolicyName: s.PolicyName, Zone: s.Zone, GrantedTime: *f.ago(since), DrainOrderedTime: f.ago(since),
		}
		s.Order = &v1alpha1.RebootOrder{Sequence: 1, Action: v1alpha1.ActionDrain, BootID: "boot-1", Deadline: *f.ago(-time.Hour)}
		s.Report = &v1alpha1.HelperReport{
			Sequence: 1, BootID: "boot-1", Sentinel: v1alpha1.SentinelRequired, Drain: &v1alpha1.DrainProgress{Total: total, Remaining: left},
		}
	}
}

// Reboots since a time; it took a minute to drain.
func (f Fleet) Reboots(since time.Duration) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		f.Drains(since+time.Minute, 0, 10)(r)
		s := &r.Status
		s.Phase, s.Reason, s.Message = v1alpha1.PhaseRebooting, v1alpha1.ReasonRebooting, "The host was ordered to reboot."
		s.Attempt.DrainedTime, s.Attempt.RebootOrderedTime = f.ago(since), f.ago(since)
	}
}

// Recovers since a time; it was down for two minutes.
func (f Fleet) Recovers(since time.Duration) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		f.Reboots(since + 2*time.Minute)(r)
		s := &r.Status
		s.Phase, s.Reason = v1alpha1.PhaseRecovering, v1alpha1.ReasonWorkloadsNotReady
		s.Message = "Deployment shop/web has 2 of 3 replicas ready."
		s.Attempt.BackTime = f.ago(since)
	}
}

// Done since a time, with an outcome.
func (f Fleet) Done(since time.Duration, outcome v1alpha1.Outcome, reason string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		f.Recovers(since + time.Minute)(r)
		s := &r.Status
		s.Phase, s.Reason, s.Message = v1alpha1.Phase(outcome), reason, "It is over."
		s.Outcome, s.OutcomeReason, s.CompletionTime, s.Attempt.EndedTime = outcome, reason, f.ago(since), f.ago(since)
	}
}

// Usual is a rollout in the middle: three zones, nodes in every phase.
func (f Fleet) Usual() []client.Object {
	objects := []client.Object{f.Policy("workers", func(p *v1alpha1.RebootPolicy) {
		p.Spec.Schedule = v1alpha1.ScheduleSpec{TimeZone: "UTC", Windows: []v1alpha1.ScheduleWindow{{
			Weekly: &v1alpha1.WeeklyWindow{Days: []v1alpha1.Weekday{v1alpha1.Monday}, Start: "10:00"}, DurationSeconds: 6 * 3600,
		}}}
		p.Spec.Rollout.Canary = &v1alpha1.CanarySpec{Count: ptr.To(intstr.FromInt32(2)), SoakSeconds: ptr.To[int32](3600)}
		p.Status.Canary = &v1alpha1.CanaryStatus{Soaking: 2, SoakedTime: f.ago(-10 * time.Minute)}
		p.Status.CurrentZone, p.Status.Unavailable = "b", 3
	})}
	add := func(zone, node string, options ...func(*v1alpha1.NodeReboot)) {
		objects = append(objects, f.Reboot("workers", zone, node, options...))
	}
	add("a", "worker-a1", f.Done(50*time.Minute, v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved))
	add("a", "worker-a2", f.Done(40*time.Minute, v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved))
	add("a", "worker-a3", f.Done(20*time.Minute, v1alpha1.OutcomeFailed, v1alpha1.ReasonSentinelStillPresent))
	add("b", "worker-b1", f.Drains(130*time.Second, 3, 12))
	add("b", "worker-b2", f.Reboots(40*time.Second))
	add("b", "worker-b3", f.Recovers(15*time.Second))
	add("b", "worker-b4")
	add("b", "worker-b5", f.Waits(v1alpha1.ReasonHelperNotReady, "The helper on worker-b5 is not Ready.", 0))
	add("b", "worker-b6")
	for i := range 12 {
		add("c", fmt.Sprintf("worker-c%02d", i+1), f.Waits(v1alpha1.ReasonZoneBusy, "Zone b has its turn.", 0))
	}
	add("c", "worker-c13", f.Waits(v1alpha1.ReasonBackingOff, "The last attempt failed.", 26*time.Hour))
	return objects
}
