package main

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// shop is an application that a rollout has to wait for: its budget lets one of its replicas go at a time.
var shop = testbed.App{
	Name: "shop", Replicas: 4, ReadyAfter: 10 * time.Second, TerminateAfter: time.Second, SpreadZones: true, MaxUnavailable: ptr.To(1),
}

// guide is what a person can do with the cluster.
type guide struct {
	kubeconfig, programs string
	// node that the examples are about.
	node             string
	logs, managerLog string
}

// step is something to try: lines for a shell, which work in the order of the guide.
type step struct {
	title string
	lines []string
}

// stays marks a line that runs until it is interrupted.
const stays = "  # until Ctrl-C"

// policy is one for all nodes.
const policy = `kubectl apply -f - <<EOF
apiVersion: reboot-operator.io/v1alpha1
kind: RebootPolicy
metadata: {name: all}
spec: {nodes: All, rollout: {maxUnavailable: 2}}
EOF`

func (g *guide) steps() []step {
	require := func(nodes string) string {
		return fmt.Sprintf("kubectl annotate %s %s=true --overwrite", nodes, testbed.RebootRequiredAnnotation)
	}
	return []step{
		{"To use it, in another terminal:", []string{
			"export KUBECONFIG=" + g.kubeconfig, fmt.Sprintf("export PATH=%s:$PATH", g.programs),
			"kubectl get nodes -L topology.kubernetes.io/zone", "kubectl reboots version",
		}},
		{"A policy for all nodes, which does nothing as long as no host asks:", []string{policy, "kubectl reboots status"}},
		{"A host asks for a reboot. Its node is tainted at once, drained, rebooted, and waited for:", []string{
			require("node " + g.node), "kubectl reboots why " + g.node, fmt.Sprintf("kubectl reboots wait %s --for=proved", g.node),
			"kubectl reboots timeline " + g.node,
		}},
		{"All hosts ask. What will happen, and when?", []string{require("nodes --all"), "kubectl reboots plan"}},
		{"Pause, and resume:", []string{
			"kubectl reboots pause all", "kubectl reboots why " + g.node,
			"kubectl reboots resume all", "kubectl reboots status --watch" + stays, "kubectl reboots dashboard" + stays,
			"kubectl get nodereboots --watch" + stays, "kubectl reboots wait all --for=idle", "kubectl reboots timeline all",
			"kubectl get rebootpolicies",
		}},
	}
}

func (g *guide) text() string {
	var text strings.Builder
	text.WriteString("\nThe cluster runs until Ctrl-C.\n")
	for _, step := range g.steps() {
		fmt.Fprintf(&text, "\n%s\n\n", step.title)
		for _, line := range step.lines {
			// A document in a line has to stay at the margin: a shell looks for its end there.
			if !strings.Contains(line, "\n") {
				line = "  " + line
			}
			text.WriteString(line + "\n")
		}
	}
	fmt.Fprintf(&text, "\nLogs: %s, the manager's: %s\n", g.logs, g.managerLog)
	return text.String()
}
