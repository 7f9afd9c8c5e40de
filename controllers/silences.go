package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/silence"
	"github.com/reboot-operator/reboot-operator/controllers/silencer"
)

// silenceKeeper keeps silences in Alertmanagers. None of its methods waits for one.
type silenceKeeper interface {
	// Idle says that there is nothing to keep or to end.
	Idle() bool
	// Want says which silences there are to be from now on.
	Want(wishes []silence.Wish)
	// Failures are what fails, by policy.
	Failures() map[string][]model.SilenceFailure
}

// newSilencer makes what keeps silences, by the same rules as gates are asked.
func newSilencer(mgr manager.Manager, asker *gates.Asker, options *Options) *silencer.Silencer {
	return silencer.New(silencer.Options{
		Servers: func(entry *v1alpha1.AlertSilence) silencer.Server { return asker.Silences(entry) },
		Clock:   options.Clock, Log: mgr.GetLogger().WithName("silences"),
	})
}

// silence says which silences there are to be. It goes by what the plan is about to write, so that there is a silence when a drain begins
// and there is none when a reboot has failed.
func (r *reconciler) silence(s *snapshot, p *plan.Plan, now time.Time) {
	if r.silences == nil || !silence.Asks(s.Policies) && r.silences.Idle() {
		return
	}
	r.silences.Want(silence.Wishes(s.Policies, attemptsOf(s, p, now), now))
}

// attemptsOf are the attempts of NodeReboots that may matter for a silence, as the plan leaves them.
func attemptsOf(s *snapshot, p *plan.Plan, now time.Time) []silence.Attempt {
	next := map[string]*v1alpha1.NodeRebootStatus{}
	for i := range p.Work {
		for j := range p.Work[i].Reboots {
			change := &p.Work[i].Reboots[j]
			next[change.Object.Name] = &change.Status
		}
	}
	attempts := make([]silence.Attempt, 0, len(next))
	for _, reboot := range s.Reboots {
		status := next[reboot.Name]
		if status == nil {
			status = &reboot.Status
		}
		if silence.Matters(status, now) {
			attempts = append(attempts, silence.Attempt{Reboot: reboot, Status: status})
		}
	}
	return attempts
}

// silenceCollector reports about silences when it is scraped. A policy that asks for none has no series.
type silenceCollector struct{ keeper *silencer.Silencer }

var (
	silencesDesc = prometheus.NewDesc(prometheus.BuildFQName(metricsNamespace, "", "silences"),
		"Silences that the operator keeps in Alertmanagers now.", []string{labelPolicy}, nil)
	silencesOverdueDesc = prometheus.NewDesc(prometheus.BuildFQName(metricsNamespace, "", "silences_overdue"),
		"Silences that should have ended and cannot be ended: they may hide alerts until they expire.", []string{labelPolicy}, nil)
	silenceFailuresDesc = prometheus.NewDesc(prometheus.BuildFQName(metricsNamespace, "", "silence_failures_total"),
		"Attempts to create, renew or end a silence that failed.", []string{labelPolicy}, nil)
)

// Describe implements prometheus.Collector.
func (c silenceCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- silencesDesc
	descs <- silencesOverdueDesc
	descs <- silenceFailuresDesc
}

// Collect implements prometheus.Collector.
func (c silenceCollector) Collect(metrics chan<- prometheus.Metric) {
	for policy, number := range c.keeper.Numbers() {
		metrics <- prometheus.MustNewConstMetric(silencesDesc, prometheus.GaugeValue, float64(number.Silences), policy)
		metrics <- prometheus.MustNewConstMetric(silencesOverdueDesc, prometheus.GaugeValue, float64(number.Overdue), policy)
		metrics <- prometheus.MustNewConstMetric(silenceFailuresDesc, prometheus.CounterValue, float64(number.Failed), policy)
	}
}
