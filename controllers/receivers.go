package controllers

import (
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// receiverTeller notifies the receivers of policies about rollouts, alongside the passes: no pass waits for it.
type receiverTeller interface {
	// Observe takes the objects as they are after a pass. Nobody changes them.
	Observe(policies []*v1alpha1.RebootPolicy, reboots []*v1alpha1.NodeReboot)
	// Problems are those with receivers, by the name of the policy.
	Problems() map[string]model.NotificationProblem
}

// wrote notes a NodeReboot as it is after its status was written: no other pass may follow.
func (o *outcome) wrote(reboot *v1alpha1.NodeReboot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reboots = append(o.reboots, reboot)
}

func (o *outcome) wrotePolicy(policy *v1alpha1.RebootPolicy) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.policies = append(o.policies, policy)
}

// tell hands over what a pass has read and written.
func (r *reconciler) tell(s *snapshot, written *outcome) {
	if r.receivers != nil {
		r.receivers.Observe(replaced(s.Policies, written.policies, nameOfPolicy), replaced(s.Reboots, written.reboots, nameOfReboot))
	}
}

func nameOfPolicy(policy *v1alpha1.RebootPolicy) string { return policy.Name }

// replaced is a list with newer objects in the place of those that have their names.
func replaced[T any](list, newer []*T, name func(*T) string) []*T {
	if len(newer) == 0 {
		return list
	}
	byName := make(map[string]*T, len(newer))
	for _, object := range newer {
		byName[name(object)] = object
	}
	list = slices.Clone(list)
	for i, object := range list {
		if is := byName[name(object)]; is != nil {
			list[i] = is
		}
	}
	return list
}
