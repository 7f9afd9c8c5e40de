package policies

import (
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/api/decode"
)

// Times for what is under way already when a policy turns out not to be readable. They are the defaults of the API.
const (
	rebootTimeoutSeconds   = 900
	recoveryTimeoutSeconds = 1800
	maxAttempts            = 3
)

// SetAside says that a part of the policy cannot be read; of no policy, no. What is left of such a policy is used only to do less: it keeps
// its nodes from policies after it, and nothing starts on them.
func (p *Policy) SetAside() bool { return p != nil && p.Object.SetAside() }

// Unknown says that something of what is at a path of the spec, such as rollout.zones, cannot be read.
func (p *Policy) Unknown(path string) bool {
	return p.SetAside() &&
		slices.ContainsFunc(p.Object.Unreadable, func(problem decode.Problem) bool { return problem.Covers("spec." + path) })
}

// parseRest uses what can be read. A policy whose nodes are unknown may own any node, and a policy of unknown priority comes first.
func (p *Policy) parseRest() {
	p.Invalid = "it cannot be read (" + decode.List(p.Object.Unreadable) + ")"
	if p.Unknown("nodes") || p.Unknown("nodeSelector") {
		p.Selector = labels.Everything()
		p.Invalid += "; which nodes it selects is not known, so it keeps every node that no policy before it owns"
	}
	if p.Unknown("priority") {
		p.Priority = math.MaxInt32
	}
	spec := *p.Spec
	orDefault := func(path string, field **int32, value int32) {
		if p.Unknown(path) {
			*field = &value
		}
	}
	orDefault("reboot.timeoutSeconds", &spec.Reboot.TimeoutSeconds, rebootTimeoutSeconds)
	orDefault("recovery.timeoutSeconds", &spec.Recovery.TimeoutSeconds, recoveryTimeoutSeconds)
	orDefault("failure.maxAttempts", &spec.Failure.MaxAttempts, maxAttempts)
	if p.Unknown("failure.nodeGoneTimeoutSeconds") {
		spec.Failure.NodeGoneTimeoutSeconds = nil
	}
	p.Spec = &spec
}
