// Package testbed starts a real Kubernetes control plane on this machine and simulates nodes for it. etcd, the API server, the controller
// manager and the scheduler are the upstream programs, built from Go modules (package components); nothing else is downloaded. What is
// simulated is a node: a Host owns the status of its Node, renews its Lease, runs and ends the pods that the scheduler places on it after
// times that the pods themselves name, reboots when it is ordered to, and runs the real helper with the token of the real helper pod.
package testbed
