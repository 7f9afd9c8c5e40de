// Package forecast says when each node will have its turn, and when a rollout will be done. It is pure, and has no scheduler of its own: it
// runs the planner ahead of time, over a model of the cluster.
package forecast
