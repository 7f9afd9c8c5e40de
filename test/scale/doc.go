// Package scale measures a manager in a large cluster. The API server and etcd are real, and so are the objects in them: Nodes and pods as
// large as those of clouds, finished NodeReboots, Deployments, budgets. Nothing runs on the nodes: one process stands for all helpers, and
// answers orders at once. `make scale` prints a table; a small size is tested in every run of the tests.
package scale
