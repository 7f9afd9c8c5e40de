// Package forecast says when each node has its turn, when a rollout is done, and what will keep it from that. It is pure, and it has no
// scheduler of its own: it runs the planner ahead of time, over a model of the cluster.
//
// # How a forecast is made
//
//  1. The first plan is made of the whole snapshot, and carried out in the model (cluster.go, fleet.go).
//  2. A run begins there. Its clock jumps from event to event: a drain is over, a host is back, pods are ready elsewhere, a window opens.
//     After each event the planner makes a plan, which is carried out at once (run.go, host.go, pods.go).
//  3. The first run takes the median of every duration that was measured (history.go). The others draw theirs. What half of all runs do not
//     exceed is P50, and what nine of ten do not exceed is P90 (forecasts.go).
//  4. A node that is not done when nothing happens anymore has an obstacle: what the last plan says (obstacles.go).
//
// # Invariants
//
//   - The input is never changed, and the same input has the same forecast, whatever the order of what is in it.
//   - What is in the way now, and no clock ends, stays in the way: such a node has an obstacle, and no time that moves on with each
//     forecast.
//   - An obstacle is permanent only if time does not end it.
//   - Every forecast ends: the number of plans, and what they look at, is bounded. One that hits a bound says so.
//
// Large fleets are not shown to the planner as a whole (reduce.go).
package forecast
