package model

import (
	"cmp"
	"time"
)

// SilenceFailure says that silences of one entry of a policy cannot be made or ended, and since when.
type SilenceFailure struct {
	Silence, Message string
	Since            time.Time
}

// CompareSilenceFailures puts failures into the order of their entries.
func CompareSilenceFailures(a, b SilenceFailure) int {
	return cmp.Or(cmp.Compare(a.Silence, b.Silence), cmp.Compare(a.Message, b.Message), a.Since.Compare(b.Since))
}
