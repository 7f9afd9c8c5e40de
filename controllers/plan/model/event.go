package model

// Event tells people what happened.
type Event struct {
	// Warning events are for what a person should look at.
	Warning bool
	Reason  string
	Message string
	// OnNode emits the event for the Node as well.
	OnNode bool
}
