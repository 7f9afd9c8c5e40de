package model

// NotificationProblem is what keeps a receiver of a policy's notifications from being notified.
type NotificationProblem struct {
	// Reason is NotificationInvalid or NotificationFailed.
	Reason, Message string
}
