package v1alpha1

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

// RebootVia is the path from one boot to the next. Helpers report paths by these names, and a newer one may know another; a policy names
// one of those below.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type RebootVia string

const (
	// RebootViaFirmware resets the machine, and its firmware and boot loader start the next kernel.
	RebootViaFirmware RebootVia = "Firmware"
	// RebootViaKexec has the running kernel start the one that was loaded for it, without the firmware.
	RebootViaKexec RebootVia = "Kexec"
)

// RebootSpec says how a host is rebooted.
//
// +kubebuilder:validation:XValidation:rule="!has(self.via) || self.via != 'Kexec' || !has(self.method) || self.method != 'Command'",message="a command decides itself how it reboots the host: remove 'via: Kexec', or write 'method: Installed' or 'method: Logind'",fieldPath=".via"
type RebootSpec struct {
	// method is how the host is rebooted. A node whose helper was not installed with the method does not start.
	// +optional
	// +kubebuilder:default=Installed
	// +kubebuilder:validation:Enum=Command;Installed;Logind;Signal
	Method RebootMethod `json:"method,omitempty"`

	// via is the path from one boot to the next. Kexec leaves out the firmware, which takes minutes on some machines: the host starts the
	// kernel that was loaded for it, and reboots through the firmware if none was. The status of the NodeReboot says which path was taken.
	// +optional
	// +kubebuilder:default=Firmware
	// +kubebuilder:validation:Enum=Firmware;Kexec
	Via RebootVia `json:"via,omitempty"`

	// delaySeconds is waited between the end of the drain and the order to reboot. Everything is checked again after it.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="this is a number of seconds from 0 to 86400: write 1800 for 30m"
	DelaySeconds *int32 `json:"delaySeconds,omitempty"`

	// timeoutSeconds is how long a host may take from the order to reboot until its node reports another boot ID.
	// +optional
	// +kubebuilder:default=900
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 86400",message="this is a number of seconds from 1 to 86400: write 1800 for 30m"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}

// RecoverySpec says what must hold before the next node may start.
type RecoverySpec struct {
	// workloads Require frees the slot when the Deployments, StatefulSets and PodDisruptionBudgets that had pods on the node are as ready as
	// before the drain; Ignore frees it without looking at them.
	// +optional
	// +kubebuilder:default=Require
	// +kubebuilder:validation:XValidation:rule="self in ['Require', 'Ignore']",message="write Require or Ignore (Wait is now Require)"
	Workloads Requirement `json:"workloads,omitempty"`

	// settleSeconds is how long the node must have been back and schedulable before its slot is freed.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="this is a number of seconds from 0 to 86400: write 1800 for 30m"
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
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 604800",message="this is a number of seconds from 1 to 604800: write 1800 for 30m"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`
}
