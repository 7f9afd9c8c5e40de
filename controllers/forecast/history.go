package forecast

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// History is how long the steps of finished attempts took, by the name of the policy that granted them.
type History struct {
	Policies map[string][]Durations
}

// Durations are how long the steps of one attempt took.
type Durations struct {
	// Drain is from the order to drain until the node was drained, without the time for which budgets delayed that.
	Drain time.Duration
	// Reboot is from the order to reboot until the node reported another boot.
	Reboot time.Duration
	// Proof is from then until the node was proved to be healthy itself, and uncordoned.
	Proof time.Duration
	// Recovery is from when the node was drained until the workloads that had pods on it were as ready as before.
	Recovery time.Duration
}

// DefaultDurations are those of an attempt where none was measured.
var DefaultDurations = Durations{Drain: time.Minute, Reboot: 150 * time.Second, Proof: 15 * time.Second, Recovery: 2 * time.Minute}

// HistoryOf measures the attempts of NodeReboots that succeeded.
func HistoryOf(reboots []*v1alpha1.NodeReboot, policies []*v1alpha1.RebootPolicy) History {
	settle := map[string]time.Duration{}
	for _, policy := range policies {
		settle[policy.Name] = model.Seconds(policy.Spec.Recovery.SettleSeconds)
	}
	type measured struct {
		name      string
		durations Durations
	}
	all := map[string][]measured{}
	for _, reboot := range reboots {
		s := &reboot.Status
		if s.Outcome != v1alpha1.OutcomeSucceeded || s.Attempt == nil {
			continue
		}
		policy := cmp.Or(s.Attempt.PolicyName, s.PolicyName)
		if d, complete := durationsOf(s.Attempt, settle[policy]); complete {
			d.Drain = max(0, d.Drain-budgetWait(s.Report))
			all[policy] = append(all[policy], measured{reboot.Name, d})
		}
	}
	h := History{Policies: map[string][]Durations{}}
	for policy, attempts := range all {
		slices.SortFunc(attempts, func(a, b measured) int { return cmp.Compare(a.name, b.name) })
		for _, attempt := range attempts {
			h.Policies[policy] = append(h.Policies[policy], attempt.durations)
		}
	}
	return h
}

// settled is how much later than it could a pass may see that nothing but the time to settle was waited for.
const settled = time.Second

// durationsOf an attempt; false if it has not taken every step. Where the workloads were ready before anyone looked, they took no longer
// than everything else.
func durationsOf(a *v1alpha1.Attempt, settle time.Duration) (Durations, bool) {
	if a.DrainedTime == nil || a.RebootOrderedTime == nil || a.BackTime == nil || a.UncordonedTime == nil || a.EndedTime == nil {
		return Durations{}, false
	}
	between := func(from, to *metav1.MicroTime) time.Duration { return max(0, to.Sub(from.Time)) }
	d := Durations{
		Reboot: between(a.RebootOrderedTime, a.BackTime), Proof: between(a.BackTime, a.UncordonedTime),
		Recovery: between(a.DrainedTime, a.UncordonedTime),
	}
	if a.DrainOrderedTime != nil {
		d.Drain = between(a.DrainOrderedTime, a.DrainedTime)
	}
	since := ptr.Deref(a.SettlingSince, *a.UncordonedTime)
	if r := ptr.Deref(a.RecoveredTime, *a.EndedTime); r.Sub(since.Time) > settle+settled {
		d.Recovery = between(a.DrainedTime, &r)
	}
	return d, true
}

// budgetWait is how much earlier a drain would have ended without budgets. A run waits for budgets by itself.
func budgetWait(report *v1alpha1.HelperReport) time.Duration {
	if report == nil || report.Drain == nil {
		return 0
	}
	return time.Duration(report.Drain.BudgetWaitMilliseconds) * time.Millisecond
}

// chances are the durations that may be drawn for the nodes of a policy.
type chances struct {
	measured []Durations
	median   Durations
}

// source is where the durations of all policies come from.
type source struct {
	history History
	of      map[string]*chances
	all     []Durations
	// defaults of policies, by name.
	defaults map[string]Durations
}

func newSource(h History, policies []*v1alpha1.RebootPolicy) *source {
	s := &source{history: h, of: map[string]*chances{}, defaults: make(map[string]Durations, len(policies))}
	for _, policy := range policies {
		s.defaults[policy.Name] = defaultsOf(&policy.Spec)
	}
	for _, policy := range slices.Sorted(maps.Keys(h.Policies)) {
		s.all = append(s.all, h.Policies[policy]...)
	}
	return s
}

// chancesOf a policy: what was measured of it, otherwise of all policies, otherwise the defaults.
func (s *source) chancesOf(policy string) *chances {
	if s.of[policy] == nil {
		measured := s.history.Policies[policy]
		if len(measured) == 0 {
			measured = s.all
		}
		c := &chances{measured: measured, median: s.defaultOf(policy)}
		if len(measured) > 0 {
			c.median = medianOf(measured)
		}
		s.of[policy] = c
	}
	return s.of[policy]
}

func (s *source) defaultOf(policy string) Durations {
	if d, known := s.defaults[policy]; known {
		return d
	}
	return DefaultDurations
}

// defaultsOf a policy are DefaultDurations, as far as its timeouts leave room: who wrote them expects that they are long enough.
func defaultsOf(spec *v1alpha1.RebootPolicySpec) Durations {
	within := func(d time.Duration, timeout *int32) time.Duration {
		if limit := model.Seconds(timeout); limit > 0 {
			return min(d, limit/2)
		}
		return d
	}
	d := DefaultDurations
	d.Drain, d.Reboot = within(d.Drain, spec.Drain.TimeoutSeconds), within(d.Reboot, spec.Reboot.TimeoutSeconds)
	d.Proof, d.Recovery = within(d.Proof, spec.Recovery.TimeoutSeconds), within(d.Recovery, spec.Recovery.TimeoutSeconds)
	return d
}

func medianOf(measured []Durations) Durations {
	median := func(step func(d *Durations) time.Duration) time.Duration {
		all := make([]time.Duration, len(measured))
		for i := range measured {
			all[i] = step(&measured[i])
		}
		slices.Sort(all)
		return all[(len(all)-1)/2]
	}
	return Durations{
		Drain:    median(func(d *Durations) time.Duration { return d.Drain }),
		Reboot:   median(func(d *Durations) time.Duration { return d.Reboot }),
		Proof:    median(func(d *Durations) time.Duration { return d.Proof }),
		Recovery: median(func(d *Durations) time.Duration { return d.Recovery }),
	}
}

// says where the durations of a policy come from.
func (s *source) says(policy string) string {
	if n := len(s.history.Policies[policy]); n > 0 {
		return fmt.Sprintf("The durations of RebootPolicy %s are those of %s that it granted.", policy, model.Count(n, "finished attempt"))
	}
	if n := len(s.all); n > 0 {
		return fmt.Sprintf("RebootPolicy %s has no finished attempt, so its durations are those of %s of other policies.",
			policy, model.Count(n, "finished attempt"))
	}
	d := s.defaultOf(policy)
	return fmt.Sprintf("No attempt has finished yet, so RebootPolicy %s is assumed to drain a node in %s, and its hosts to reboot in %s; "+
		"workloads are assumed to be ready %s after the drain.", policy, spoken(d.Drain), spoken(d.Reboot+d.Proof), spoken(d.Recovery))
}

// spoken writes a duration without the parts that are zero.
func spoken(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// varies says whether there is anything to draw for a policy.
func (s *source) varies(policy string) bool {
	measured := s.chancesOf(policy).measured
	return len(measured) > 1 && slices.ContainsFunc(measured[1:], func(d Durations) bool { return d != measured[0] })
}

// draw returns the durations of one attempt. The sample 0 has the medians. What is drawn depends on nothing but the arguments, so that it
// does not matter in which order things happen. All steps are those of one attempt that was measured: a host that is slow in one step is
// likely to be slow in the next.
func (s *source) draw(policy, node string, attempt int32, sample int, seed uint64) Durations {
	c := s.chancesOf(policy)
	if sample == 0 || len(c.measured) == 0 {
		return c.median
	}
	h := seed ^ mix(uint64(sample))
	for _, part := range []string{policy, "/", node} {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * 1099511628211 // FNV
		}
	}
	return c.measured[mix(h+uint64(attempt))%uint64(len(c.measured))]
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
