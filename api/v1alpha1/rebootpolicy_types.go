package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/decode"
)

// Mode says how much a policy may do.
//
// +k8s:enum
type Mode string

const (
	// ModeEnforce reboots the nodes that need it.
	ModeEnforce Mode = "Enforce"
	// ModeObserve taints nodes and reports what would happen. It neither drains nor reboots them.
	ModeObserve Mode = "Observe"
	// ModePaused taints nodes and starts nothing. A drain under way is rolled back; a reboot that was already ordered is followed to its end.
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

// RebootPolicySpec says which nodes may be rebooted, how many at once, in which order, and what must hold before and after.
//
// +kubebuilder:validation:XValidation:rule="self.nodes != 'Selected' || (has(self.nodeSelector) && ((has(self.nodeSelector.matchLabels) && size(self.nodeSelector.matchLabels) > 0) || (has(self.nodeSelector.matchExpressions) && size(self.nodeSelector.matchExpressions) > 0)))",message="nodeSelector selects nothing in particular: write matchLabels or matchExpressions, or write 'nodes: All' to take every node",fieldPath=".nodeSelector"
// +kubebuilder:validation:XValidation:rule="self.nodes != 'All' || !has(self.nodeSelector)",message="nodeSelector and 'nodes: All' contradict each other: remove one of them",fieldPath=".nodeSelector"
// +kubebuilder:validation:XValidation:rule="self.selfApproval != 'Allow' || self.approval == 'Require'",message="selfApproval says who may approve, and the policy requires no approval: write 'approval: Require', or remove selfApproval",fieldPath=".selfApproval"
// +kubebuilder:validation:XValidation:rule="!has(self.drain) || !has(self.drain.mode) || self.drain.mode != 'Skip' || !has(self.gates) || !has(self.gates.capacity) || self.gates.capacity != 'Require'",message="drain.mode Skip evicts nothing, so no pod needs room: remove capacity, or write 'mode: Drain'",fieldPath=".gates.capacity"
type RebootPolicySpec struct {
	RemovedSpecFields `json:",inline"`

	// priority decides which policy owns a node that several policies select: the one with the highest priority, then the oldest, then the
	// first by name. Defaults to 0.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Priority int32 `json:"priority,omitempty"`

	// mode says how much the policy may do: Enforce reboots, Observe only reports what would happen, Paused starts nothing. Nodes that need a
	// reboot are tainted in every mode. Defaults to Enforce.
	// +optional
	// +kubebuilder:default=Enforce
	Mode Mode `json:"mode,omitempty"`

	// nodes says how nodes are chosen: Selected (by nodeSelector, which then must not be empty) or All. Defaults to Selected.
	// +optional
	// +kubebuilder:default=Selected
	Nodes NodeSelection `json:"nodes,omitempty"`

	// nodeSelector selects nodes by their labels. It must not be empty; to take every node, write nodes: All.
	// +optional
	NodeSelector *LabelSelector `json:"nodeSelector,omitempty"`

	// taint is the taint that a node gets the moment its reboot is required, whatever blocks the reboot.
	// +optional
	// +kubebuilder:default={}
	Taint TaintSpec `json:"taint,omitempty,omitzero"`

	// triggers say what asks for reboots in addition to the hosts themselves. If not set, only the hosts do.
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

	// approval says whether reboots need an approval: Require keeps every NodeReboot of the policy waiting until its spec.approval is Given;
	// Ignore lets them start without one. Defaults to Ignore.
	// +optional
	// +kubebuilder:default=Ignore
	// +kubebuilder:validation:XValidation:rule="self in ['Require', 'Ignore']",message="write Require or Ignore (Required is now Require, NotRequired is now Ignore)"
	Approval Requirement `json:"approval,omitempty"`

	// selfApproval says whether an approval by the user who asked for the reboot counts: Allow or Refuse. Defaults to Refuse.
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

	// hooks are steps that your own programs carry out while a node's slot is held. They set conditions on its NodeReboot when they are done.
	// +optional
	Hooks *HooksSpec `json:"hooks,omitempty"`

	// silences are kept in Alertmanagers while nodes are under way, so that no one is paged for a reboot that goes well.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Silences []AlertSilence `json:"silences,omitempty"`

	// failure says how the operator responds to failures.
	// +optional
	// +kubebuilder:default={}
	Failure FailureSpec `json:"failure,omitempty,omitzero"`

	// history says how many finished NodeReboots of each node are kept.
	// +optional
	// +kubebuilder:default={}
	History HistorySpec `json:"history,omitempty,omitzero"`

	// notifications lists the receivers of notifications about the policy's rollouts.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Notifications []Notification `json:"notifications,omitempty"`
}

// TaintSpec describes the taint reboot-operator.io/reboot-required.
type TaintSpec struct {
	// effect is the effect of the taint: PreferNoSchedule, NoSchedule, or None for no taint. Defaults to PreferNoSchedule.
	// +optional
	// +kubebuilder:default=PreferNoSchedule
	Effect TaintEffect `json:"effect,omitempty"`
}

// RebootPolicyStatus is what the operator last derived from the cluster. The operator never reads it back.
type RebootPolicyStatus struct {
	// conditions are Ready and, while it is true, Stalled (kstatus). Overlapping, UnknownZones, Halted and others give details.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime > timestamp('0001-01-01T00:00:00Z') && c.lastTransitionTime < timestamp('9999-12-31T00:00:00Z'))",message="lastTransitionTime of a condition is a time in the years from 1 to 9999, written like 2026-01-31T22:05:00Z"
	// +kubebuilder:validation:XValidation:rule="self.map(c, c.type.contains('/') ? 1 : 0).sum() <= 8",message="a RebootPolicy takes no more than 8 conditions of others: use fewer types, and remove those that are not needed"
	// +kubebuilder:validation:items:XValidation:rule="!self.type.contains('/') || self.message.size() <= 4096",message="the message of a condition may be 4096 characters long: shorten it"
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status is about; -1 until the operator has seen the object.
	// +optional
	// +kubebuilder:validation:Maximum=9007199254740991
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

	// maxUnavailable is rollout.maxUnavailable of the spec as a number of nodes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	MaxUnavailable int32 `json:"maxUnavailable"`

	// failed is how many reboots have failed and not recovered, or were given up while they are still needed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Failed int32 `json:"failed"`

	// overdue is how many nodes have needed a reboot for longer than schedule.maxDeferralSeconds.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Overdue int32 `json:"overdue"`

	// nodesWithoutHelper is how many Ready nodes have had no Ready helper pod for five minutes. Nodes that the node selector of the helpers'
	// DaemonSet excludes do not count.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	NodesWithoutHelper int32 `json:"nodesWithoutHelper"`

	// currentZone is the zone whose turn it is.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	CurrentZone string `json:"currentZone,omitempty"`

	// window is the current state of the schedule. It is not set if the policy has neither windows nor freezes.
	// +optional
	Window *WindowStatus `json:"window,omitempty"`

	// canary is the progress of the canaries. It is set while there are canaries that other nodes may wait for.
	// +optional
	Canary *CanaryStatus `json:"canary,omitempty"`

	// adaptiveDelay is the delay that results from rollout.adaptiveDelay. It is set once a recovery has been measured.
	// +optional
	AdaptiveDelay *AdaptiveDelayStatus `json:"adaptiveDelay,omitempty"`

	// forecast is when the nodes that need a reboot are expected to be done. It is not set if no node needs one, or if no end is known.
	// +optional
	Forecast *ForecastStatus `json:"forecast,omitempty"`

	// summary is the STATUS column of kubectl get. It names what matters most: Invalid, NoNodes, Halted, Shadowed or Overlap, otherwise the
	// mode: InForce, Observing or Paused. It is Unknown until the operator has seen the policy.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Summary string `json:"summary,omitempty"`

	// waitingFor is the reason that most of the waiting nodes have; if several are equally frequent, the first by name.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	WaitingFor string `json:"waitingFor,omitempty"`

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
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=".status.summary"
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=".status.nodes"
// +kubebuilder:printcolumn:name="Need",type=integer,JSONPath=".status.required"
// +kubebuilder:printcolumn:name="Active",type=integer,JSONPath=".status.underWay"
// +kubebuilder:printcolumn:name="Waiting for",type=string,JSONPath=".status.waitingFor"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=".status.conditions[?(@.type=='Ready')].status",priority=1
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=".spec.mode",priority=1
// +kubebuilder:printcolumn:name="Zone",type=string,JSONPath=".status.currentZone",priority=1
// +kubebuilder:printcolumn:name="Window",type=string,JSONPath=".status.window.state",priority=1
// +kubebuilder:printcolumn:name="Opens",type=string,JSONPath=".status.window.nextOpeningTime",priority=1
// +kubebuilder:printcolumn:name="Closes",type=string,JSONPath=".status.window.nextClosingTime",priority=1
// +kubebuilder:printcolumn:name="Finish",type=string,JSONPath=".status.forecast.finishTime",priority=1
// +kubebuilder:printcolumn:name="Unavailable",type=integer,JSONPath=".status.unavailable",priority=1
// +kubebuilder:printcolumn:name="Max",type=integer,JSONPath=".status.maxUnavailable",priority=1
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=".status.failed",priority=1
// +kubebuilder:printcolumn:name="Overdue",type=integer,JSONPath=".status.overdue",priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp",priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=".status.conditions[?(@.type=='Ready')].message",priority=1
type RebootPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what the policy requires.
	// +required
	Spec RebootPolicySpec `json:"spec,omitempty,omitzero"`

	// status is what the operator saw and derived.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1,"summary":"Unknown","nodes":0,"required":0,"underWay":0,"unavailable":0,"maxUnavailable":0,"failed":0,"overdue":0}
	Status RebootPolicyStatus `json:"status,omitempty,omitzero"`

	// Unreadable names the fields of the stored object that could not be decoded. It is not a field of the API.
	Unreadable []decode.Problem `json:"-"`
}

// RebootPolicyList is a list of RebootPolicy.
//
// +kubebuilder:object:root=true
type RebootPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RebootPolicy `json:"items"`
}
