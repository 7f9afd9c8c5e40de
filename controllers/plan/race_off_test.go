//go:build !race

package plan

// defaultRounds is how many fleets are simulated.
const defaultRounds = 3000
