package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Mode says how much a policy may do.
//
// +k8s:enum
type Mode string

const (
	// ModeEnforce reboots the nodes that need it.
	ModeEnforce Mode = "Enforce"
	// ModeObserve taints and reports what would happen, and neither drains nor reboots.
	ModeObserve Mode = "Observe"
	// ModePaused taints and starts nothing; a drain under way is rolled back, a reboot that was ordered is followed to its end.
	ModePaused Mode = "Paused"
)

// NodeSelection says how a policy chooses its nodes.
//
// +k8s:enum
type NodeSelection string

const (
	// NodesSelected takes the nodes that nodeSelector selects.
	NodesSelected NodeSelection = "Selected"
	// NodesAll takes every node of the cluster.
	NodesAll NodeSelection = "All"
)

// TaintEffect is the effect of the taint on a node that needs a reboot.
//
// +k8s:enum
type TaintEffect string

const (
	// TaintPreferNoSchedule asks the scheduler to prefer other nodes.
	TaintPreferNoSchedule TaintEffect = "PreferNoSchedule"
	// TaintNoSchedule keeps new pods off the node.
	TaintNoSchedule TaintEffect = "NoSchedule"
	// TaintNone sets no taint.
	TaintNone TaintEffect = "None"
)

// ZoneStrategy says how zones follow each other.
//
// +k8s:enum
type ZoneStrategy string

const (
	// ZonesOneAtATime finishes one zone before the next begins.
	ZonesOneAtATime ZoneStrategy = "OneAtATime"
	// ZonesAnyOrder takes nodes of every zone, up to the limits.
	ZonesAnyOrder ZoneStrategy = "AnyOrder"
)

// ControlPlaneOrder says when control-plane nodes have their turn.
//
// +k8s:enum
type ControlPlaneOrder string

const (
	// ControlPlaneLast takes control-plane nodes after all others.
	ControlPlaneLast ControlPlaneOrder = "Last"
	// ControlPlaneFirst takes control-plane nodes before all others.
	ControlPlaneFirst ControlPlaneOrder = "First"
)

// RebootMethod is how the helper reboots its host. Which methods a helper may use is decided where it is installed, never by a policy.
// Helpers report methods by these names, and a newer one may know another; a policy names one of those below.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type RebootMethod string

const (
	// RebootInstalled uses the method that the helper was installed with.
	RebootInstalled RebootMethod = "Installed"
	// RebootLogind asks systemd-logind over D-Bus.
	RebootLogind RebootMethod = "Logind"
	// RebootSignal sends SIGRTMIN+5 to process 1.
	RebootSignal RebootMethod = "Signal"
	// RebootCommand runs the command that the helper was installed with, in the host's namespaces.
	RebootCommand RebootMethod = "Command"
)

// WorkloadRecovery says whether a node's workloads are waited for.
//
// +k8s:enum
type WorkloadRecovery string

const (
	// WorkloadsWait frees the slot when the workloads that had pods on the node are as ready as before.
	WorkloadsWait WorkloadRecovery = "Wait"
	// WorkloadsIgnore frees the slot without looking at workloads.
	WorkloadsIgnore WorkloadRecovery = "Ignore"
)

// RebootPolicySpec says which nodes may be rebooted, how many at once, in which order, and what must hold before and after.
//
// +kubebuilder:validation:XValidation:rule="self.nodes != 'Selected' || (has(self.nodeSelector) && ((has(self.nodeSelector.matchLabels) && size(self.nodeSelector.matchLabels) > 0) || (has(self.nodeSelector.matchExpressions) && size(self.nodeSelector.matchExpressions) > 0)))",message="nodeSelector selects nothing in particular: write matchLabels or matchExpressions, or write 'nodes: All' to take every node",fieldPath=".nodeSelector"
// +kubebuilder:validation:XValidation:rule="self.nodes != 'All' || !has(self.nodeSelector)",message="nodeSelector and 'nodes: All' contradict each other: remove one of them",fieldPath=".nodeSelector"
// +kubebuilder:validation:XValidation:rule="self.selfApproval != 'Allow' || self.approval == 'Required'",message="selfApproval says who may approve, and the policy requires no approval: write 'approval: Required', or remove selfApproval",fieldPath=".selfApproval"
type RebootPolicySpec struct {
	// priority decides which policy owns a node that several select: the highest, then the oldest policy, then the first by name.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Priority int32 `json:"priority,omitempty"`

	// mode says how much the policy may do: Enforce reboots, Observe only reports what would happen, Paused starts nothing.
	// Nodes that need a reboot are tainted in every mode.
	// +optional
	// +kubebuilder:default=Enforce
	Mode Mode `json:"mode,omitempty"`

	// nodes says how nodes are chosen: Selected (by nodeSelector, which then must not be empty) or All.
	// +optional
	// +kubebuilder:default=Selected
	Nodes NodeSelection `json:"nodes,omitempty"`

	// nodeSelector selects nodes by their labels. It must not be empty; to take every node, write nodes: All.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// taint is put on a node the moment its reboot is required, whatever blocks the reboot.
	// +optional
	// +kubebuilder:default={}
	Taint TaintSpec `json:"taint,omitempty,omitzero"`

	// triggers say what besides the hosts themselves asks for reboots.
	// +optional
	Triggers *TriggersSpec `json:"triggers,omitempty"`

	// rollout says how many nodes may be down at once and in which order they go.
	// +optional
	// +kubebuilder:default={}
	Rollout RolloutSpec `json:"rollout,omitempty,omitzero"`

	// schedule says when nodes may be rebooted.
	// +optional
	// +kubebuilder:default={}
	Schedule ScheduleSpec `json:"schedule,omitempty,omitzero"`

	// approval Required keeps every NodeReboot of the policy waiting until its spec.approval is Given.
	// +optional
	// +kubebuilder:default=NotRequired
	Approval ApprovalRequirement `json:"approval,omitempty"`

	// selfApproval says whether an approval counts that comes from the user who asked for the reboot.
	// +optional
	// +kubebuilder:default=Refuse
	SelfApproval SelfApproval `json:"selfApproval,omitempty"`

	// gates say what must hold before a node starts.
	// +optional
	// +kubebuilder:default={}
	Gates GatesSpec `json:"gates,omitempty,omitzero"`

	// drain says how pods are moved off a node.
	// +optional
	// +kubebuilder:default={}
	Drain DrainSpec `json:"drain,omitempty,omitzero"`

	// excludeFromLoadBalancers takes a node out of external load balancers before its pods are evicted. Not set means that it is not.
	// +optional
	ExcludeFromLoadBalancers *LoadBalancerExclusion `json:"excludeFromLoadBalancers,omitempty"`

	// nodeLabels are labels that a node gets while its reboot is under way, and after it.
	// +optional
	NodeLabels *NodeLabels `json:"nodeLabels,omitempty"`

	// reboot says how a host is rebooted.
	// +optional
	// +kubebuilder:default={}
	Reboot RebootSpec `json:"reboot,omitempty,omitzero"`

	// recovery says what must hold before the next node may start.
	// +optional
	// +kubebuilder:default={}
	Recovery RecoverySpec `json:"recovery,omitempty,omitzero"`

	// hooks are done by others while a node's slot is held: conditions that they set on its NodeReboot.
	// +optional
	Hooks *HooksSpec `json:"hooks,omitempty"`

	// failure says how failures are answered.
	// +optional
	// +kubebuilder:default={}
	Failure FailureSpec `json:"failure,omitempty,omitzero"`

	// history says how many finished NodeReboots of each node are kept.
	// +optional
	// +kubebuilder:default={}
	History HistorySpec `json:"history,omitempty,omitzero"`
}

// TaintSpec describes the taint reboot-operator.io/reboot-required.
type TaintSpec struct {
	// effect of the taint. None sets no taint.
	// +optional
	// +kubebuilder:default=PreferNoSchedule
	Effect TaintEffect `json:"effect,omitempty"`
}

// RolloutSpec says how many nodes may be down at once and in which order they go.
type RolloutSpec struct {
	// maxUnavailable is the most nodes of this policy that may be down at once, as a number or as a percentage of the policy's
	// nodes rounded down. Nodes that are down, cordoned or failed for any other reason count. 0 means that nothing starts.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 15000 : self.matches('^(100|[1-9]?[0-9])%$')",message="maxUnavailable is a number of nodes from 0 to 15000, such as 1, or a percentage from \"0%\" to \"100%\", such as \"10%\""
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// zones says how the rollout goes through the zones of the cluster.
	// +optional
	// +kubebuilder:default={}
	Zones ZonesSpec `json:"zones,omitempty,omitzero"`

	// controlPlane says whether control-plane nodes go First or Last. Two of them are never down at once, and one only starts while
	// all others are Ready.
	// +optional
	// +kubebuilder:default=Last
	ControlPlane ControlPlaneOrder `json:"controlPlane,omitempty"`

	// minIntervalSeconds is the least time between two reboots of one node.
	// +optional
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=31536000
	MinIntervalSeconds *int32 `json:"minIntervalSeconds,omitempty"`

	// canary lets few nodes go first. The others wait until those are proved and have been watched for a while. Not set means that none go
	// first.
	// +optional
	Canary *CanarySpec `json:"canary,omitempty"`

	// groupLabel is a node label; nodes that share its value go as one unit, which counts as one against maxUnavailable. Not set means
	// that each node goes by itself.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	GroupLabel string `json:"groupLabel,omitempty"`
}

// ZonesSpec says how the rollout goes through zones.
type ZonesSpec struct {
	// topologyKey is the node label whose value is the node's zone.
	// +optional
	// +kubebuilder:default=topology.kubernetes.io/zone
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	TopologyKey string `json:"topologyKey,omitempty"`

	// strategy OneAtATime finishes one zone before the next begins; AnyOrder takes nodes of every zone.
	// +optional
	// +kubebuilder:default=OneAtATime
	Strategy ZoneStrategy `json:"strategy,omitempty"`

	// order lists zones by name in the order in which they go. Zones that are not listed follow by name; nodes without a zone go last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.all(z, self.exists_one(o, o == z))",message="order names a zone twice: name each zone once"
	Order []string `json:"order,omitempty"`

	// maxUnavailablePerZone is the most nodes of one zone that may be down at once, besides maxUnavailable. Not set means no limit of
	// its own for a zone.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=15000
	MaxUnavailablePerZone *int32 `json:"maxUnavailablePerZone,omitempty"`

	// soakSeconds is how long a finished zone is watched before the next zone begins.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2592000
	SoakSeconds *int32 `json:"soakSeconds,omitempty"`
}

// RebootSpec says how a host is rebooted.
type RebootSpec struct {
	// method is how the host is rebooted. A node whose helper was not installed with the method does not start.
	// +optional
	// +kubebuilder:default=Installed
	// +kubebuilder:validation:Enum=Command;Installed;Logind;Signal
	Method RebootMethod `json:"method,omitempty"`

	// delaySeconds is waited between the end of the drain and the order to reboot. Everything is checked again after it.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	DelaySeconds *int32 `json:"delaySeconds,omitempty"`

	// timeoutSeconds is how long a host may take from the order to reboot until its node reports another boot ID.
	// +optional
	// +kubebuilder:default=900
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}

// RecoverySpec says what must hold before the next node may start.
type RecoverySpec struct {
	// workloads says whether the Deployments, StatefulSets and PodDisruptionBudgets that had pods on the node must be as ready as before
	// the drain.
	// +optional
	// +kubebuilder:default=Wait
	Workloads WorkloadRecovery `json:"workloads,omitempty"`

	// settleSeconds is how long the node must have been back and schedulable before its slot is freed.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	SettleSeconds *int32 `json:"settleSeconds,omitempty"`

	// objects must satisfy an expression before the slot is freed, any objects of the cluster.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Objects []ObjectGate `json:"objects,omitempty"`

	// timeoutSeconds is how long recovery may take, from the new boot ID until the slot is freed. After it the NodeReboot counts as
	// failed; it goes on being watched, and holds its slot until it recovers or is deleted.
	// +optional
	// +kubebuilder:default=1800
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}

// FailureSpec says how failures are answered.
type FailureSpec struct {
	// maxFailures is how many nodes may have failed to come back before the policy halts: nothing more starts, and attempts whose host was not
	// ordered to reboot are rolled back. It goes on when they do come back, or when their NodeReboots are deleted.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=15000
	MaxFailures *int32 `json:"maxFailures,omitempty"`

	// maxConsecutiveFailures is how many nodes in a row may fail without a reboot before the policy halts: different nodes whose drain, hook
	// or order to reboot fails, with no node rebooted in between. While the policy is halted, one node at a time is tried again after a
	// back-off; a node that comes back from its reboot ends the halt. 0 means that the policy never halts for this.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=15000
	MaxConsecutiveFailures *int32 `json:"maxConsecutiveFailures,omitempty"`

	// maxAttempts is how many attempts of one NodeReboot may reach the host and fail before it is given up. Attempts that end before, or whose
	// host refuses to reboot, do not count: they are repeated for as long as the reboot is needed.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxAttempts *int32 `json:"maxAttempts,omitempty"`

	// nodeGoneTimeoutSeconds is how long the Node object of a host that was ordered to reboot may be gone before the reboot is given up and
	// its slot is freed. Not set means that the host is waited for until it registers again, or a person deletes the NodeReboot.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	NodeGoneTimeoutSeconds *int32 `json:"nodeGoneTimeoutSeconds,omitempty"`

	// backoffSeconds is waited after the first failed attempt; it doubles with every further one, up to a day. It ends when a window opens.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	BackoffSeconds *int32 `json:"backoffSeconds,omitempty"`

	// maxDeferralSeconds is how long a reboot may be required before an event, the condition Overdue of its NodeReboot
	// and a metric report it. Nothing is forced. Not set means that it is never reported.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	MaxDeferralSeconds *int32 `json:"maxDeferralSeconds,omitempty"`
}

// HistorySpec says how many finished NodeReboots of each node are kept.
type HistorySpec struct {
	// succeeded is how many successful ones are kept per node.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Succeeded *int32 `json:"succeeded,omitempty"`

	// failed is how many failed or cancelled ones are kept per node.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Failed *int32 `json:"failed,omitempty"`
}

// RebootPolicyStatus is what the operator derived from the cluster at its last look. Nothing in it is read back.
type RebootPolicyStatus struct {
	// conditions are Ready, and while it is true Stalled (kstatus); Overlapping, UnknownZones and Halted tell more.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status is about; -1 until the operator has looked.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// nodes is how many nodes the policy owns.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Nodes int32 `json:"nodes"`

	// required is how many of them need a reboot and have not been started.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Required int32 `json:"required"`

	// underWay is how many of them hold a slot.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	UnderWay int32 `json:"underWay"`

	// unavailable is how many of them are down, cordoned, failed or under way now, and so count against maxUnavailable.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Unavailable int32 `json:"unavailable"`

	// maxUnavailable is the limit in nodes that maxUnavailable of the spec comes to.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	MaxUnavailable int32 `json:"maxUnavailable"`

	// failed is how many reboots have failed and not recovered, or were given up while they are still needed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Failed int32 `json:"failed"`

	// overdue is how many nodes have needed a reboot for longer than failure.maxDeferralSeconds.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Overdue int32 `json:"overdue"`

	// currentZone is the zone that has its turn.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	CurrentZone string `json:"currentZone,omitempty"`

	// window is where the schedule stands. It is missing if the policy has neither windows nor freezes.
	// +optional
	Window *WindowStatus `json:"window,omitempty"`

	// canary is how far the canaries are, while there are any that others may wait for.
	// +optional
	Canary *CanaryStatus `json:"canary,omitempty"`

	// adaptiveDelay is what drain.adaptiveDelay comes to, once a recovery was measured.
	// +optional
	AdaptiveDelay *AdaptiveDelayStatus `json:"adaptiveDelay,omitempty"`

	// waiting counts the nodes that wait, by reason.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=64
	Waiting []WaitingCount `json:"waiting,omitempty"`
}

// WaitingCount is how many nodes wait for one reason.
type WaitingCount struct {
	// reason is the reason of their NodeReboots.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// nodes is how many wait for it.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Nodes int32 `json:"nodes,omitempty"`

	// example is the name of one of their NodeReboots.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Example string `json:"example,omitempty"`
}

// RebootPolicy says which nodes may be rebooted, when, how many and in which order.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=rbp,categories=reboots
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=".spec.mode"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=".status.conditions[?(@.type=='Ready')].status"
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=".status.nodes"
// +kubebuilder:printcolumn:name="Required",type=integer,JSONPath=".status.required"
// +kubebuilder:printcolumn:name="Under way",type=integer,JSONPath=".status.underWay"
// +kubebuilder:printcolumn:name="Zone",type=string,JSONPath=".status.currentZone"
// +kubebuilder:printcolumn:name="Window",type=string,JSONPath=".status.window.state"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Unavailable",type=integer,JSONPath=".status.unavailable",priority=1
// +kubebuilder:printcolumn:name="Max",type=integer,JSONPath=".status.maxUnavailable",priority=1
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=".status.failed",priority=1
// +kubebuilder:printcolumn:name="Opens",type=string,JSONPath=".status.window.nextOpeningTime",priority=1
// +kubebuilder:printcolumn:name="Closes",type=string,JSONPath=".status.window.nextClosingTime",priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=".status.conditions[?(@.type=='Ready')].message",priority=1
type RebootPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the user requires.
	// +required
	Spec RebootPolicySpec `json:"spec,omitempty,omitzero"`

	// status is what the operator saw and derived.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status RebootPolicyStatus `json:"status,omitempty,omitzero"`
}

// RebootPolicyList is a list of RebootPolicy.
//
// +kubebuilder:object:root=true
type RebootPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RebootPolicy `json:"items"`
}
