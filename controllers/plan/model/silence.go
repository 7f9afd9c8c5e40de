package model

import (
	"cmp"
	"time"
)

// SilenceFailure says that silences of one entry of a policy cannot be made, ended or listed, and since when.
type SilenceFailure struct {
	// Ending: they cannot be ended, so that alerts may stay hidden, until Until at the latest. Finding: those that an earlier manager made
	// cannot be listed, so that the same holds for these. Otherwise they cannot be made or renewed, so that alerts may reach people.
	Ending  bool
	Finding bool
	Silence string
	// Node is the first of so many Nodes; empty if it is about all.
	Node    string
	Nodes   int
	Message string
	Since   time.Time
	Until   time.Time
}

// CompareSilenceFailures puts failures into the order of their entries. Those that hide alerts come first: a long message is cut.
func CompareSilenceFailures(a, b SilenceFailure) int {
	return cmp.Or(
		-compareBools(a.Ending, b.Ending), cmp.Compare(a.Silence, b.Silence), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Message, b.Message),
		a.Since.Compare(b.Since),
	)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
