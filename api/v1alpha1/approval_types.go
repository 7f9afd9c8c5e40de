package v1alpha1

// Approval says whether someone approved a reboot.
//
// +k8s:enum
type Approval string

const (
	// ApprovalNotGiven does not approve, or withdraws an approval.
	ApprovalNotGiven Approval = "NotGiven"
	// ApprovalGiven approves.
	ApprovalGiven Approval = "Given"
)

// SelfApproval says whether the user who asked for a reboot may approve it.
//
// +k8s:enum
type SelfApproval string

const (
	// SelfApprovalAllow lets the user who asked for a reboot approve it.
	SelfApprovalAllow SelfApproval = "Allow"
	// SelfApprovalRefuse makes a reboot wait until someone other than the user who asked for it approves it.
	SelfApprovalRefuse SelfApproval = "Refuse"
)
