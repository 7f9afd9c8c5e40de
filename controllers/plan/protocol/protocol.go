// Package protocol says what a helper has to know to carry out what a policy says. Manager and helpers are updated one after the other, and
// a helper ignores a field that it does not know: whatever must not be ignored has a level here.
package protocol

import (
	"cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// feature is something that a helper must not ignore.
type feature struct {
	// field of a RebootPolicy, or of a NodeReboot.
	field string
	// level of the protocol since which helpers know it.
	level int32
	// used says that the policy makes use of it.
	used func(*v1alpha1.RebootPolicySpec) bool
}

// features in the order of their levels. Raise v1alpha1.ProtocolLevel with each new level.
var features = []feature{
	{"status.order", 1, always}, // Helpers of level 0 read the selectors of orders to drain otherwise, and report no level.
	{"status.order.drain.leave", Leave, never},
	{"reboot.via", 2, kexec},
}

// Leave is the level since which helpers leave the pods that an order to drain says. No policy asks for that: it depends on where else the
// manager can run.
const Leave = 2

func always(*v1alpha1.RebootPolicySpec) bool { return true }

// kexec: an older helper would reboot the host through its firmware.
func kexec(spec *v1alpha1.RebootPolicySpec) bool { return spec.Reboot.Via == v1alpha1.RebootViaKexec }

func never(*v1alpha1.RebootPolicySpec) bool { return false }

// Needed is the level that an order has by what the policy says.
func Needed(spec *v1alpha1.RebootPolicySpec) int32 {
	level := int32(0)
	for i := range features {
		if features[i].used(spec) {
			level = max(level, features[i].level)
		}
	}
	return level
}

// Known blocks a node whose helper does not know something that the policy uses. Without a report nothing is known, and nothing blocked.
func Known(node string, policy *v1alpha1.RebootPolicy, report *v1alpha1.HelperReport) model.Verdict {
	if report == nil {
		return model.Verdict{}
	}
	for i := range features {
		f := &features[i]
		if f.level <= report.Protocol || !f.used(&policy.Spec) {
			continue
		}
		return model.Blocked(v1alpha1.ReasonHelperTooOld,
			"The helper of node %s (%s) knows protocol %d, and %s of RebootPolicy %s needs protocol %d: "+
				"update the DaemonSet of the helpers to the version of the manager.",
			node, cmp.Or(report.Version, "no version reported"), report.Protocol, f.field, policy.Name, f.level)
	}
	return model.Verdict{}
}
