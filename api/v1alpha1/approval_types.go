package v1alpha1

// ApprovalRequirement says whether a policy's reboots wait for a person.
//
// +k8s:enum
type ApprovalRequirement string

const (
	// ApprovalNotRequired lets reboots start by themselves.
	ApprovalNotRequired ApprovalRequirement = "NotRequired"
	// ApprovalRequired starts only NodeReboots whose spec.approval is Given.
	ApprovalRequired ApprovalRequirement = "Required"
)

// Approval says whether someone approved a reboot.
//
// +k8s:enum
type Approval string

const (
	// ApprovalNotGiven does not approve, or takes an approval back.
	ApprovalNotGiven Approval = "NotGiven"
	// ApprovalGiven approves.
	ApprovalGiven Approval = "Given"
)
