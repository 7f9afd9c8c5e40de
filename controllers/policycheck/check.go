// Package policycheck finds what is wrong with a RebootPolicy and the API server cannot see: what makes the manager report PolicyInvalid.
// It needs no cluster, so that a policy can be checked before it is applied. The manager asks the same functions, one part in
// controllers/plan/policies and one in controllers/gates: the two never disagree. What is wrong with silences, which
// controllers/silence finds, and with templates of notifications, which controllers/notify finds, makes no policy invalid: the manager
// reports it as the conditions SilencesFailing and NotificationsFailing.
package policycheck

import (
	"fmt"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
	"github.com/reboot-operator/reboot-operator/controllers/silence"
)

// Finding says where in the spec of a policy something is wrong, what it is, and what to write instead.
type Finding = policies.Finding

// Check returns all findings about a policy; none if the manager can use all of it. Defaults have to be filled in, as the API server does.
func Check(policy *v1alpha1.RebootPolicy) []Finding {
	return slices.Concat(policies.Check(policy), gates.Check(policy), silence.Check(policy), checkNotifications(policy))
}

func checkNotifications(policy *v1alpha1.RebootPolicy) []Finding {
	var findings []Finding
	for i := range policy.Spec.Notifications {
		if path, err := notify.CheckTemplates(&policy.Spec.Notifications[i]); err != nil {
			findings = append(findings, Finding{Path: fmt.Sprintf("notifications[%d].%s", i, path), Message: err.Error()})
		}
	}
	return findings
}
