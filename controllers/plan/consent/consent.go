// Package consent says who has to agree to a reboot: the policy's mode and schedule, and people, by a label or an approval. The same gates
// are asked before a node starts, and again all the way to the order to reboot.
package consent

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// Skip blocks a node that a person labeled to be left alone.
func Skip(node *model.Node) model.Verdict {
	if !node.Skipped() {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonSkipped, "Node %s has the label %s: it is left alone until the label is removed.",
		node.Name, v1alpha1.SkipLabel)
}

// Valid blocks what a policy owns that cannot be understood.
func Valid(p *policies.Policy) model.Verdict {
	if p.Invalid == "" {
		return model.Verdict{}
	}
	return model.Blocked(v1alpha1.ReasonPolicyInvalid, "RebootPolicy %s cannot be used: %s.", p.Name(), p.Invalid)
}

// Enforced passes only in mode Enforce.
func Enforced(p *policies.Policy) model.Verdict {
	switch p.Spec.Mode {
	case v1alpha1.ModeEnforce:
		return model.Verdict{}
	case v1alpha1.ModeObserve:
		return model.Blocked(v1alpha1.ReasonObserving, "Would start now; RebootPolicy %s only observes.", p.Name())
	default:
		return model.Blocked(v1alpha1.ReasonPaused, "RebootPolicy %s is paused.", p.Name())
	}
}
