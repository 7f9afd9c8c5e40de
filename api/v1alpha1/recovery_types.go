package v1alpha1

// RebootMethod is how the helper reboots its host. The installation of the helper decides which methods it may use, never a policy. Helpers
// report methods by these names, and a newer helper may report another; a policy names one of those listed here.
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

// RebootVia is the path from one boot to the next. Helpers report paths by these names, and a newer helper may report another; a policy
// names one of those listed here.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type RebootVia string

const (
	// RebootViaFirmware resets the machine, and its firmware and boot loader start the next kernel.
	RebootViaFirmware RebootVia = "Firmware"
	// RebootViaKexec makes the running kernel start the kernel that was loaded for kexec, without the firmware.
	RebootViaKexec RebootVia = "Kexec"
)

// RebootSpec says how a host is rebooted.
//
// +kubebuilder:validation:XValidation:rule="!has(self.via) || self.via != 'Kexec' || !has(self.method) || self.method != 'Command'",message="a command decides for itself how it reboots the host: remove 'via: Kexec', or write 'method: Installed' or 'method: Logind'",fieldPath=".via"
type RebootSpec struct {
	// method is how the host is rebooted. A node whose helper was not installed with the method does not start. Defaults to Installed.
	// +optional
	// +kubebuilder:default=Installed
	// +kubebuilder:validation:Enum=Command;Installed;Logind;Signal
	Method RebootMethod `json:"method,omitempty"`

	// via is the path from one boot to the next. Kexec skips the firmware, which takes minutes on some machines: the host starts the kernel
	// that was loaded for kexec, or reboots through the firmware if none was loaded. The status of the NodeReboot says which path was taken.
	// Defaults to Firmware.
	// +optional
	// +kubebuilder:default=Firmware
	// +kubebuilder:validation:Enum=Firmware;Kexec
	Via RebootVia `json:"via,omitempty"`

	// delaySeconds is how many seconds to wait between the end of the drain and the order to reboot. After the wait everything is checked
	// again. 0 means no wait. Defaults to 0.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="must be a number of seconds from 0 to 86400: write 1800 for 30m"
	DelaySeconds *int32 `json:"delaySeconds,omitempty"`

	// timeoutSeconds is how many seconds a host may take from the order to reboot until its node reports another boot ID. Defaults to 900 (15
	// minutes).
	// +optional
	// +kubebuilder:default=900
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 86400",message="must be a number of seconds from 1 to 86400: write 1800 for 30m"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}

// RecoverySpec says what must hold before the next node may start.
type RecoverySpec struct {
	// workloads says whether a slot is held until workloads are ready: Require frees it when the Deployments, StatefulSets and
	// PodDisruptionBudgets that had pods on the node are as ready as before the drain; Ignore frees it without checking them. Defaults to
	// Require.
	// +optional
	// +kubebuilder:default=Require
	// +kubebuilder:validation:XValidation:rule="self in ['Require', 'Ignore']",message="write Require or Ignore (Wait is now Require)"
	Workloads Requirement `json:"workloads,omitempty"`

	// settleSeconds is for how many seconds the node must have been back and schedulable before its slot is freed. 0 means no wait. Defaults
	// to 0.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="must be a number of seconds from 0 to 86400: write 1800 for 30m"
	SettleSeconds *int32 `json:"settleSeconds,omitempty"`

	// objects lists objects of the cluster that must satisfy an expression, or must not exist, before the slot is freed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Objects []ObjectGate `json:"objects,omitempty"`

	// timeoutSeconds is how many seconds recovery may take, from the new boot ID until the slot is freed. After that the NodeReboot counts as
	// failed; it is still watched, and holds its slot until it recovers or is deleted. Defaults to 1800 (30 minutes).
	// +optional
	// +kubebuilder:default=1800
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 604800",message="must be a number of seconds from 1 to 604800: write 1800 for 30m"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}
