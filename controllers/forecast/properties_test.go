package forecast_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func oneOf[T any](random *rand.Rand, values ...T) T { return values[random.IntN(len(values))] }

// randomFleet has up to most nodes in some zones, of which most need a reboot, and a policy of any kind.
func randomFleet(random *rand.Rand, most int) *plan.Snapshot {
	policy := newPolicy("p", maxUnavailable(oneOf(random, "1", "2", "5", "10%", "30%")), func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.NodeOrder = oneOf(random, v1alpha1.NodeOrderFewestMoves, v1alpha1.NodeOrderLongestRequired)
		s.Rollout.Zones.Strategy = oneOf(random, v1alpha1.ZonesOneAtATime, v1alpha1.ZonesAnyOrder)
		if s.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime {
			s.Rollout.Zones.SoakSeconds = ptr.To(oneOf[int32](random, 0, 0, 600, 7200))
		}
		if random.IntN(3) == 0 {
			s.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.FromInt32(1 + random.Int32N(3)))
		}
		if random.IntN(3) == 0 {
			canary(1+random.Int32N(2), oneOf[int32](random, 0, 1200))(s)
		}
		if random.IntN(4) == 0 {
			s.Rollout.AdaptiveDelay = v1alpha1.AdaptiveDelay{MinSeconds: ptr.To[int32](30), MaxSeconds: 300}
		}
		if random.IntN(3) == 0 {
			daily(oneOf(random, "0 22 * * *", "0 10 * * 6", "30 12 * * *"), oneOf(random, time.Hour, 4*time.Hour))(s)
		}
		s.Recovery.SettleSeconds = ptr.To(oneOf[int32](random, 0, 60))
	})
	s := newSnapshot(policy)
	nodes, zones := 3+random.IntN(most-2), 1+random.IntN(3)
	for i := range nodes {
		name := fmt.Sprintf("node-%04d", i)
		s.Nodes = append(s.Nodes, newNode(name, fmt.Sprintf("zone-%d", random.IntN(zones))))
		s.Pods[name] = nil
		if random.IntN(10) > 0 {
			s.Reboots = append(s.Reboots, newReboot(name, func(r *v1alpha1.NodeReboot) {
				r.CreationTimestamp.Time = start.Add(-time.Duration(random.IntN(7200)) * time.Second)
				if random.IntN(30) == 0 {
					immediate(r)
				}
			}))
		}
		if random.IntN(2) == 0 {
			d := minutes(float64(1+random.IntN(5)), float64(1+random.IntN(9)), float64(random.IntN(15)))
			s.Reboots = append(s.Reboots, past(name, random.IntN(3), "p", d))
		}
		app(s, "app-"+name, name)
		switch random.IntN(25) {
		case 0:
			s.Nodes[i].HelperReady, s.Nodes[i].HelperImpossible = false, true
		case 1:
			s.Nodes[i].Labels[v1alpha1.SkipLabel] = ""
		case 2:
			budget(s, app(s, "db-"+name, name), 0)
		case 3:
			s.Nodes[i].Labels[v1alpha1.ControlPlaneLabel] = ""
		}
	}
	return s
}

func TestForecastsOfRandomFleetsEndAndBreakNoPromise(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		s := randomFleet(rand.New(rand.NewPCG(seed, 2)), 120)
		before, err := json.Marshal(s.Reboots)
		if err != nil {
			t.Fatal(err)
		}
		f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, Samples: -1})
		if problem := broken(s, f); problem != "" {
			t.Errorf("seed %d: %s", seed, problem)
		}
		for i := range f.Nodes {
			n := &f.Nodes[i]
			known := n.Start.Known() && n.Back.Known() && n.Back.P50.After(*n.Start.P50)
			if known == (n.Obstacle != nil) {
				t.Errorf("seed %d: node %s: %+v", seed, n.Name, n)
			}
			if n.Obstacle != nil && !n.Obstacle.Permanent && !f.Coarse {
				t.Errorf("seed %d: nothing but what is permanent is in the way of node %s: %+v", seed, n.Name, n.Obstacle)
			}
		}
		if f.Coarse && f.Why[:12] == "The forecast" {
			t.Errorf("seed %d: %s", seed, f.Why)
		}
		if after, _ := json.Marshal(s.Reboots); !bytes.Equal(after, before) {
			t.Errorf("seed %d: the input was changed", seed)
		}
	}
}

// broken says which promise a forecast breaks.
func broken(s *plan.Snapshot, f *forecast.Forecast) string {
	spec := &s.Policies[0].Spec
	limit, _ := intstr.GetScaledValueFromIntOrPercent(spec.Rollout.MaxUnavailable, len(s.Nodes), false)
	inZone := len(s.Nodes)
	if l := spec.Rollout.Zones.MaxUnavailablePerZone; l != nil {
		inZone = l.IntValue()
	}
	for i := range f.Nodes {
		now := &f.Nodes[i]
		if !now.Start.Known() {
			continue
		}
		down, zone, others := 0, 0, 0
		for j := range f.Nodes {
			n := &f.Nodes[j]
			if !n.Start.Known() || n.Start.P50.After(*now.Start.P50) || !n.Back.P50.After(*now.Start.P50) {
				continue
			}
			down++
			if n.Zone == now.Zone {
				zone++
			} else {
				others++
			}
		}
		switch {
		case down > limit:
			return fmt.Sprintf("%d nodes are down at %s, and %d may be", down, minute(now.Start), limit)
		case zone > inZone:
			return fmt.Sprintf("%d nodes of zone %s are down at %s, and %d may be", zone, now.Zone, minute(now.Start), inZone)
		case others > 0 && spec.Rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime:
			return fmt.Sprintf("nodes of several zones are down at %s", minute(now.Start))
		}
	}
	return ""
}

func TestTheOrderOfTheInputDoesNotMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 3))
		s := randomFleet(random, 100)
		want := forecast.Compute(forecast.Input{Snapshot: s, Now: start, Samples: 4})
		random.Shuffle(len(s.Nodes), func(i, j int) { s.Nodes[i], s.Nodes[j] = s.Nodes[j], s.Nodes[i] })
		random.Shuffle(len(s.Reboots), func(i, j int) { s.Reboots[i], s.Reboots[j] = s.Reboots[j], s.Reboots[i] })
		if diff := cmp.Diff(want, forecast.Compute(forecast.Input{Snapshot: s, Now: start, Samples: 4})); diff != "" {
			t.Errorf("seed %d: it is another forecast (-want +got):\n%s", seed, diff)
		}
	}
}

// What is left out of large fleets is where their pods go, so where the order of nodes or a delay depends on that, it is nearly the same.
func TestLargeFleetsHaveTheForecastThatTheyWouldHaveInFull(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		s := randomFleet(rand.New(rand.NewPCG(seed, 4)), 130)
		in := forecast.Input{Snapshot: s, Now: start, Samples: -1, History: took(minutes(1, 2, 3))}
		want, got := forecast.ComputeInFull(in), forecast.Compute(in)
		a, b := want.Policies[0], got.Policies[0]
		takes, differs := a.Finish.Median().Sub(start), a.Finish.Median().Sub(b.Finish.Median()).Abs()
		rollout := &s.Policies[0].Spec.Rollout
		exact := rollout.NodeOrder == v1alpha1.NodeOrderLongestRequired && rollout.AdaptiveDelay.MaxSeconds == 0
		if a.Unknown != b.Unknown || exact && differs > 0 || differs > takes/8 {
			t.Errorf("seed %d: it ends at %s with %d unknown in full, and at %s with %d",
				seed, minute(a.Finish), a.Unknown, minute(b.Finish), b.Unknown)
		}
		for i := range want.Nodes {
			a, b := &want.Nodes[i], got.Node(want.Nodes[i].Name)
			if exact && (minute(a.Start) != minute(b.Start) || minute(a.Back) != minute(b.Back)) {
				t.Errorf("seed %d: node %s goes at %s in full, and at %s", seed, a.Name, minute(a.Start), minute(b.Start))
				break
			}
		}
	}
}

// fleetInZones has nodes in four zones that all need a reboot.
func fleetInZones(nodes int, options ...policyOption) *plan.Snapshot {
	s := newSnapshot(newPolicy("p", options...))
	for i := range nodes {
		needing(s, fmt.Sprintf("zone-%d", i%4), fmt.Sprintf("n%02d", i))
	}
	return s
}

// The nodes that a forecast of a large fleet leaves out decide nothing. These do.
func TestNodesThatDecideAreShownInLargeFleets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy []policyOption
		build  func(s *plan.Snapshot)
	}{
		"a node that takes the pods of the first of a zone": {
			policy: []policyOption{maxUnavailable("2")},
			build:  func(s *plan.Snapshot) { s.Nodes = append(s.Nodes, newNode("takes-pods", "zone-3")) },
		},
		"a node that is down": {
			policy: []policyOption{maxUnavailable("3"), longestRequired},
			build: func(s *plan.Snapshot) {
				s.Nodes = append(s.Nodes, newNode("down", "zone-0", func(n *model.Node) { n.Ready = false }))
			},
		},
		"a canary that is watched": {
			policy: []policyOption{maxUnavailable("2"), longestRequired, canary(1, 3600)},
			build: func(s *plan.Snapshot) {
				s.Nodes = append(s.Nodes, newNode("done", "zone-0"))
				r := past("done", 0, "p", minutes(1, 2, 0))
				r.CreationTimestamp.Time = start.Add(-40 * time.Minute)
				a, ended := r.Status.Attempt, -30*time.Minute
				a.GrantedTime, a.RebootOrderedTime, a.BackTime, a.EndedTime = *at(ended - 3*time.Minute), at(ended-2*time.Minute), at(ended), at(ended)
				a.Role, r.Status.CompletionTime = v1alpha1.RoleCanary, at(ended)
				s.Reboots = append(s.Reboots, r)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			times := func(s *plan.Snapshot, compute func(forecast.Input) *forecast.Forecast) map[string]string {
				f, all := compute(forecast.Input{Snapshot: s, Now: start, Samples: -1, History: took(minutes(1, 2, 0))}), map[string]string{}
				for i := range f.Nodes {
					all[f.Nodes[i].Name] = minute(f.Nodes[i].Start)
				}
				return all
			}
			s := fleetInZones(80, test.policy...)
			s.Nodes = append(s.Nodes, newNode("a-1", "zone-0"), newNode("a-2", "zone-0")) // The first two of a zone are shown in any case.
			without := times(s, forecast.ComputeInFull)
			test.build(s)
			want := times(s, forecast.ComputeInFull)
			if cmp.Equal(want, without) {
				t.Error("it decides nothing")
			}
			if diff := cmp.Diff(want, times(s, forecast.Compute)); diff != "" {
				t.Errorf("when nodes start (-in full +got):\n%s", diff)
			}
		})
	}
}

func TestAPercentagePerZoneIsThatOfTheSmallestZoneInLargeFleets(t *testing.T) {
	t.Parallel()
	for range 5 { // zones come in another order each time
		s := fleetInZones(160, maxUnavailable("50%"), longestRequired, anyOrder, func(s *v1alpha1.RebootPolicySpec) {
			s.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.Parse("10%"))
		})
		for i := range 60 {
			s.Nodes = append(s.Nodes, newNode(fmt.Sprintf("more-%02d", i), fmt.Sprintf("zone-%d", 1+i%3)))
		}
		f := compute(s)
		const least = 40 / 10
		starts := map[string]map[string]int{}
		for i := range f.Nodes {
			n := &f.Nodes[i]
			if starts[minute(n.Start)] == nil {
				starts[minute(n.Start)] = map[string]int{}
			}
			starts[minute(n.Start)][n.Zone]++
		}
		if second := starts["3m0s"]; len(second) != 4 || slices.Max(slices.Collect(maps.Values(second))) != least {
			t.Fatalf("nodes that start in the second round, by zone: %v", second)
		}
	}
}

func TestSamplesSpreadTheForecast(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"))
	needing(s, "a", "n1", "n2", "n3", "n4", "n5", "n6")
	history := forecast.History{Policies: map[string][]forecast.Durations{"p": {minutes(1, 2, 0), minutes(1, 2, 0), minutes(1, 12, 0)}}}
	in := forecast.Input{Snapshot: s, Now: start, History: history, Samples: 40, Seed: 1}
	f := forecast.Compute(in)
	finish := f.Policies[0].Finish
	if f.Samples != 40 || finish.P90 == nil || !finish.P90.After(*finish.P50) {
		t.Errorf("of %d runs the finish is %+v", f.Samples, finish)
	}
	if least := start.Add(18 * time.Minute); finish.P50.Before(least) || finish.P90.After(start.Add(78*time.Minute)) {
		t.Errorf("it ends between %s and %s", finish.P50, finish.P90)
	}
	if diff := cmp.Diff(f, forecast.Compute(in)); diff != "" {
		t.Errorf("the same input has another forecast:\n%s", diff)
	}
	in.Seed = 2
	if cmp.Equal(f, forecast.Compute(in)) {
		t.Error("another seed draws the same")
	}
	if slices.ContainsFunc(f.Nodes, func(n forecast.Node) bool { return n.Start.P90 == nil || n.Start.P90.Before(*n.Start.P50) }) {
		t.Errorf("%+v", f.Nodes)
	}
	var none forecast.Times
	if none.Known() || !none.Median().IsZero() || !none.Late().IsZero() {
		t.Error("what is not known has a time")
	}
}

func TestAForecastThatMayCostLittleSaysSo(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"))
	needing(s, "a", "n1", "n2", "n3")
	f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, Budget: forecast.Budget{Plans: 3}})
	if !f.Coarse || f.Why == "" || f.Policies[0].Unknown == 0 {
		t.Errorf("it is coarse: %v %q, %d unknown", f.Coarse, f.Why, f.Policies[0].Unknown)
	}
	if empty := forecast.Compute(forecast.Input{Now: start}); empty.Coarse || len(empty.Nodes) > 0 || !empty.Computed.Equal(start) {
		t.Errorf("no snapshot has a forecast: %+v", empty)
	}
	if empty := forecast.Compute(forecast.Input{Snapshot: &plan.Snapshot{}, Now: start}); len(empty.Nodes)+len(empty.Policies) > 0 {
		t.Errorf("an empty snapshot has a forecast: %+v", empty)
	}
}

func TestAPolicyWithoutDefaultsHasAForecastInLargeFleetsAsWell(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p", maxUnavailable("20"), longestRequired, func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.Canary = &v1alpha1.CanarySpec{}
		s.Failure, s.Recovery, s.Drain, s.Reboot = v1alpha1.FailureSpec{}, v1alpha1.RecoverySpec{}, v1alpha1.DrainSpec{}, v1alpha1.RebootSpec{}
	}))
	for i := range 70 {
		needing(s, "a", fmt.Sprintf("n%02d", i))
	}
	if f := compute(s); len(f.Nodes) != 70 {
		t.Errorf("it has %d nodes", len(f.Nodes))
	}
}
