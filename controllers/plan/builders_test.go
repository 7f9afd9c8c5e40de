package plan

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const zoneLabel = "topology.kubernetes.io/zone"

// start is when every test begins; what the builders make was there before.
var start = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func at(sinceStart time.Duration) *metav1.MicroTime {
	return ptr.To(metav1.NewMicroTime(start.Add(sinceStart)))
}

type policyOption func(*v1alpha1.RebootPolicy)

// newPolicy is what the API server stores for a policy that only says "nodes: All"; see TestPolicyBuilderHasTheDefaultsOfTheSchema.
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
				ControlPlane:       v1alpha1.ControlPlaneLast,
				NodeOrder:          v1alpha1.NodeOrderFewestMoves,
				MinIntervalSeconds: ptr.To[int32](3600),
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
		option(policy)
	}
	return policy
}

// spec changes any field of a policy's spec.
func spec(change func(*v1alpha1.RebootPolicySpec)) policyOption {
	return func(p *v1alpha1.RebootPolicy) { change(&p.Spec) }
}

func priority(priority int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Priority = priority })
}

func mode(mode v1alpha1.Mode) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Mode = mode })
}

func selecting(key, value string) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Nodes = v1alpha1.NodesSelected
		s.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{key: v1alpha1.LabelValue(value)}}
	})
}

// maxUnavailable takes a number or a percentage. Nodes go in the order of needs, so that as many start as may.
func maxUnavailable(limit string) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.MaxUnavailable, s.Rollout.NodeOrder = ptr.To(intstr.Parse(limit)), v1alpha1.NodeOrderLongestRequired
	})
}

func anyOrder() policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.Strategy = v1alpha1.ZonesAnyOrder })
}

func zoneOrder(zones ...string) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.Order = zones })
}

func approvalRequired() policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Approval = v1alpha1.Require })
}

func approvalNotRequired() policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Approval = v1alpha1.Ignore })
}

func soak(seconds int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.SoakSeconds = &seconds })
}

func minInterval(seconds int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MinIntervalSeconds = &seconds })
}

func created(at time.Time) policyOption {
	return func(p *v1alpha1.RebootPolicy) { p.CreationTimestamp = metav1.NewTime(at) }
}

type nodeOption func(*Node)

// newNode is Ready, has a helper that is Ready, and runs its first boot.
func newNode(name, zone string, options ...nodeOption) *Node {
	node := &Node{
		Name: name, UID: "uid-of-node-" + name, Labels: map[string]string{"kubernetes.io/hostname": name},
		Ready: true, HelperReady: true, BootID: bootOf(name, 1), KernelVersion: "6.1.0-1",
	}
	if zone != "" {
		node.Labels[zoneLabel] = zone
	}
	for _, option := range options {
		option(node)
	}
	return node
}

func bootOf(node string, number int) string {
	return fmt.Sprintf("%s-boot-%d", node, number)
}

func controlPlane(n *Node) { n.Labels[v1alpha1.ControlPlaneLabel] = "" }

func notReady(n *Node) { n.Ready = false }

func noHelper(n *Node) { n.HelperReady = false }

func cordonedByHand(n *Node) { n.Unschedulable = true }

func skippedNode(n *Node) { n.Labels[v1alpha1.SkipLabel] = "" }

func labeled(key, value string) nodeOption { return func(n *Node) { n.Labels[key] = value } }

func tainted(taints ...corev1.Taint) nodeOption { return func(n *Node) { n.Taints = taints } }

type rebootOption func(*v1alpha1.NodeReboot)

// newReboot is what a helper made an hour ago because it saw the sentinel in the first boot of the node, with its first report.
func newReboot(name, node string, options ...rebootOption) *v1alpha1.NodeReboot {
	reboot := &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid-of-" + name), Generation: 1, CreationTimestamp: metav1.NewTime(start.Add(-time.Hour)),
		},
		Spec: v1alpha1.NodeRebootSpec{NodeName: node, Trigger: v1alpha1.TriggerSentinel, Urgency: v1alpha1.UrgencyNormal},
		Status: v1alpha1.NodeRebootStatus{
			Report: &v1alpha1.HelperReport{
				Protocol: v1alpha1.ProtocolLevel, BootID: bootOf(node, 1), BootTime: at(-24 * time.Hour),
				Sentinel: v1alpha1.SentinelRequired, Methods: byLogind(""),
			},
		},
	}
	for _, option := range options {
		option(reboot)
	}
	return reboot
}

// byLogind is what a helper says that was installed as config/default does it.
func byLogind(obstacle string) []v1alpha1.MethodReport {
	return []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: obstacle}}
}

// inhibited is what the helper says about an inhibitor lock.
func inhibited(by string) []v1alpha1.MethodReport {
	return []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: by, Kind: v1alpha1.ObstacleInhibited}}
}

// manual makes the NodeReboot one that a person created; the host does not ask for a reboot.
func manual(r *v1alpha1.NodeReboot) {
	r.Spec.Trigger, r.Spec.RequestedBy = v1alpha1.TriggerManual, "alice"
	r.Status.Report.Sentinel = v1alpha1.SentinelNotRequired
}

func immediate(r *v1alpha1.NodeReboot) { r.Spec.Urgency = v1alpha1.UrgencyImmediate }

func approved(r *v1alpha1.NodeReboot) { approve(r, v1alpha1.ApprovalGiven) }

// approve gives an approval, or withdraws it.
func approve(r *v1alpha1.NodeReboot, approval v1alpha1.Approval) {
	r.Spec.Approval, r.Spec.ApprovedBy = approval, ""
	if approval == v1alpha1.ApprovalGiven {
		r.Spec.ApprovedBy = "bob"
	}
}

func noReport(r *v1alpha1.NodeReboot) { r.Status.Report = nil }

// requiredFor says for how long the reboot has been required at the start.
func requiredFor(d time.Duration) rebootOption {
	return func(r *v1alpha1.NodeReboot) { r.CreationTimestamp = metav1.NewTime(start.Add(-d)) }
}

// deletedAt is when someone deleted a NodeReboot that something still holds.
func deletedAt(sinceStart time.Duration) rebootOption {
	return func(r *v1alpha1.NodeReboot) {
		r.DeletionTimestamp = ptr.To(metav1.NewTime(start.Add(sinceStart)))
		r.Finalizers = append(r.Finalizers, "example.com/held-by-a-test")
	}
}

// finished ended with this outcome, after an attempt that was back a minute earlier.
func finished(outcome v1alpha1.Outcome, reason string, sinceStart time.Duration) rebootOption {
	return func(r *v1alpha1.NodeReboot) {
		s := &r.Status
		s.NodeUID = "uid-of-node-" + r.Spec.NodeName
		s.RequiredSince = at(sinceStart - time.Hour)
		s.Outcome, s.OutcomeReason, s.OutcomeMessage, s.CompletionTime = outcome, reason, "It ended.", at(sinceStart)
		s.Before = &v1alpha1.BootInfo{BootID: bootOf(r.Spec.NodeName, 0)}
		s.Report = nil
		s.Attempt = &v1alpha1.Attempt{
			Number: 1, GrantedTime: *at(sinceStart - 2*time.Minute), BackTime: at(sinceStart - time.Minute), EndedTime: at(sinceStart),
			Result: reason,
		}
	}
}

// failedBefore has failed attempts behind it, the last one at this time.
func failedBefore(count int32, sinceStart time.Duration) rebootOption {
	return func(r *v1alpha1.NodeReboot) {
		r.Status.Failures = &v1alpha1.Failures{
			Count: count, LastTime: *at(sinceStart), LastReason: v1alpha1.ReasonDrainTimedOut, LastMessage: "The drain took too long.",
		}
	}
}

// newSnapshot takes policies, nodes and NodeReboots; the pods of every node are known, and there are none.
func newSnapshot(objects ...any) *Snapshot {
	s := &Snapshot{Slots: map[string]Slot{}, SlotsLive: true, Pods: map[string][]Pod{}, Workloads: map[WorkloadKey]Workload{}}
	for _, object := range objects {
		switch o := object.(type) {
		case *v1alpha1.RebootPolicy:
			s.Policies = append(s.Policies, o)
		case *v1alpha1.NodeReboot:
			s.Reboots = append(s.Reboots, o)
		case *Node:
			s.Nodes = append(s.Nodes, o)
			s.Pods[o.Name] = nil
		default:
			panic("newSnapshot takes policies, nodes and NodeReboots")
		}
	}
	s.noteGrants()
	return s
}

// noteGrants records that the only policy granted the attempts from before the start, in the zone of their node.
func (s *Snapshot) noteGrants() {
	for _, r := range s.Reboots {
		if node := s.node(r.Spec.NodeName); r.Status.Attempt != nil && r.Status.PolicyName == "" && len(s.Policies) == 1 && node != nil {
			r.Status.PolicyName, r.Status.Zone = s.Policies[0].Name, node.Labels[zoneLabel]
		}
	}
}

func (s *Snapshot) node(name string) *Node {
	for i := range s.Nodes {
		if s.Nodes[i].Name == name {
			return s.Nodes[i]
		}
	}
	return nil
}

func (s *Snapshot) reboot(name string) *v1alpha1.NodeReboot {
	for _, r := range s.Reboots {
		if r.Name == name {
			return r
		}
	}
	return nil
}

func (s *Snapshot) policy(name string) *v1alpha1.RebootPolicy {
	for _, p := range s.Policies {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// pods of the tests.

func deployment(name string) WorkloadKey {
	return WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: name}
}

func daemonSet(name string) WorkloadKey {
	return WorkloadKey{Kind: v1alpha1.WorkloadDaemonSet, Namespace: "kube-system", Name: name}
}

func podBudget(name string) WorkloadKey {
	return WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: name}
}

// readyPod has been ready since.
func readyPod(name string, since time.Time, workloads ...WorkloadKey) Pod {
	return Pod{Namespace: "apps", Name: name, Workloads: workloads, Ready: true, Containers: []string{containerID(name, since)}}
}

// containerID of a pod whose container started at a time.
func containerID(pod string, started time.Time) string {
	return fmt.Sprintf("%s-%d", pod, started.Unix())
}
