package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What manager and helper tell each other: an order, and the report that answers it.

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

// OrderState is how far a helper is with an order.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
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

// ObstacleKind says what kind of thing is in the way of a reboot; empty for one that is none of these.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
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

// ProtocolLevel is the level of the protocol between manager and helper that this version knows. It grows by one when an order has a field,
// or a field of it a value, that a helper must not ignore.
const ProtocolLevel int32 = 2

// RebootOrder tells the node's helper what to do. Only the manager writes it. A helper acts on it at most once, only before the
// deadline, and only while its host runs the boot that the order names.
type RebootOrder struct {
	// sequence numbers the orders of one NodeReboot; a helper acts on a sequence that is higher than the last one it recorded.
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

	// deadline is the end of the order, in the time of the API server; after it the helper neither starts nor goes on. It may be changed
	// while the order is in force, and a drain under way follows.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	Deadline metav1.MicroTime `json:"deadline,omitempty,omitzero"`

	// protocol is the level of the protocol that a helper has to know to carry out the order. One that does not refuses it.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Protocol int32 `json:"protocol,omitempty"`

	// method is how to reboot.
	// +optional
	Method RebootMethod `json:"method,omitempty"`

	// via is the path from this boot to the next; absent is Firmware.
	// +optional
	Via RebootVia `json:"via,omitempty"`

	// drain says how to drain. It may be changed while the order is in force, and a drain under way follows.
	// +optional
	Drain *DrainOrder `json:"drain,omitempty"`
}

// HelperReport is what the node's helper knows. Only the helper writes it.
type HelperReport struct {
	// version of the helper, such as v1.2.3.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`

	// instance is the helper that wrote the report. Of two that are alive on one node only the one with the higher term writes, and carries
	// out orders.
	// +optional
	Instance HelperInstance `json:"instance,omitempty,omitzero"`

	// protocol is the highest level of the protocol that the helper knows; absent before there were levels. A node whose helper does not
	// know what its policy needs is not started (HelperTooOld).
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Protocol int32 `json:"protocol,omitempty"`

	// bootID of the running host.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	BootID string `json:"bootID,omitempty"`

	// bootTime is when the running host booted, by its own clock, in UTC and with six digits of a second.
	// ---
	// A time of another precision, or with an offset that is none, passes the format and cannot be decoded as MicroTime: so every time has a
	// pattern.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	BootTime *metav1.MicroTime `json:"bootTime,omitempty"`

	// clockOffsetSeconds is how far the host's clock is ahead of the API server's, negative if it is behind. Absent if they differ by less
	// than a minute. Nothing is decided by the host's clock.
	// +optional
	// +kubebuilder:validation:Minimum=-10000000000
	// +kubebuilder:validation:Maximum=10000000000
	ClockOffsetSeconds *int64 `json:"clockOffsetSeconds,omitempty"`

	// hostOS is the host's operating system, as it calls itself, such as "Debian GNU/Linux 13 (trixie)".
	// +optional
	// +kubebuilder:validation:MaxLength=128
	HostOS string `json:"hostOS,omitempty"`

	// sentinel says whether the host asks for a reboot.
	// +required
	Sentinel SentinelState `json:"sentinel,omitempty"`

	// methods are those by which the helper was installed to reboot the host. The first one is what a policy means by Installed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Methods []MethodReport `json:"methods,omitempty"`

	// evictionObstacle is why the helper may not list or evict the pods of its node; absent if nothing is known to be in the way. A node that
	// has to be drained is not started.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	EvictionObstacle string `json:"evictionObstacle,omitempty"`

	// notices say what else would reboot the host, besides this operator.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Notices []string `json:"notices,omitempty"`

	// sequence of the last order that the helper recorded; 0 before the first.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740991
	Sequence int64 `json:"sequence"`

	// state is how far that order is.
	// +optional
	State OrderState `json:"state,omitempty"`

	// via is the path by which the host reboots for that order.
	// +optional
	Via RebootVia `json:"via,omitempty"`

	// message tells people more, for example why an order failed.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`

	// drain is the drain's progress.
	// +optional
	Drain *DrainProgress `json:"drain,omitempty"`
}

// MethodReport says whether one method to reboot would work.
type MethodReport struct {
	// name of the method; Installed if the helper could not find out which methods there are.
	// +required
	Name RebootMethod `json:"name,omitempty"`

	// obstacle is why it would not work now; absent if nothing is known to be in the way.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Obstacle string `json:"obstacle,omitempty"`

	// kind of the obstacle; absent if it is none of those that have a name.
	// +optional
	Kind ObstacleKind `json:"kind,omitempty"`
}

// HelperInstance is one run of a helper.
type HelperInstance struct {
	// id of the run, which no other one has.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]+$`
	ID string `json:"id,omitempty"`

	// term is higher than that of all runs that reported on the node before. It begins with the milliseconds since 1970 by the clock of the
	// API server, and is only ever compared with other terms.
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
