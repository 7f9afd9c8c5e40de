package bound

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTheBoundOfARollout(t *testing.T) {
	slow := Pod{App: "slow", Ends: 2, Stays: true, Ready: 24}
	web := Pod{App: "web", Ends: 1, Out: 4}
	pods := func(pod Pod, count int) []Pod {
		all := make([]Pod, count)
		for i := range all {
			all[i] = pod
		}
		return all
	}
	same := func(count int, zones string, node Node) []Node {
		all := make([]Node, count)
		for i := range all {
			all[i] = node
			all[i].Zone = string(zones[i%len(zones)])
		}
		return all
	}
	tests := map[string]struct {
		rollout Rollout
		want    time.Duration
	}{
		"nothing to do": {Rollout{Slots: 1}, 0},
		"one after another, each with a replica that fits nowhere else": {
			Rollout{Nodes: same(4, "aabc", Node{Down: 10, Pods: []Pod{slow}}), Slots: 1, OneZoneAtATime: true}, 4 * 36,
		},
		"slots are filled":     {Rollout{Nodes: same(4, "a", Node{Down: 10}), Slots: 2}, 20},
		"the last wave counts": {Rollout{Nodes: same(5, "a", Node{Down: 10}), Slots: 2}, 30},
		"a zone does not begin in the last wave of another": {
			Rollout{Nodes: same(6, "ab", Node{Down: 10}), Slots: 2, OneZoneAtATime: true}, 40,
		},
		"in any order it does":            {Rollout{Nodes: same(6, "ab", Node{Down: 10}), Slots: 2}, 30},
		"the limit of a zone":             {Rollout{Nodes: same(4, "a", Node{Down: 10}), Slots: 4, SlotsPerZone: 1}, 40},
		"a replacement elsewhere":         {Rollout{Nodes: same(1, "a", Node{Down: 10, Pods: []Pod{{Ends: 1, Out: 30}}}), Slots: 1}, 30},
		"a replacement that is ready":     {Rollout{Nodes: same(1, "a", Node{Down: 10, Pods: []Pod{web}}), Slots: 1}, 11},
		"a budget delays one drain":       {Rollout{Nodes: same(1, "a", Node{Down: 10, Pods: pods(web, 3)}), Slots: 1, Budgets: map[string]int{"web": 1}}, 2*4 + 1 + 10},
		"a budget holds many drains back": {Rollout{Nodes: same(6, "a", Node{Down: 1, Pods: pods(web, 1)}), Slots: 6, Budgets: map[string]int{"web": 1}}, 24},
		"a budget for two":                {Rollout{Nodes: same(6, "a", Node{Down: 1, Pods: pods(web, 1)}), Slots: 6, Budgets: map[string]int{"web": 2}}, 12},
		"the first of a zone goes alone": {
			Rollout{Nodes: same(4, "a", Node{Down: 10}), Slots: 2, FirstAlone: true}, 30,
		},
		"of each zone": {Rollout{Nodes: same(6, "ab", Node{Down: 10}), Slots: 2, OneZoneAtATime: true, FirstAlone: true}, 40},
		"the first of two zones beside each other": {
			Rollout{Nodes: same(6, "ab", Node{Down: 10}), Slots: 4, FirstAlone: true}, 20,
		},
		"until it is back, not until its pods are ready elsewhere": {
			Rollout{Nodes: same(2, "a", Node{Down: 10, Pods: []Pod{{Ends: 1, Out: 30}}}), Slots: 2, FirstAlone: true}, 11 + 30,
		},
		"the best goes first": {
			Rollout{Nodes: []Node{{Down: 10}, {Down: 10}, {Down: 2}}, Slots: 2, FirstAlone: true}, 12,
		},
		"the control plane goes one after another, when the others are done": {
			Rollout{Nodes: append(same(2, "a", Node{Down: 10}), same(2, "a", Node{Down: 5, ControlPlane: true})...), Slots: 2}, 20,
		},
		"a zone soaks": {Rollout{Nodes: same(3, "abc", Node{Down: 10}), Slots: 1, OneZoneAtATime: true, Soak: 7}, 30 + 2*7},
		"delays":       {Rollout{Nodes: same(2, "a", Node{Delay: 3, Down: 10, Settle: 4, Pods: []Pod{web}}), Slots: 1}, 2 * (3 + 1 + 10 + 4)},
		"nodes settle while pods become ready": {
			Rollout{Nodes: same(1, "a", Node{Down: 10, Settle: 4, Pods: []Pod{slow}}), Slots: 1}, 2 + 10 + 24,
		},
		"unequal nodes are packed": {Rollout{Nodes: []Node{{Down: 3}, {Down: 3}, {Down: 2}, {Down: 2}, {Down: 2}}, Slots: 2}, 6},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Of(test.rollout); got != test.want {
				t.Errorf("the bound is %d, want %d", got, test.want)
			}
		})
	}
}

func TestWhatIsOnTheFirstNodeMovesAgain(t *testing.T) {
	pod, staying := Pod{App: "web"}, Pod{App: "slow", Stays: true}
	tests := map[string]struct {
		nodes []Node
		want  int
	}{
		"nothing":                     {nil, 0},
		"the emptiest may go first":   {[]Node{{Pods: []Pod{pod, pod}}, {Pods: []Pod{pod}}}, 1},
		"an empty one costs nothing":  {[]Node{{Pods: []Pod{pod, pod}}, {}}, 0},
		"what stays does not move on": {[]Node{{Pods: []Pod{staying, pod}}, {Pods: []Pod{staying, pod}}}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := MovedAgain(Rollout{Nodes: test.nodes, Slots: 1}); got != test.want {
				t.Errorf("%d replicas move again, want %d", got, test.want)
			}
		})
	}
}

// tiny is a rollout that is small enough for all its schedules to be tried.
func tiny(random *rand.Rand) Rollout {
	between := func(low, high int) time.Duration { return time.Duration(low + random.IntN(high-low+1)) }
	r := Rollout{
		Slots: 1 + random.IntN(2), SlotsPerZone: random.IntN(2), OneZoneAtATime: random.IntN(2) == 0, FirstAlone: random.IntN(2) == 0,
		Budgets: map[string]int{"x": random.IntN(3), "y": random.IntN(3)},
	}
	pods := 3
	for range 1 + random.IntN(3) {
		node := Node{Zone: string(rune('a' + random.IntN(2))), Down: between(1, 3)}
		staying := map[string]int{}
		for range random.IntN(3) {
			if pods == 0 {
				break
			}
			pods--
			pod := Pod{App: string(rune('x' + random.IntN(2))), Ends: between(0, 2)}
			pod.Out = pod.Ends + between(0, 3)
			// Of pods that stay no more may be on a node than the budget lets be unavailable: it could never be drained.
			if budget := r.Budgets[pod.App]; random.IntN(4) == 0 && (budget == 0 || staying[pod.App] == 0) && len(node.Pods) == 0 {
				staying[pod.App]++
				pod.Stays, pod.Ready = true, between(0, 3)
			} else if staying[pod.App] >= budget && budget > 0 {
				continue
			}
			node.Pods = append(node.Pods, pod)
		}
		r.Nodes = append(r.Nodes, node)
	}
	return r
}

func TestNoScheduleIsFasterThanTheBoundAndMostlyOneIsAsFast(t *testing.T) {
	random := rand.New(rand.NewPCG(12, 4))
	const cases = 400
	reached := 0
	for range cases {
		r := tiny(random)
		best, bound := optimum(r), Of(r)
		if best < 0 {
			t.Fatalf("no schedule of %+v ends", r)
		}
		if bound > best {
			t.Fatalf("the bound is %d, but a schedule takes %d: %+v", bound, best, r)
		}
		if bound == best {
			reached++
		}
	}
	t.Logf("in %d of %d cases a schedule is as fast as the bound", reached, cases)
	if reached < cases*85/100 {
		t.Errorf("only in %d of %d cases a schedule is as fast as the bound", reached, cases)
	}
}
