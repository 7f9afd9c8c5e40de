package forecast_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const zoneLabel = "topology.kubernetes.io/zone"

// start is when every forecast begins: a Monday.
var start = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func at(sinceStart time.Duration) *metav1.MicroTime {
	return ptr.To(metav1.NewMicroTime(start.Add(sinceStart)))
}

type policyOption func(*v1alpha1.RebootPolicySpec)

// newPolicy is what the API server stores for a policy that only says "nodes: All".
func newPolicy(name string, options ...policyOption) *v1alpha1.RebootPolicy {
	policy := &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid-of-policy-" + name), Generation: 1, CreationTimestamp: metav1.NewTime(start.Add(-24 * time.Hour)),
		},
		Spec: v1alpha1.RebootPolicySpec{
			Mode:  v1alpha1.ModeEnforce,
			Nodes: v1alpha1.NodesAll,
			Taint: v1alpha1.TaintSpec{Effect: v1alpha1.TaintPreferNoSchedule},
			Rollout: v1alpha1.RolloutSpec{
				MaxUnavailable: ptr.To(intstr.FromInt32(1)),
				Zones: v1alpha1.ZonesSpec{
					TopologyKey: zoneLabel, Strategy: v1alpha1.ZonesOneAtATime, SoakSeconds: ptr.To[int32](0),
				},
				ControlPlane: v1alpha1.ControlPlaneLast, NodeOrder: v1alpha1.NodeOrderFewestMoves, MinIntervalSeconds: ptr.To[int32](3600),
			},
			Approval: v1alpha1.Ignore, SelfApproval: v1alpha1.SelfApprovalRefuse,
			Schedule: v1alpha1.ScheduleSpec{TimeZone: "UTC", MinRemainingSeconds: ptr.To[int32](600), AtClose: v1alpha1.TimeoutAbort},
			Gates:    v1alpha1.GatesSpec{Capacity: v1alpha1.Ignore},
			Drain: v1alpha1.DrainSpec{
				Mode: v1alpha1.DrainModeDrain, EmptyDir: v1alpha1.EmptyDirDelete, Unmanaged: v1alpha1.UnmanagedEvict,
				OnTimeout: v1alpha1.DrainTimeoutAbort, ReturningPods: v1alpha1.ReturningPodsIgnore,
				DelaySeconds: ptr.To[int32](0), TimeoutSeconds: ptr.To[int32](600),
			},
			Reboot: v1alpha1.RebootSpec{
				Method: v1alpha1.RebootInstalled, Via: v1alpha1.RebootViaFirmware, DelaySeconds: ptr.To[int32](0), TimeoutSeconds: ptr.To[int32](900),
			},
			Recovery: v1alpha1.RecoverySpec{Workloads: v1alpha1.Require, SettleSeconds: ptr.To[int32](0), TimeoutSeconds: ptr.To[int32](1800)},
			Failure: v1alpha1.FailureSpec{
				MaxFailures: ptr.To(intstr.FromInt32(1)), MaxConsecutiveFailures: ptr.To(intstr.FromInt32(3)),
				MaxAttempts: ptr.To[int32](3), BackoffSeconds: ptr.To[int32](600),
			},
			History: v1alpha1.HistorySpec{Succeeded: ptr.To[int32](1), Failed: ptr.To[int32](1), Cancelled: ptr.To[int32](1)},
		},
	}
	for _, option := range options {
		option(&policy.Spec)
	}
	return policy
}

// maxUnavailable takes a number or a percentage.
func maxUnavailable(limit string) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MaxUnavailable = ptr.To(intstr.Parse(limit)) }
}

func longestRequired(s *v1alpha1.RebootPolicySpec) {
	s.Rollout.NodeOrder = v1alpha1.NodeOrderLongestRequired
}

func anyOrder(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.Strategy = v1alpha1.ZonesAnyOrder }

func soak(seconds int32) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.SoakSeconds = &seconds }
}

func settle(seconds int32) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Recovery.SettleSeconds = &seconds }
}

// daily opens at a cron expression for a time.
func daily(cron string, open time.Duration) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Windows = append(s.Schedule.Windows, v1alpha1.ScheduleWindow{Cron: cron, DurationSeconds: int32(open / time.Second)})
	}
}

func selecting(key, value string) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Nodes = v1alpha1.NodesSelected
		s.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{key: v1alpha1.LabelValue(value)}}
	}
}

type nodeOption func(*model.Node)

func newNode(name, zone string, options ...nodeOption) *model.Node {
	node := &model.Node{
		Name: name, UID: "uid-of-node-" + name, Labels: map[string]string{"kubernetes.io/hostname": name},
		Ready: true, HelperReady: true, BootID: name + "-boot-1", KernelVersion: "6.1.0-1",
	}
	if zone != "" {
		node.Labels[zoneLabel] = zone
	}
	for _, option := range options {
		option(node)
	}
	return node
}

type rebootOption func(*v1alpha1.NodeReboot)

// newReboot is what a helper made an hour ago because it saw the sentinel, with its first report.
func newReboot(node string, options ...rebootOption) *v1alpha1.NodeReboot {
	name := "reboot-" + node
	reboot := &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid-of-" + name), Generation: 1, CreationTimestamp: metav1.NewTime(start.Add(-time.Hour)),
		},
		Spec: v1alpha1.NodeRebootSpec{NodeName: node, Trigger: v1alpha1.TriggerSentinel, Urgency: v1alpha1.UrgencyNormal},
		Status: v1alpha1.NodeRebootStatus{
			Report: &v1alpha1.HelperReport{
				Protocol: v1alpha1.ProtocolLevel, BootID: node + "-boot-1", BootTime: at(-24 * time.Hour),
				Sentinel: v1alpha1.SentinelRequired, Methods: []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}},
			},
		},
	}
	for _, option := range options {
		option(reboot)
	}
	return reboot
}

func immediate(r *v1alpha1.NodeReboot) { r.Spec.Urgency = v1alpha1.UrgencyImmediate }

// past is a reboot of a node that succeeded some days ago, and took these durations.
func past(node string, number int, policy string, d forecast.Durations) *v1alpha1.NodeReboot {
	began := start.Add(-time.Duration(number+1) * 7 * 24 * time.Hour)
	stamp := func(after time.Duration) *metav1.MicroTime { return ptr.To(metav1.NewMicroTime(began.Add(after))) }
	r := newReboot(node)
	r.Name = fmt.Sprintf("past-%d-of-%s", number, node)
	r.UID = types.UID("uid-of-" + r.Name)
	drained := d.Drain
	back := drained + d.Reboot
	uncordoned := back + d.Proof
	recovered := max(uncordoned, drained+d.Recovery)
	r.Status = v1alpha1.NodeRebootStatus{
		PolicyName: policy, NodeUID: "uid-of-node-" + node, RequiredSince: stamp(-time.Hour), CompletionTime: stamp(recovered),
		Outcome: v1alpha1.OutcomeSucceeded, OutcomeReason: v1alpha1.ReasonProved, OutcomeMessage: "It is proved.",
		Phase: v1alpha1.PhaseSucceeded, Summary: "Succeeded", ObservedGeneration: 1,
		Before: &v1alpha1.BootInfo{BootID: node + "-boot-0"},
		Attempt: &v1alpha1.Attempt{
			Number: 1, PolicyName: policy, GrantedTime: *stamp(0), CordonedTime: stamp(0), DrainOrderedTime: stamp(0), DrainedTime: stamp(drained),
			RebootOrderedTime: stamp(drained), BackTime: stamp(back), UncordonedTime: stamp(uncordoned), SettlingSince: stamp(uncordoned),
			RecoveredTime: stamp(recovered), EndedTime: stamp(recovered), Result: v1alpha1.ReasonProved,
		},
	}
	return r
}

// newSnapshot takes policies, nodes and NodeReboots; the pods of every node are known, and there are none.
func newSnapshot(objects ...any) *plan.Snapshot {
	s := &plan.Snapshot{
		Slots: map[string]plan.Slot{}, Pods: map[string][]model.Pod{}, Workloads: map[model.WorkloadKey]model.Workload{},
		Answers: map[model.GateKey]model.GateAnswer{},
	}
	for _, object := range objects {
		switch o := object.(type) {
		case *v1alpha1.RebootPolicy:
			s.Policies = append(s.Policies, o)
		case *v1alpha1.NodeReboot:
			s.Reboots = append(s.Reboots, o)
		case *model.Node:
			s.Nodes = append(s.Nodes, o)
			s.Pods[o.Name] = nil
		default:
			panic("newSnapshot takes policies, nodes and NodeReboots")
		}
	}
	return s
}

// needing are nodes that need a reboot, all in one zone each.
func needing(s *plan.Snapshot, zone string, names ...string) {
	for _, name := range names {
		s.Nodes = append(s.Nodes, newNode(name, zone))
		s.Pods[name] = nil
		s.Reboots = append(s.Reboots, newReboot(name))
	}
}

// app adds a Deployment with one replica on each of some nodes.
func app(s *plan.Snapshot, name string, nodes ...string) model.WorkloadKey {
	key := model.WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: name}
	for i, node := range nodes {
		s.Pods[node] = append(s.Pods[node], model.Pod{
			Namespace: "apps", Name: fmt.Sprintf("%s-%d", name, i), Workloads: []model.WorkloadKey{key}, Controlled: true, Ready: true,
			Containers: []string{fmt.Sprintf("%s-%d", name, i)},
		})
	}
	s.Workloads[key] = model.Workload{Ready: int32(len(nodes)), Desired: int32(len(nodes))}
	return key
}

// budget covers the pods of an app.
func budget(s *plan.Snapshot, app model.WorkloadKey, allows int32) {
	key := model.WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: app.Namespace, Name: app.Name}
	covered := s.Workloads[app]
	s.Workloads[key] = model.Workload{
		Ready: covered.Ready, Desired: covered.Desired, Expected: covered.Desired, DisruptionsAllowed: allows, DisruptionsAtRest: allows,
	}
	for node, pods := range s.Pods {
		for i := range pods {
			if pods[i].Workloads[0] == app {
				pods[i].Workloads = append(pods[i].Workloads, key)
			}
		}
		s.Pods[node] = pods
	}
}

// took is a history in which every attempt took the same.
func took(d forecast.Durations) forecast.History {
	return forecast.History{Policies: map[string][]forecast.Durations{"p": {d}}}
}

// minutes to drain, to reboot, and until workloads are ready after the drain.
func minutes(drain, reboot, recovery float64) forecast.Durations {
	of := func(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }
	return forecast.Durations{Drain: of(drain), Reboot: of(reboot), Recovery: of(recovery)}
}

// compute a forecast in which every attempt takes a minute to drain and two to reboot, if nothing else is said.
func compute(s *plan.Snapshot) *forecast.Forecast {
	return forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(minutes(1, 2, 0))})
}

// minute since the start.
func minute(times forecast.Times) string {
	if !times.Known() {
		return "unknown"
	}
	return times.Median().Sub(start).String()
}

// requireTimes compares when nodes start and are back.
func requireTimes(t *testing.T, f *forecast.Forecast, want ...string) {
	t.Helper()
	var got []string
	for _, n := range f.Nodes {
		got = append(got, fmt.Sprintf("%s %s-%s", n.Name, minute(n.Start), minute(n.Back)))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the forecast is\n  %q, want\n  %q", got, want)
	}
	if t.Failed() {
		for _, n := range f.Nodes {
			if n.Obstacle != nil {
				t.Logf("%s: %+v", n.Name, *n.Obstacle)
			}
		}
		t.Logf("coarse: %v %s", f.Coarse, f.Why)
	}
}
