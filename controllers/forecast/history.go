package forecast

import "time"

// History is how long the steps of finished attempts took, by the policy that granted them.
type History struct {
	// Policies has the attempts by the name of the policy.
	Policies map[string][]Durations
}

// Durations are how long the steps of one attempt took.
type Durations struct {
	// Drain is from the order to drain until the node was drained.
	Drain time.Duration
	// Reboot is from the order to reboot until the node reported another boot.
	Reboot time.Duration
	// Proof is from then until the node was proved to be healthy, and uncordoned.
	Proof time.Duration
	// Recovery is from then until the workloads were as ready as before.
	Recovery time.Duration
}
