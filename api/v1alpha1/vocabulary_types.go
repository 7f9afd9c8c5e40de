package v1alpha1

// TimeoutAction says what happens when time runs out: of a hook, of pods that may finish, of a window.
// ---
// The values are checked where the type is used, so that the message there can name the value that was written before.
//
// +kubebuilder:validation:MaxLength=32
type TimeoutAction string

const (
	// TimeoutAbort gives up the attempt and gives the node back. Where nothing can be rolled back, the attempt stalls.
	TimeoutAbort TimeoutAction = "Abort"
	// TimeoutContinue goes on.
	TimeoutContinue TimeoutAction = "Continue"
)

// Requirement says whether something has to be given before a node goes on.
// ---
// The values are checked where the type is used, so that the message there can name the value that was written before.
//
// +kubebuilder:validation:MaxLength=32
type Requirement string

const (
	// Require lets nothing go on without it.
	Require Requirement = "Require"
	// Ignore does not look at it.
	Ignore Requirement = "Ignore"
)
