package model

// Event tells people what happened.
type Event struct {
	// Warning events are for what a person should look at.
	Warning bool
	Reason  string
	Message string
	// OnNode reports it where people look when a node does something: the event is about the Node, and related to the NodeReboot. Others are
	// about the NodeReboot. An event about both would be two writes.
	OnNode bool
}
