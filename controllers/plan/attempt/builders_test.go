package attempt_test

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/attempt"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// start is when the slot of every attempt here is granted.
var start = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func at(sinceStart time.Duration) *metav1.MicroTime {
	return ptr.To(metav1.NewMicroTime(start.Add(sinceStart)))
}

// world is what an Input is made of, as things that are easy to change.
type world struct {
	now          time.Duration
	node         *model.Node
	policy       *v1alpha1.RebootPolicy
	reboot       *v1alpha1.NodeReboot
	unselected   bool
	controlPlane bool
	halt, quorum model.Verdict
	pods         []model.Pod
	podsUnknown  bool
	workloads    map[model.WorkloadKey]model.Workload
	answers      map[model.GateKey]model.GateAnswer
}

type change = func(*world)

// stage is the progress of an attempt. Every stage has its own time.
type stage int

const (
	none stage = iota
	granted
	cordoned
	draining
	drained
	rebooting
	back
	settling
	recovered
	rolledBack
)

var stages = map[string]stage{
	"granted": granted, "cordoned": cordoned, "draining": draining, "drained": drained, "rebooting": rebooting, "back": back,
	"settling": settling, "recovered": recovered, "rolledBack": rolledBack,
}

var (
	agentKey = model.WorkloadKey{Kind: v1alpha1.WorkloadDaemonSet, Namespace: "kube-system", Name: "agent"}
	webKey   = model.WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web"}
	etcdKey  = model.WorkloadKey{Kind: v1alpha1.WorkloadStaticPod, Namespace: "kube-system", Name: "etcd-a"}
)

func agentPod(containers ...string) model.Pod {
	return model.Pod{
		Namespace: "kube-system", Name: "agent-a", Workloads: []model.WorkloadKey{agentKey}, Controlled: true, Ready: true,
		Containers: containers,
	}
}

func webPod(containers ...string) model.Pod {
	return model.Pod{
		Namespace: "apps", Name: "web-1", Workloads: []model.WorkloadKey{webKey}, Labels: map[string]string{"app": "web"},
		Controlled: true, Ready: true, Containers: containers,
	}
}

func etcdPod(containers ...string) model.Pod {
	return model.Pod{Namespace: "kube-system", Name: "etcd-a", Mirror: true, Ready: true, Containers: containers}
}

// newPolicy is what the API server stores for a policy that only says "nodes: All", as far as an attempt looks at it.
func newPolicy() *v1alpha1.RebootPolicy {
	return &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Generation: 1},
		Spec: v1alpha1.RebootPolicySpec{
			Mode: v1alpha1.ModeEnforce, Nodes: v1alpha1.NodesAll, Approval: v1alpha1.Ignore,
			Schedule: v1alpha1.ScheduleSpec{TimeZone: "UTC", MinRemainingSeconds: ptr.To[int32](600), AtClose: v1alpha1.TimeoutAbort},
			Drain: v1alpha1.DrainSpec{
				Mode: v1alpha1.DrainModeDrain, EmptyDir: v1alpha1.EmptyDirDelete, Unmanaged: v1alpha1.UnmanagedEvict,
				OnTimeout: v1alpha1.DrainTimeoutAbort, ReturningPods: v1alpha1.ReturningPodsIgnore,
				DelaySeconds: ptr.To[int32](0), TimeoutSeconds: ptr.To[int32](600),
			},
			Reboot:   v1alpha1.RebootSpec{Method: v1alpha1.RebootInstalled, DelaySeconds: ptr.To[int32](0), TimeoutSeconds: ptr.To[int32](900)},
			Recovery: v1alpha1.RecoverySpec{Workloads: v1alpha1.Require, SettleSeconds: ptr.To[int32](0), TimeoutSeconds: ptr.To[int32](1800)},
			Failure:  v1alpha1.FailureSpec{MaxAttempts: ptr.To[int32](3)},
		},
	}
}

// in is an attempt that has just come to a stage, and waits there for nothing but what comes next.
func in(to stage, changes ...change) *world {
	w := &world{
		node: &model.Node{
			Name: "a", UID: "uid-a", Labels: map[string]string{}, Ready: true, HelperReady: true, BootID: "boot-1", KernelVersion: "6.1",
		},
		policy: newPolicy(),
		reboot: &v1alpha1.NodeReboot{
			ObjectMeta: metav1.ObjectMeta{Name: "ra", UID: "uid-ra"},
			Spec:       v1alpha1.NodeRebootSpec{NodeName: "a", Trigger: v1alpha1.TriggerSentinel, Urgency: v1alpha1.UrgencyNormal},
			Status: v1alpha1.NodeRebootStatus{
				PolicyName: "p", NodeUID: "uid-a", Report: &v1alpha1.HelperReport{
					Protocol: v1alpha1.ProtocolLevel, BootID: "boot-1", Sentinel: v1alpha1.SentinelRequired,
				},
			},
		},
		pods:      []model.Pod{agentPod("agent-1"), webPod("web-1")},
		workloads: map[model.WorkloadKey]model.Workload{webKey: {Ready: 3, Desired: 3}},
	}
	if to == rolledBack {
		w.reach(draining)
		step[rolledBack](w)
	} else {
		w.reach(to)
	}
	for _, c := range changes {
		c(w)
	}
	return w
}

func (w *world) reach(to stage) {
	for s := granted; s <= to; s++ {
		step[s](w)
	}
}

var step = map[stage]change{
	granted: func(w *world) {
		w.reboot.Status.Before = &v1alpha1.BootInfo{BootID: "boot-1", KernelVersion: "6.1"}
		w.reboot.Status.Workloads = []v1alpha1.WorkloadRef{
			{Kind: v1alpha1.WorkloadDaemonSet, Namespace: "kube-system", Name: "agent", Ready: 1},
			{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web", Ready: 3},
		}
		w.reboot.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(0), Containers: []string{"agent-1", "web-1"}}
	},
	cordoned: func(w *world) {
		w.reboot.Status.Attempt.CordonedTime, w.reboot.Status.Attempt.Cordon = at(0), v1alpha1.CordonOperator
		w.node.Unschedulable, w.node.CordonedFor = true, "uid-ra"
	},
	draining: func(w *world) {
		w.now = time.Minute
		s := &w.reboot.Status
		s.Attempt.DrainOrderedTime = at(time.Minute)
		s.LastSequence, s.Report.Sequence, s.Report.State = 1, 1, v1alpha1.OrderStarted
		s.Order = &v1alpha1.RebootOrder{
			Sequence: 1, Action: v1alpha1.ActionDrain, BootID: "boot-1", Deadline: *at(11 * time.Minute), Drain: &v1alpha1.DrainOrder{
				EmptyDir: v1alpha1.EmptyDirDelete, Unmanaged: v1alpha1.UnmanagedEvict, ReturningPods: v1alpha1.ReturningPodsIgnore,
			},
		}
	},
	drained: func(w *world) {
		w.now, w.pods = 2*time.Minute, []model.Pod{agentPod("agent-1")}
		w.reboot.Status.Attempt.DrainedTime, w.reboot.Status.Attempt.Drain = at(2*time.Minute), v1alpha1.DrainComplete
		w.reboot.Status.Report.State = v1alpha1.OrderDone
	},
	rebooting: func(w *world) {
		w.now = 3 * time.Minute
		s := &w.reboot.Status
		s.Attempt.RebootOrderedTime = at(3 * time.Minute)
		s.LastSequence, s.Report.Sequence, s.Report.State = 2, 2, v1alpha1.OrderStarted
		s.Order = &v1alpha1.RebootOrder{
			Sequence: 2, Action: v1alpha1.ActionReboot, BootID: "boot-1", Method: v1alpha1.RebootInstalled, Deadline: *at(18 * time.Minute),
		}
	},
	back: func(w *world) {
		boots("boot-2")(w)
		w.now = 5 * time.Minute
		s := &w.reboot.Status
		s.Attempt.BackTime, s.Order = at(5*time.Minute), nil
		s.After = &v1alpha1.BootInfo{BootID: "boot-2", KernelVersion: "6.2", SeenTime: at(5 * time.Minute)}
	},
	settling: func(w *world) {
		w.now = 6 * time.Minute
		w.reboot.Status.Attempt.UncordonedTime, w.reboot.Status.Attempt.SettlingSince = at(6*time.Minute), at(6*time.Minute)
		w.node.Unschedulable, w.node.CordonedFor = false, ""
	},
	recovered: func(w *world) {
		w.now = 7 * time.Minute
		w.reboot.Status.Attempt.RecoveredTime = at(7 * time.Minute)
	},
	rolledBack: func(w *world) {
		w.now = 4 * time.Minute
		s := &w.reboot.Status
		s.Order = nil
		s.Attempt.RolledBackTime, s.Attempt.Result, s.Attempt.Message = at(3*time.Minute), v1alpha1.ReasonDrainTimedOut, "Too slow."
		s.Failures = &v1alpha1.Failures{
			Count: 1, LastTime: *at(3 * time.Minute), LastReason: v1alpha1.ReasonDrainTimedOut, LastMessage: "Too slow.",
		}
		w.workloads[webKey] = model.Workload{Ready: 2, Desired: 3}
		w.node.Unschedulable, w.node.CordonedFor = false, ""
	},
}

// input is a new one each time, that shares nothing with another one.
func (w *world) input() *attempt.Input {
	input := &attempt.Input{
		Draft: model.NewDraft(w.reboot.DeepCopy()), Selected: !w.unselected, Halt: w.halt, Quorum: w.quorum, ControlPlane: w.controlPlane,
		Moment: model.NewMoment(start.Add(w.now)), Pods: slices.Clone(w.pods), PodsKnown: !w.podsUnknown, Workloads: maps.Clone(w.workloads),
		Answers: maps.Clone(w.answers),
	}
	for i := range input.Pods {
		pod := &input.Pods[i]
		pod.Containers, pod.Workloads, pod.Labels = slices.Clone(pod.Containers), slices.Clone(pod.Workloads), maps.Clone(pod.Labels)
	}
	if w.node != nil {
		n := *w.node
		n.Labels, n.Taints = maps.Clone(n.Labels), slices.Clone(n.Taints)
		n.Conditions, n.Volumes = slices.Clone(n.Conditions), slices.Clone(n.Volumes)
		input.Node = &n
	}
	if w.policy != nil {
		moment := input.Moment // when the schedule changes is not what is looked at here
		input.Policy = policies.Parse(w.policy.DeepCopy(), &moment)
	}
	return input
}

func now(sinceStart time.Duration) change { return func(w *world) { w.now = sinceStart } }

func spec(edit func(*v1alpha1.RebootPolicySpec)) change {
	return func(w *world) { edit(&w.policy.Spec) }
}

func status(edit func(*v1alpha1.NodeRebootStatus)) change {
	return func(w *world) { edit(&w.reboot.Status) }
}

func attempts(edit func(*v1alpha1.Attempt)) change {
	return func(w *world) { edit(w.reboot.Status.Attempt) }
}

func node(edit func(*model.Node)) change { return func(w *world) { edit(w.node) } }

func noNode(w *world) { w.node = nil }

func noPolicy(w *world) { w.policy = nil }

func deleted(w *world) { w.reboot.DeletionTimestamp = ptr.To(metav1.NewTime(start)) }

func notReady(w *world) { w.node.Ready = false }

func podsUnknown(w *world) { w.pods, w.podsUnknown = nil, true }

func pods(list ...model.Pod) change { return func(w *world) { w.pods = list } }

func web(ready, desired int32) change {
	return func(w *world) { w.workloads[webKey] = model.Workload{Ready: ready, Desired: desired} }
}

// boots lets the node run another boot, with a helper that has seen that no reboot is required, and a new container of the DaemonSet.
func boots(boot string) change {
	return func(w *world) {
		w.node.BootID, w.node.KernelVersion = boot, "6.2"
		w.reboot.Status.Report = &v1alpha1.HelperReport{Protocol: v1alpha1.ProtocolLevel, BootID: boot, Sentinel: v1alpha1.SentinelNotRequired}
		w.pods = []model.Pod{agentPod("agent-of-" + boot)}
	}
}

// answered is what the helper says about the order in force.
func answered(state v1alpha1.OrderState, message string, progress *v1alpha1.DrainProgress) change {
	return status(func(s *v1alpha1.NodeRebootStatus) {
		s.Report.State, s.Report.Message, s.Report.Drain = state, message, progress
	})
}

// unanswered is an order that the helper has not taken yet.
func unanswered(w *world) { w.reboot.Status.Report.Sequence, w.reboot.Status.Report.State = 0, "" }

func condition(conditionType string, set corev1.ConditionStatus, since time.Duration) change {
	return node(func(n *model.Node) {
		n.Conditions = append(n.Conditions, model.NodeCondition{
			Type: corev1.NodeConditionType(conditionType), Status: set, Since: start.Add(since), Transition: metav1.NewTime(start.Add(since)),
		})
	})
}

// hookSet is what someone else did to a condition of the NodeReboot.
func hookSet(conditionType string, set metav1.ConditionStatus, changed time.Duration) change {
	return status(func(s *v1alpha1.NodeRebootStatus) {
		s.Conditions = append(s.Conditions, metav1.Condition{
			Type: conditionType, Status: set, LastTransitionTime: metav1.NewTime(start.Add(changed)),
		})
	})
}

func hook(conditionType string, seconds int32, onTimeout v1alpha1.TimeoutAction) v1alpha1.Hook {
	return v1alpha1.Hook{ConditionType: conditionType, TimeoutSeconds: &seconds, OnTimeout: onTimeout}
}

func hooks(h v1alpha1.HooksSpec) change {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Hooks = &h })
}
