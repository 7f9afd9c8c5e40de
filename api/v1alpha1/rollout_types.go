package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ZoneStrategy says how zones follow each other.
//
// +k8s:enum
type ZoneStrategy string

const (
	// ZonesOneAtATime finishes one zone before the next begins.
	ZonesOneAtATime ZoneStrategy = "OneAtATime"
	// ZonesAnyOrder starts nodes of every zone, up to the limits.
	ZonesAnyOrder ZoneStrategy = "AnyOrder"
)

// ControlPlaneOrder says when it is the turn of control-plane nodes.
//
// +k8s:enum
type ControlPlaneOrder string

const (
	// ControlPlaneLast reboots control-plane nodes after all others.
	ControlPlaneLast ControlPlaneOrder = "Last"
	// ControlPlaneFirst reboots control-plane nodes before all others.
	ControlPlaneFirst ControlPlaneOrder = "First"
)

// NodeOrder says which of the nodes whose turn it is goes next.
//
// +k8s:enum
type NodeOrder string

const (
	// NodeOrderFewestMoves begins with the node whose drain displaces the fewest pods. The first node of a zone goes alone.
	NodeOrderFewestMoves NodeOrder = "FewestMoves"
	// NodeOrderLongestRequired begins with the node that has needed a reboot for the longest time.
	NodeOrderLongestRequired NodeOrder = "LongestRequired"
)

// RolloutSpec says how many nodes may be down at once and in which order they go.
type RolloutSpec struct {
	RemovedRolloutFields `json:",inline"`

	// maxUnavailable is how many nodes of this policy may be down at once: a number, or a percentage of the policy's nodes, rounded down.
	// Nodes that are down, cordoned or failed for any other reason count, too. 0 means that nothing starts. Defaults to 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 15000 : self.matches('^(100|[1-9]?[0-9])%$')",message="maxUnavailable is a number of nodes from 0 to 15000, such as 1, or a percentage from \"0%\" to \"100%\", such as \"10%\""
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// zones says how the rollout goes through the zones of the cluster.
	// +optional
	// +kubebuilder:default={}
	Zones ZonesSpec `json:"zones,omitempty,omitzero"`

	// controlPlane says whether control-plane nodes go First or Last among the nodes that need a reboot at that time. Two control-plane nodes
	// are never down at once, and one starts only while all others are Ready. Defaults to Last.
	// +optional
	// +kubebuilder:default=Last
	ControlPlane ControlPlaneOrder `json:"controlPlane,omitempty"`

	// nodeOrder says which of the nodes whose turn it is goes next. FewestMoves begins with the node whose drain displaces the fewest pods,
	// those of the lowest priority first, among nodes whose reboots were required within an hour. While other nodes are drained, a node
	// goes first whose pods do not have to wait for the same PodDisruptionBudgets. While no node of a zone has been rebooted yet, the first
	// one goes alone until it is back, so that pods can move to a node that is not drained again. LongestRequired begins with the node that
	// has needed a reboot for the longest time. Defaults to FewestMoves.
	// +optional
	// +kubebuilder:default=FewestMoves
	NodeOrder NodeOrder `json:"nodeOrder,omitempty"`

	// minIntervalSeconds is the minimum number of seconds between two reboots of one node. 0 means no minimum. Defaults to 3600 (1 hour).
	// +optional
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 31536000",message="must be a number of seconds from 0 to 31536000: write 1800 for 30m"
	MinIntervalSeconds *int32 `json:"minIntervalSeconds,omitempty"`

	// canary lets a few nodes go first. The other nodes wait until the canaries are proved and have been watched for a while. If not set,
	// there are no canaries.
	// +optional
	Canary *CanarySpec `json:"canary,omitempty"`

	// group lets nodes that share a label's value go together, as one unit that counts as one against maxUnavailable. If not set, each node
	// goes on its own.
	// +optional
	Group *GroupSpec `json:"group,omitempty"`

	// adaptiveDelay is a delay between the recovery of a node and the start of the next one. It follows the measured recovery times. If not
	// set, there is no such delay.
	// +optional
	AdaptiveDelay AdaptiveDelay `json:"adaptiveDelay,omitempty,omitzero"`
}

// GroupSpec says which nodes go together.
type GroupSpec struct {
	// label is the key of a node label. Nodes that share its value are a group; nodes without it go on their own.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="label is not a valid label key: write one such as example.com/rack"
	Label string `json:"label,omitempty"`

	// maxSize is how many nodes a group may have. While a group has more, the policy is invalid and starts nothing, because all nodes of a
	// group are down at once.
	// +required
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=15000
	MaxSize int32 `json:"maxSize,omitempty"`
}

// ZonesSpec says how the rollout goes through zones.
//
// +kubebuilder:validation:XValidation:rule="!has(self.strategy) || self.strategy != 'AnyOrder' || !has(self.soakSeconds) || self.soakSeconds == 0",message="with strategy AnyOrder no zone is finished before another one begins, so none soaks: remove soakSeconds, or write 'strategy: OneAtATime'",fieldPath=".soakSeconds"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy) || self.strategy != 'AnyOrder' || !has(self.order) || size(self.order) == 0",message="with strategy AnyOrder zones have no order: remove order, or write 'strategy: OneAtATime'",fieldPath=".order"
type ZonesSpec struct {
	// topologyKey is the node label whose value is the node's zone. Defaults to topology.kubernetes.io/zone.
	// +optional
	// +kubebuilder:default=topology.kubernetes.io/zone
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	TopologyKey string `json:"topologyKey,omitempty"`

	// strategy says how zones follow each other: OneAtATime finishes one zone before the next begins; AnyOrder starts nodes of every zone.
	// Defaults to OneAtATime.
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

	// maxUnavailablePerZone is how many nodes of one zone may be down at once, in addition to the limit of maxUnavailable: a number, or a
	// percentage of the policy's nodes in the zone, rounded down. 0 means that nothing starts. If not set, a zone has no limit of its own.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 15000 : self.matches('^(100|[1-9]?[0-9])%$')",message="maxUnavailablePerZone is a number of nodes from 0 to 15000, such as 1, or a percentage from \"0%\" to \"100%\", such as \"10%\""
	MaxUnavailablePerZone *intstr.IntOrString `json:"maxUnavailablePerZone,omitempty"`

	// soakSeconds is how many seconds a finished zone is watched before the next zone begins. 0 means no watching. Defaults to 0.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 2592000",message="must be a number of seconds from 0 to 2592000: write 1800 for 30m"
	SoakSeconds *int32 `json:"soakSeconds,omitempty"`
}

// AdaptiveDelay is a delay that follows the recovery times of a policy's last reboots.
//
// +kubebuilder:validation:XValidation:rule="type(self.minSeconds) != int || type(self.maxSeconds) != int || self.minSeconds <= self.maxSeconds",message="minSeconds is more than maxSeconds: write the smaller number as minSeconds",fieldPath=".minSeconds"
type AdaptiveDelay struct {
	// minSeconds is the minimum delay, in seconds. Defaults to 0.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="must be a number of seconds from 0 to 86400: write 1800 for 30m"
	MinSeconds *int32 `json:"minSeconds,omitempty"`

	// maxSeconds is the maximum delay, in seconds.
	// +required
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 86400",message="must be a number of seconds from 1 to 86400: write 1800 for 30m"
	MaxSeconds int32 `json:"maxSeconds,omitempty"`
}

// AdaptiveDelayStatus is the current value of an adaptive delay.
type AdaptiveDelayStatus struct {
	// delaySeconds is the delay before the next start, in seconds.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	DelaySeconds int32 `json:"delaySeconds"`

	// recoverySeconds is how many seconds recovery took in the slowest of the last reboots, without the slowest twentieth (p95).
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	RecoverySeconds int32 `json:"recoverySeconds"`

	// reboots is how many reboots were measured.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Reboots int32 `json:"reboots"`
}
