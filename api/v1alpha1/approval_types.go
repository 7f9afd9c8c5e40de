package v1alpha1

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
