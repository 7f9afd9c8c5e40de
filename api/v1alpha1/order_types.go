package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Manager and helper communicate by an order, and by the report that answers it.

// OrderAction is what a helper is ordered to do.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type OrderAction string

const (
	// ActionDrain evicts the node's pods.
	ActionDrain OrderAction = "Drain"
	// ActionReboot reboots the host.
	ActionReboot OrderAction = "Reboot"
)

// OrderState is the progress of a helper with an order. A program that is newer than the schema may write another value; see
// docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type OrderState string

const (
	// OrderStarted is under way. An order to reboot was recorded before anything was done for it.
	OrderStarted OrderState = "Started"
	// OrderDone is complete. An order to reboot stays Started when the host accepts it: what follows is another boot.
	OrderDone OrderState = "Done"
	// OrderFailed was not possible; the message says why.
	OrderFailed OrderState = "Failed"
	// OrderTimedOut is a drain that had pods left at its deadline.
	OrderTimedOut OrderState = "TimedOut"
)

// SentinelState is what a helper knows about its host's need for a reboot. Only Required ever means that a reboot is needed.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type SentinelState string

const (
	// SentinelRequired means that the host asks for a reboot.
	SentinelRequired SentinelState = "Required"
	// SentinelNotRequired means that the host does not ask for a reboot.
	SentinelNotRequired SentinelState = "NotRequired"
	// SentinelUnknown means that the check failed.
	SentinelUnknown SentinelState = "Unknown"
)

// ObstacleKind is the kind of an obstacle to a reboot; empty for an obstacle of no named kind. A program that is newer than the schema may
// write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type ObstacleKind string

const (
	// ObstacleInhibited is an inhibitor lock: a program asked the host not to go down until it is done.
	ObstacleInhibited ObstacleKind = "Inhibited"
	// ObstacleUnsupported means that hosts of this kind cannot be rebooted by the method at all.
	ObstacleUnsupported ObstacleKind = "Unsupported"
)

// ProtocolLevel is the level of the protocol between manager and helper that this version knows. It grows by one whenever an order gets a
// field, or a field a value, that a helper must not ignore.
const ProtocolLevel int32 = 2

// RebootOrder tells the node's helper what to do. Only the manager writes it. A helper acts on it at most once, only before the
// deadline, and only while its host runs the boot that the order names.
type RebootOrder struct {
	// sequence numbers the orders of one NodeReboot. A helper acts only on a sequence that is higher than the last one that it recorded.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9007199254740991
	Sequence int64 `json:"sequence,omitempty"`

	// action is what to do.
	// +required
	Action OrderAction `json:"action,omitempty"`

	// bootID is the boot that the order is about.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	BootID string `json:"bootID,omitempty"`

	// deadline is when the order ends, by the API server's clock; after it the helper neither starts nor continues the order. It may change
	// while the order is in force, and a drain under way follows the change.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	Deadline metav1.MicroTime `json:"deadline,omitempty,omitzero"`

	// protocol is the level of the protocol that a helper has to know to carry out the order. A helper that does not know it refuses the
	// order.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Protocol int32 `json:"protocol,omitempty"`

	// method is how to reboot.
	// +optional
	Method RebootMethod `json:"method,omitempty"`

	// via is the path from this boot to the next. If not set, it is Firmware.
	// +optional
	Via RebootVia `json:"via,omitempty"`

	// drain says how to drain. It may change while the order is in force, and a drain under way follows the change.
	// +optional
	Drain *DrainOrder `json:"drain,omitempty"`
}

// HelperReport is what the node's helper reports. Only the helper writes it.
type HelperReport struct {
	// version is the version of the helper, such as v1.2.3.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`

	// instance is the helper that wrote the report. If two helpers are alive on one node, only the one with the higher term writes reports and
	// carries out orders.
	// +optional
	Instance HelperInstance `json:"instance,omitempty,omitzero"`

	// protocol is the highest level of the protocol that the helper knows. Helpers from before there were levels do not set it. A node whose
	// helper does not know what its policy needs does not start (HelperTooOld).
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Protocol int32 `json:"protocol,omitempty"`

	// bootID is the boot ID of the running host.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	BootID string `json:"bootID,omitempty"`

	// bootTime is when the running host booted, by its own clock, in UTC and with microseconds.
	// ---
	// Every time has a pattern, because a time of another precision, or with an invalid offset, passes the format and cannot be decoded as
	// MicroTime.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	BootTime *metav1.MicroTime `json:"bootTime,omitempty"`

	// clockOffsetSeconds is how many seconds the host's clock is ahead of the API server's; it is negative if it is behind. It is not set if
	// they differ by less than a minute. No decision depends on the host's clock.
	// +optional
	// +kubebuilder:validation:Minimum=-10000000000
	// +kubebuilder:validation:Maximum=10000000000
	ClockOffsetSeconds *int64 `json:"clockOffsetSeconds,omitempty"`

	// hostOS is the name that the host's operating system gives itself, such as "Debian GNU/Linux 13 (trixie)".
	// +optional
	// +kubebuilder:validation:MaxLength=128
	HostOS string `json:"hostOS,omitempty"`

	// sentinel says whether the host asks for a reboot.
	// +required
	Sentinel SentinelState `json:"sentinel,omitempty"`

	// methods are the reboot methods that the helper was installed with. The first one is the method that Installed in a policy stands for.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Methods []MethodReport `json:"methods,omitempty"`

	// evictionObstacle says why the helper may not list or evict the pods of its node. It is not set if no obstacle is known. While it is set,
	// a node that has to be drained does not start.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	EvictionObstacle string `json:"evictionObstacle,omitempty"`

	// notices say what else, other than this operator, would reboot the host.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Notices []string `json:"notices,omitempty"`

	// sequence is the sequence of the last order that the helper recorded; 0 before the first.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740991
	Sequence int64 `json:"sequence"`

	// state is the progress of that order.
	// +optional
	State OrderState `json:"state,omitempty"`

	// via is the path by which the host reboots for that order.
	// +optional
	Via RebootVia `json:"via,omitempty"`

	// message gives details for people, for example why an order failed.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`

	// drain is the drain's progress.
	// +optional
	Drain *DrainProgress `json:"drain,omitempty"`
}

// MethodReport says whether one method to reboot would work.
type MethodReport struct {
	// name is the name of the method; Installed if the helper could not find out which methods there are.
	// +required
	Name RebootMethod `json:"name,omitempty"`

	// obstacle says why the method would not work now. It is not set if no obstacle is known.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Obstacle string `json:"obstacle,omitempty"`

	// kind is the kind of the obstacle. It is not set if the obstacle is of no named kind.
	// +optional
	Kind ObstacleKind `json:"kind,omitempty"`
}

// HelperInstance is one run of a helper.
type HelperInstance struct {
	// id is the unique ID of the run.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]+$`
	ID string `json:"id,omitempty"`

	// term is higher than the term of every earlier run that reported on the node. It starts from the milliseconds since 1970 by the API
	// server's clock, and is only compared with other terms.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9007199254740991
	Term int64 `json:"term,omitempty"`

	// podName is the name of its pod.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9.-]+$`
	PodName string `json:"podName,omitempty"`
}
