// Package kured reads a configuration of kured and writes what behaves the same here: a RebootPolicy, values of the chart, and findings
// about what could not be carried over, each with the line that it is about.
//
// It has four steps. Read finds the configuration in Helm values, a Flux HelmRelease, an Argo CD Application or a DaemonSet, and keeps for
// each argument and environment variable where it was written. Values of the chart become the arguments that kured's chart renders, so
// that only one reader of flags exists. The flags are then parsed as kured parses them. What they mean becomes fields of a policy and
// values. Nothing is guessed: where the meaning is not certain, and a wrong answer could reboot a node that kured would not have
// rebooted, there is no policy at all.
package kured
