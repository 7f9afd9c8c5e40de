package model

// NotificationProblem is what keeps a receiver of a policy's notifications from being told.
type NotificationProblem struct {
	// Reason is NotificationInvalid or NotificationFailed.
	Reason, Message string
}
