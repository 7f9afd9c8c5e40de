// Package obstacle says what keeps a host from rebooting, or its node from being drained, by what its helper reported. It is asked before a
// node starts, before its drain and before its reboot, so that no node is drained in vain and no inhibitor lock is ignored.
package obstacle

import (
	"fmt"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// ToReboot is what is in the way of rebooting the host of a node as the policy says. Without a report nothing is known, and nothing is
// blocked.
func ToReboot(node string, policy *v1alpha1.RebootPolicy, report *v1alpha1.HelperReport) model.Verdict {
	if report == nil || len(report.Methods) == 0 {
		return model.Verdict{}
	}
	reboot := &policy.Spec.Reboot
	chosen := find(reboot.Method, report.Methods)
	if chosen == nil {
		return blocked(v1alpha1.ReasonHostCannotReboot, "The host of node %s cannot reboot: its helper was not installed with the method %s of "+
			"the policy, but with %s", node, reboot.Method, names(report.Methods))
	}
	switch {
	case chosen.Obstacle != "" && chosen.Kind == v1alpha1.ObstacleInhibited:
		return blocked(v1alpha1.ReasonRebootInhibited, "An inhibitor lock keeps the host of node %s from rebooting: %s", node, chosen.Obstacle)
	case chosen.Obstacle != "" && chosen.Kind == v1alpha1.ObstacleUnsupported:
		return blocked(v1alpha1.ReasonHostUnsupported, "The host of node %s%s cannot be rebooted by %s: %s",
			node, running(report.HostOS), chosen.Name, chosen.Obstacle)
	case chosen.Obstacle != "":
		return blocked(v1alpha1.ReasonHostCannotReboot, "The host of node %s cannot reboot: %s", node, chosen.Obstacle)
	case reboot.Via == v1alpha1.RebootViaKexec && chosen.Name == v1alpha1.RebootCommand:
		return blocked(v1alpha1.ReasonHostCannotReboot, "RebootPolicy %s has reboot.via: Kexec, and the helper of node %s was installed with a "+
			"command, which decides for itself how it reboots the host: remove reboot.via, or install the method Logind", policy.Name, node)
	}
	return model.Verdict{}
}

// ToDrain is why the helper of a node cannot drain it, if the policy drains nodes at all.
func ToDrain(node string, policy *v1alpha1.RebootPolicy, report *v1alpha1.HelperReport) model.Verdict {
	if report == nil || report.EvictionObstacle == "" || policy.Spec.Drain.Mode == v1alpha1.DrainModeSkip {
		return model.Verdict{}
	}
	return blocked(v1alpha1.ReasonEvictionForbidden, "The helper of node %s may not evict its pods: %s", node, report.EvictionObstacle)
}

// Method is the method by which a host reboots for an order: the method that the order names, otherwise the first one that its helper
// reports.
func Method(method v1alpha1.RebootMethod, report *v1alpha1.HelperReport) v1alpha1.RebootMethod {
	if report == nil || len(report.Methods) == 0 {
		return method
	}
	if chosen := find(method, report.Methods); chosen != nil {
		return chosen.Name
	}
	return method
}

// find the method that a policy means. A helper that could not find out which there are reports one with the name Installed, which stands
// for each of them.
func find(method v1alpha1.RebootMethod, methods []v1alpha1.MethodReport) *v1alpha1.MethodReport {
	if first := &methods[0]; method == "" || method == v1alpha1.RebootInstalled || first.Name == v1alpha1.RebootInstalled {
		return first
	}
	for i := range methods {
		if methods[i].Name == method {
			return &methods[i]
		}
	}
	return nil
}

func names(methods []v1alpha1.MethodReport) string {
	all := make([]string, 0, len(methods))
	for i := range methods {
		all = append(all, string(methods[i].Name))
	}
	return strings.Join(all, ", ")
}

func running(system string) string {
	if system == "" {
		return ""
	}
	return " (" + system + ")"
}

// blocked has a message that ends with a text of others, which may have a full stop or not.
func blocked(reason, format string, args ...any) model.Verdict {
	return model.Verdict{Reason: reason, Message: strings.TrimSuffix(fmt.Sprintf(format, args...), ".") + "."}
}
