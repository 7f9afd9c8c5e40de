// Package bench measures the operator: how close rollouts come to the least time that they can take, how fast it answers, what it asks of
// the API server, and what it needs of processor and memory. Each row of its table is a function that builds what it measures and can be
// run by itself. The figures go into a file from which docs/performance.md is made, and continuous integration compares figures that do not
// depend on the machine with a baseline.
package bench
