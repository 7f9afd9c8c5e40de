// Package placement says whether the pods of a node would fit on the other nodes. A Cluster is a projection of nodes, pods and volumes that
// is kept up to date one object at a time. A Room is a question about it: nodes leave, and their pods are placed one after the other by the
// rules of the scheduler's filters. A placement that it finds exists; if it finds none, that does not prove that there is none.
//
// It has no client, clock, context or logger, and changes nothing but itself.
package placement
