//go:build linux

package forecast_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// bigFleet has nodes in three zones that all need a reboot, and a history of three of each.
func bigFleet(nodes int, options ...policyOption) *plan.Snapshot {
	s := newSnapshot(newPolicy("p", append([]policyOption{longestRequired}, options...)...))
	for i := range nodes {
		name := fmt.Sprintf("node-%05d", i)
		needing(s, fmt.Sprintf("zone-%d", i%3), name)
		for j := range 3 {
			wobble := time.Duration((i*7+j*13)%60) * time.Second
			s.Reboots = append(s.Reboots, past(name, j, "p", forecast.Durations{
				Drain: time.Minute + wobble, Reboot: 2*time.Minute + wobble, Proof: 10 * time.Second, Recovery: 2 * time.Minute,
			}))
		}
		app(s, "app-"+name, name)
	}
	return s
}

// budgets has an application on every tenth of each hundred nodes, of which a budget lets one pod go at a time: of twenty nodes in line,
// two share each budget.
func budgets(s *plan.Snapshot) {
	for i := range len(s.Nodes) / 10 {
		var nodes []string
		for j := range 10 {
			nodes = append(nodes, s.Nodes[i/10*100+i%10+10*j].Name)
		}
		key := app(s, fmt.Sprintf("shared-%d", i), nodes...)
		covered := model.WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: key.Namespace, Name: key.Name}
		s.Workloads[covered] = model.Workload{Ready: 10, Desired: 9, Expected: 10, DisruptionsAllowed: 1}
		for _, node := range nodes {
			pod := &s.Pods[node][len(s.Pods[node])-1]
			pod.Workloads = append(pod.Workloads, covered)
		}
	}
}

func benchmark(b *testing.B, nodes int, limit time.Duration) {
	for name, options := range map[string][]policyOption{
		"one at a time": {maxUnavailable("1")},
		"2%":            {maxUnavailable("2%"), anyOrder},
		"10% by zone":   {maxUnavailable("10%")},
		"FewestMoves":   {maxUnavailable("5"), func(s *v1alpha1.RebootPolicySpec) { s.Rollout.NodeOrder = "FewestMoves" }},
		"windows":       {maxUnavailable("1%"), daily("0 22 * * *", 4*time.Hour)},
		"budgets":       {maxUnavailable("20"), anyOrder},
	} {
		b.Run(name, func(b *testing.B) {
			s := bigFleet(nodes, options...)
			if name == "budgets" {
				budgets(s)
			}
			b.ReportAllocs()
			began := cpuTime(b)
			var f *forecast.Forecast
			for b.Loop() {
				f = forecast.Compute(forecast.Input{Snapshot: s, Now: start})
			}
			b.ReportMetric(float64(f.Samples), "samples")
			// Whatever else the machine does takes no CPU time of this process.
			took := (cpuTime(b) - began) / time.Duration(b.N)
			b.ReportMetric(took.Seconds(), "cpu-s/forecast")
			if took > limit {
				b.Errorf("a forecast takes %s, more than %s", took, limit)
			}
			if f.Policies[0].Unknown > 0 || !f.Policies[0].Finish.Known() {
				b.Errorf("%d nodes have no forecast: %s", f.Policies[0].Unknown, f.Why)
			}
			b.Logf("%s %s, p90 %s", f.Why, minute(f.Policies[0].Finish), f.Policies[0].Finish.Late().Sub(start))
		})
	}
}

// cpuTime that the process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkForecast1000(b *testing.B)  { benchmark(b, 1000, 2*time.Second) }
func BenchmarkForecast15000(b *testing.B) { benchmark(b, 15000, 30*time.Second) }
