// Package policies has RebootPolicies as the operator understands them: their selectors, where their schedules stand at a moment, and which
// gates they have. It knows nothing of the nodes that a policy owns.
package policies
