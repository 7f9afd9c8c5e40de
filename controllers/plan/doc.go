// Package plan decides everything that reboot-operator does. It is pure: a plan is a function of a snapshot of the cluster and of the
// time, and nothing in this package can reach a client, a clock, a logger or a random number (a linter holds that).
//
// # How a plan is made
//
// Compute goes through the same stages each time:
//
//  1. Each node is assigned to one policy (assign.go).
//  2. The facts of each NodeReboot are brought up to date: which node and boot it is about, whether it is needed at all (need.go).
//  3. Open attempts are advanced: cordon, drain, reboot, recovery, and every way in which they can fail (attempts.go, and package attempt).
//  4. What is unavailable is counted (count.go), and waiting NodeReboots go through a chain of gates, in order (nodegates.go, order.go,
//     turngates.go, admission.go).
//     Those that pass all of them start, as long as every limit holds.
//  5. What nodes, NodeReboots and policies should look like is derived (nodestatus.go, status.go, policystatus.go), and old NodeReboots are
//     pruned (history.go).
//
// The earliest moment at which time alone would change the plan is part of the plan (Plan.Wake).
//
// # Invariants
//
//   - No start exceeds a limit: nodes that are down, cordoned, failed or under way all count, and so do grants in the slots object that
//     nobody has used yet. A limit of zero means zero.
//   - With strategy OneAtATime no two zones have a node under way.
//   - Nothing starts, and no host is ordered to reboot, while a policy is paused, only observes or is invalid; nothing starts while it is
//     halted.
//   - An order is never repeated: each has a sequence that is higher than all before.
//   - Only what the operator cordoned is uncordoned; only its own taint is touched.
//   - Success needs another boot ID, the node Ready, the sentinel gone since that boot, and its workloads as ready as before.
//   - What is known of an object that cannot be read is only used to do less (unreadable.go).
//   - The order of the input never changes the plan. The plan for a cluster to which a plan was applied is empty at the same instant,
//     unless something ended in it, or a cordon was rolled back: what that frees is free when it is written, and not before.
//
// simulate_test.go checks them on whole rollouts.
package plan
