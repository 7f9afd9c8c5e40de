package moves

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTheFewestPodsThatMoveTwice(t *testing.T) {
	t.Parallel()
	pods := func(n int, pod Pod) []Pod { return slices.Repeat([]Pod{pod}, n) }
	anywhere, zonal := Pod{App: "web"}, Pod{App: "db", Zonal: true}
	spread := func(apps ...string) []Pod {
		var all []Pod
		for _, app := range apps {
			all = append(all, Pod{App: app, Alone: true})
		}
		return all
	}
	for name, tc := range map[string]struct {
		nodes []Node
		want  int
	}{
		"no nodes":            {},
		"one node":            {nodes: []Node{{Pods: pods(3, anywhere)}}},
		"an empty node":       {nodes: []Node{{Pods: pods(3, anywhere)}, {}}},
		"two nodes":           {nodes: []Node{{Pods: pods(3, anywhere)}, {Pods: pods(2, anywhere)}}, want: 2},
		"a node that is done": {nodes: []Node{{Pods: pods(3, anywhere)}, {Pods: pods(2, anywhere)}, {Done: true, Pods: pods(1, anywhere)}}},
		"the first of each zone": {nodes: []Node{
			{Zone: "a", Pods: pods(2, zonal)}, {Zone: "a", Pods: pods(3, zonal)}, {Zone: "b", Pods: pods(1, zonal)}, {Zone: "b", Pods: pods(4, zonal)},
		}, want: 3},
		"a zone that is done helps no other": {nodes: []Node{
			{Zone: "a", Pods: pods(2, zonal)}, {Zone: "a", Pods: pods(3, zonal)}, {Zone: "b", Done: true},
		}, want: 2},
		"only the first zone has nowhere to go": {nodes: []Node{
			{Zone: "a", Pods: pods(2, anywhere)}, {Zone: "a", Pods: pods(3, anywhere)}, {Zone: "b", Pods: pods(4, anywhere)},
		}, want: 2},
		"one on each node":         {nodes: []Node{{Pods: spread("x")}, {Pods: spread("x")}, {Pods: spread("x")}}},
		"one on each node but one": {nodes: []Node{{Pods: spread("x", "y")}, {Pods: spread("x")}, {Pods: spread("y")}}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Fewest(Cluster{Nodes: tc.nodes}); got != tc.want {
				t.Errorf("%d, want %d", got, tc.want)
			}
			if got := tryAll(Cluster{Nodes: tc.nodes}); got != tc.want {
				t.Errorf("all orders come to %d, want %d", got, tc.want)
			}
		})
	}
}

func TestNoOrderOfASmallClusterIsBetter(t *testing.T) {
	t.Parallel()
	different := map[int]bool{}
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 3))
		c := Cluster{Nodes: make([]Node, 1+random.IntN(4))}
		for i := range c.Nodes {
			n := &c.Nodes[i]
			n.Zone, n.Done = fmt.Sprint(random.IntN(2)), random.IntN(8) == 0
			for range random.IntN(3) {
				app := random.IntN(3)
				pod := Pod{App: fmt.Sprint(app), Alone: app == 2, Zonal: app == 1}
				if !pod.Alone || !n.runs(pod.App) {
					n.Pods = append(n.Pods, pod)
				}
			}
		}
		got, want := Fewest(c), tryAll(c)
		if got != want {
			t.Fatalf("seed %d: %d, and trying all orders %d: %+v", seed, got, want, c.Nodes)
		}
		different[got] = true
	}
	if len(different) < 3 {
		t.Errorf("the clusters come to %v only", different)
	}
}

// trial is a rollout of which every order and every choice of the scheduler is tried.
type trial struct {
	nodes []Node
	done  []bool
}

// tryAll is the fewest pods that move twice in any order.
func tryAll(c Cluster) int {
	t := &trial{nodes: make([]Node, len(c.Nodes)), done: make([]bool, len(c.Nodes))}
	for i := range c.Nodes {
		t.nodes[i] = c.Nodes[i]
		t.nodes[i].Pods = slices.Clone(c.Nodes[i].Pods)
		t.done[i] = c.Nodes[i].Done
	}
	return t.next()
}

// next drains each of the nodes that wait, and continues.
func (t *trial) next() int {
	best := -1
	for i := range t.nodes {
		if t.done[i] {
			continue
		}
		pods := t.nodes[i].Pods
		t.nodes[i].Pods = nil
		if moves := t.place(i, pods, nil); best < 0 || moves < best {
			best = moves
		}
		t.nodes[i].Pods = pods
	}
	return max(0, best)
}

// place puts the pods of a drained node wherever they may go. Those that find no place wait for the node itself.
func (t *trial) place(from int, pods, pending []Pod) int {
	if len(pods) == 0 {
		own := t.nodes[from].Pods
		t.nodes[from].Pods, t.done[from] = append(slices.Clone(own), pending...), true
		moves := t.next()
		t.nodes[from].Pods, t.done[from] = own, false
		return moves
	}
	targets, again := t.targets(from, pods[0])
	if len(targets) == 0 {
		return t.place(from, pods[1:], append(slices.Clone(pending), pods[0]))
	}
	best := -1
	for _, to := range targets {
		own := t.nodes[to].Pods
		t.nodes[to].Pods = append(slices.Clone(own), pods[0])
		if moves := again + t.place(from, pods[1:], pending); best < 0 || moves < best {
			best = moves
		}
		t.nodes[to].Pods = own
	}
	return best
}

// targets that take a pod: those that are done if there are any, otherwise those that wait, from where it moves again.
func (t *trial) targets(from int, pod Pod) (targets []int, again int) {
	for again, done := range []bool{true, false} {
		for i := range t.nodes {
			n := &t.nodes[i]
			if i != from && t.done[i] == done && (!pod.Zonal || n.Zone == t.nodes[from].Zone) && (!pod.Alone || !n.runs(pod.App)) {
				targets = append(targets, i)
			}
		}
		if len(targets) > 0 {
			return targets, again
		}
	}
	return nil, 0
}
