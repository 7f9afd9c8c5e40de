package plan

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestRefusedEvictionsAreTriedAgainWhenTheirBudgetAllowsThem(t *testing.T) {
	web := WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}
	for name, tc := range map[string]struct {
		budget *Workload
		change func(*v1alpha1.HelperReport)
		want   []string
	}{
		"it allows none":                    {budget: &Workload{}},
		"it allows one":                     {budget: &Workload{DisruptionsAllowed: 1}, want: []string{"web-1"}},
		"it allows some":                    {budget: &Workload{DisruptionsAllowed: 3}, want: []string{"web-1", "web-2", "web-3"}},
		"it allows more than were refused":  {budget: &Workload{DisruptionsAllowed: 9}, want: []string{"web-1", "web-2", "web-3", "web-4"}},
		"its controller has not caught up":  {budget: &Workload{DisruptionsAllowed: 1, Stale: true}},
		"it is gone":                        {},
		"something else refuses":            {budget: &Workload{DisruptionsAllowed: 9}, change: by("admission webhook \"web\"")},
		"a budget of another name refuses":  {budget: &Workload{DisruptionsAllowed: 9}, change: by("PodDisruptionBudget other")},
		"the report is about another order": {budget: &Workload{DisruptionsAllowed: 9}, change: func(r *v1alpha1.HelperReport) { r.Sequence++ }},
		"nothing is refused any longer":     {budget: &Workload{DisruptionsAllowed: 9}, change: func(r *v1alpha1.HelperReport) { r.Drain.Refused = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageDraining)
			refuse(s)
			s.settle()
			if order := s.reboot("ra").Status.Order; order.Drain.Retry != nil {
				t.Fatalf("nobody knows the budget, and it says %+v", order.Drain.Retry)
			}
			sequence := s.reboot("ra").Status.Order.Sequence
			if tc.budget != nil {
				s.Workloads[web] = *tc.budget
			}
			if tc.change != nil {
				s.report("ra", tc.change)
			}
			s.settle()
			order := s.reboot("ra").Status.Order
			var got []string
			for _, pod := range order.Drain.Retry {
				got = append(got, pod.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || order.Sequence != sequence {
				t.Errorf("order %d, to be tried again (-want +got):\n%s", order.Sequence, diff)
			}
		})
	}
}

func by(refuser string) func(*v1alpha1.HelperReport) {
	return func(r *v1alpha1.HelperReport) {
		r.Drain.Refused = slices.Clone(r.Drain.Refused)
		for i := range r.Drain.Refused {
			r.Drain.Refused[i].By = refuser
		}
	}
}

// A budget that allows one eviction has one drain try it: the other one would be refused.
func TestOneOfTwoDrainsTriesTheEvictionThatTheirBudgetAllows(t *testing.T) {
	p := &planning{snapshot: &Snapshot{Workloads: map[WorkloadKey]Workload{
		{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}: {DisruptionsAllowed: 3},
	}}, evictions: map[WorkloadKey]int32{}}
	var got [][]v1alpha1.PodReference
	for _, pods := range [][]string{{"a-1", "a-2"}, {"b-1", "b-2"}} {
		reboot := &v1alpha1.NodeReboot{}
		reboot.Status.Order = &v1alpha1.RebootOrder{Sequence: 1, Action: v1alpha1.ActionDrain}
		reboot.Status.Report = &v1alpha1.HelperReport{Sequence: 1, Drain: &v1alpha1.DrainProgress{}}
		for _, pod := range pods {
			reboot.Status.Report.Drain.Refused = append(reboot.Status.Report.Drain.Refused,
				v1alpha1.RefusedPod{Namespace: "apps", Name: pod, By: "PodDisruptionBudget web"})
		}
		got = append(got, p.retry(reboot))
	}
	want := [][]v1alpha1.PodReference{{{Namespace: "apps", Name: "a-1"}, {Namespace: "apps", Name: "a-2"}}, {{Namespace: "apps", Name: "b-1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("to be tried again (-want +got):\n%s", diff)
	}
}
