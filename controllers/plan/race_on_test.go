//go:build race

package plan

// defaultRounds is how many fleets are simulated. With the race detector each takes ten times as long, and there is nothing to race.
const defaultRounds = 50
