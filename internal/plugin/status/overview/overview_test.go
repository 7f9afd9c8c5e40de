package overview_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/statustest"
)

var (
	now   = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	fleet = statustest.Fleet{Now: now}
)

func only(reboots ...*v1alpha1.NodeReboot) *overview.Policy {
	return &overview.Of([]*v1alpha1.RebootPolicy{fleet.Policy("p")}, reboots, nil, now).Policies[0]
}

// required since a time.
func required(ago time.Duration) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		r.Name += "-" + ago.String()
		r.Status.RequiredSince = &metav1.MicroTime{Time: now.Add(-ago)}
	}
}

func TestARolloutIsEverythingWhoseTimesOverlap(t *testing.T) {
	t.Parallel()
	succeeded := func(ago time.Duration) func(*v1alpha1.NodeReboot) {
		return fleet.Done(ago, v1alpha1.OutcomeSucceeded, "Proved")
	}
	open := fleet.Reboot("p", "a", "open", required(2*time.Hour))
	overlaps := fleet.Reboot("p", "a", "overlaps", succeeded(time.Hour), required(4*time.Hour))
	chained := fleet.Reboot("p", "a", "chained", succeeded(3*time.Hour), required(5*time.Hour))
	before := fleet.Reboot("p", "a", "before", succeeded(6*time.Hour), required(7*time.Hour))
	cancelled := fleet.Reboot("p", "a", "cancelled", fleet.Done(time.Hour, v1alpha1.OutcomeCancelled, "NeedWithdrawn"), required(9*time.Hour))
	failed := fleet.Reboot("p", "a", "failed", fleet.Done(time.Hour, v1alpha1.OutcomeFailed, "NodeGone"), required(2*time.Hour))
	again := fleet.Reboot("p", "a", "open", succeeded(time.Hour), required(2*time.Hour))
	for name, c := range map[string]struct {
		reboots []*v1alpha1.NodeReboot
		since   time.Duration
		counts  [3]int // waiting, done, failed
	}{
		"what overlaps with what is open": {[]*v1alpha1.NodeReboot{open, overlaps, chained, before}, 5 * time.Hour, [3]int{1, 2, 0}},
		"what is cancelled does not":      {[]*v1alpha1.NodeReboot{open, cancelled, before}, 2 * time.Hour, [3]int{1, 0, 0}},
		"the last one, if none is open":   {[]*v1alpha1.NodeReboot{chained, before}, 5 * time.Hour, [3]int{0, 1, 0}},
		"a node counts once":              {[]*v1alpha1.NodeReboot{open, again, failed}, 2 * time.Hour, [3]int{1, 0, 1}},
	} {
		p := only(c.reboots...)
		if got := [3]int{p.Waiting, p.Done, p.Failed}; got != c.counts || !p.Since.Time.Equal(now.Add(-c.since)) {
			t.Errorf("%s: %v since %s", name, got, p.Since)
		}
	}
}

func TestTheReportOfAnEarlierOrderSaysNothingAboutThisOne(t *testing.T) {
	t.Parallel()
	r := fleet.Reboot("p", "a", "n", fleet.Drains(time.Minute, 3, 12))
	if n := overview.NodeOf(r); n.Pods() != "3 of 12" {
		t.Errorf("pods left: %q", n.Pods())
	}
	r.Status.Order.Sequence = 2
	if n := overview.NodeOf(r); n.Pods() != "" {
		t.Errorf("pods left by an earlier report: %q", n.Pods())
	}
}

func TestWaitingNodesAreInTheOrderInWhichTheyGo(t *testing.T) {
	t.Parallel()
	reboots := []*v1alpha1.NodeReboot{
		fleet.Reboot("p", "a", "blocked", required(9*time.Hour), fleet.Waits(v1alpha1.ReasonHelperNotReady, "No helper.", 0)),
		fleet.Reboot("p", "a", "later", required(time.Hour)),
		fleet.Reboot("p", "a", "longest", required(2*time.Hour)),
		fleet.Reboot("p", "a", "immediate", func(r *v1alpha1.NodeReboot) { r.Spec.Urgency = v1alpha1.UrgencyImmediate }, required(time.Minute)),
		fleet.Reboot("p", "a", "first", required(time.Minute)),
	}
	outlook := &overview.Outlook{Turns: map[string]overview.Turn{"first": {Position: 1, Of: 5}}}
	var names []string
	for _, n := range overview.Of([]*v1alpha1.RebootPolicy{fleet.Policy("p")}, reboots, outlook, now).Policies[0].Zones[0].Waiting {
		names = append(names, n.Name)
	}
	if diff := cmp.Diff([]string{"first", "immediate", "longest", "later", "blocked"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnAttemptCountsForThePolicyAndZoneThatGrantedIt(t *testing.T) {
	t.Parallel()
	r := fleet.Reboot("p", "a", "n", fleet.Drains(time.Minute, 3, 12))
	r.Status.PolicyName, r.Status.Zone = "other", "z"
	if p := only(r); p.UnderWay != 1 || p.Zones[0].Name != "a" {
		t.Errorf("%d under way in %v", p.UnderWay, p.Zones)
	}
}
