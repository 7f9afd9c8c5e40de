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

// SelfApproval says whether who asked for a reboot may approve it.
//
// +k8s:enum
type SelfApproval string

const (
	// SelfApprovalAllow lets whoever asked for a reboot approve it as well.
	SelfApprovalAllow SelfApproval = "Allow"
	// SelfApprovalRefuse makes a reboot wait until someone else approves it than who asked for it.
	SelfApprovalRefuse SelfApproval = "Refuse"
)
