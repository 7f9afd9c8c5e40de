// Package gates asks what a plan has to know from outside before a node may start: Prometheus, Alertmanager, objects of the cluster, the
// pods that block their node, and whether there is room for the pods of a node. It judges nothing: it answers the questions of package
// plan.
//
// Questions are answered in the background, so that a server that hangs holds up no pass. A pass waits a moment for answers that it does
// not have (patience). An answer that something is in the way is used until there is a newer one; an answer that nothing is in the way is
// good for a short time (Interval), and no node starts on an older one. A question that a pass no longer asks is forgotten, so that nothing
// is polled when nothing waits. Pods are watched, not polled, for as long as they are asked for.
package gates
