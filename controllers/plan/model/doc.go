// Package model has the words that all parts of a plan share: what is known of nodes, pods and workloads, what a gate is asked and answers,
// what keeps a NodeReboot from moving, and the moment for which a plan is made. It decides nothing.
package model
