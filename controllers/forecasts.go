package controllers

import (
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecaster"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// forecastMaker makes forecasts beside the passes. None of its methods waits for one.
type forecastMaker interface {
	// Says is what the status of policies should say, by name, as far as that is news.
	Says() map[string]*v1alpha1.ForecastStatus
	// Offer leaves what a pass has read, and the rollouts that its plan found.
	Offer(s *plan.Snapshot, rollouts []plan.Rollout)
	// Written says that the status of a policy was written, with this forecast.
	Written(policy *v1alpha1.RebootPolicy, says *v1alpha1.ForecastStatus)
}

func newForecaster(mgr manager.Manager, options *Options) *forecaster.Forecaster {
	return forecaster.New(forecaster.Options{Clock: options.Clock, Log: mgr.GetLogger().WithName("forecasts")})
}

// forecast hands over what a pass has read, planned and written. The snapshot has nothing that a later pass changes.
func (r *reconciler) forecast(s *snapshot, p *plan.Plan, written *outcome) {
	if r.forecasts == nil {
		return
	}
	for i := range p.Policies {
		change := &p.Policies[i]
		if slices.ContainsFunc(written.policies, func(policy *v1alpha1.RebootPolicy) bool { return policy.UID == change.Object.UID }) {
			r.forecasts.Written(change.Object, change.Status.Forecast)
		}
	}
	read := s.Snapshot
	r.forecasts.Offer(&read, p.Rollouts)
}
