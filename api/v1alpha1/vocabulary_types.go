package v1alpha1

// TimeoutAction says what happens when time runs out: of a hook, of pods that may finish, of a window.
// ---
// The values are checked where the type is used, so that the message there can name the value that was written before.
//
// +kubebuilder:validation:MaxLength=32
type TimeoutAction string

const (
	// TimeoutAbort ends the attempt and restores the node. When nothing can be rolled back, the attempt stalls.
	TimeoutAbort TimeoutAction = "Abort"
	// TimeoutContinue goes ahead regardless.
	TimeoutContinue TimeoutAction = "Continue"
)

// Requirement says whether something must be in place before a node continues.
// ---
// The values are checked where the type is used, so that the message there can name the value that was written before.
//
// +kubebuilder:validation:MaxLength=32
type Requirement string

const (
	// Require lets nothing continue without it.
	Require Requirement = "Require"
	// Ignore does not check it.
	Ignore Requirement = "Ignore"
)
