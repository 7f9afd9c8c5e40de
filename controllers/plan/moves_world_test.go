package plan

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/moves"
)

// rollout is what a simulated rollout came to.
type rollout struct {
	twice, fewest int
	takes         time.Duration
}

// simulateMoves rolls out a fleet of three zones in which everything takes its least time, and the scheduler prefers nodes that do not
// wait. Each zone has an application whose pods stay in it, of as many pods on each node as pods says, in turn.
func simulateMoves(t *testing.T, nodes int, pods []int, options ...policyOption) rollout {
	t.Helper()
	w := newWorld(nil)
	w.tell = func(string, ...any) {}
	w.policy(options...)
	for i := range nodes {
		w.addHost(newNode(fmt.Sprintf("n%02d", i), fmt.Sprintf("z%d", i%3)))
	}
	for zone := range 3 {
		w.addApp(fmt.Sprintf("app-%d", zone), &app{startup: 5 * time.Second, zone: fmt.Sprintf("z%d", zone)})
	}
	c := w.carry(pods)
	w.runUntil(start.Add(time.Minute))
	for _, h := range w.hosts {
		w.require(h, v1alpha1.SentinelRequired)
	}
	w.finish(t, 5*time.Hour)
	if w.broken != nil {
		t.Errorf("a promise was broken: %v", w.broken)
	}
	result := rollout{fewest: moves.Fewest(c)}
	for _, pod := range w.pods {
		if !pod.fixed() {
			result.twice += max(0, pod.moves-2) // it was put somewhere before the rollout, and has to move once
		}
	}
	for _, r := range w.reboots {
		result.takes = max(result.takes, r.Status.CompletionTime.Sub(start.Add(time.Minute)))
	}
	return result
}

// carry puts pods of the zones' applications on the nodes, as many as pods says, in turn.
func (w *world) carry(pods []int) moves.Cluster {
	var c moves.Cluster
	for i, name := range slices.Sorted(maps.Keys(w.nodes)) {
		n := w.nodes[name]
		key := deployment("app-" + zoneOf(&n.Node)[1:])
		node := moves.Node{Zone: zoneOf(&n.Node)}
		for range pods[i%len(pods)] {
			pod := &simPod{node: name, zone: zoneOf(&n.Node), moves: 1, Pod: Pod{
				Namespace: "apps", Name: fmt.Sprintf("%s-%d", key.Name, w.apps[key].replicas), Workloads: []WorkloadKey{key}, Controlled: true,
			}}
			w.apps[key].replicas++
			w.pods = append(w.pods, pod)
			w.startPod(pod, time.Second)
			node.Pods = append(node.Pods, moves.Pod{App: key.Name, Zonal: true})
		}
		c.Nodes = append(c.Nodes, node)
	}
	return c
}

// The gain of the order of nodes, and what it costs. The table is printed with -v.
func TestPodsMoveTwiceNoMoreOftenThanTheyHaveTo(t *testing.T) {
	t.Logf("%-26s %-14s %22s %22s %8s", "fleet", "order", "moved twice", "attainable minimum", "takes")
	for _, fleet := range []struct {
		name  string
		nodes int
		pods  []int
		c     string
		zones policyOption
	}{
		{"9 nodes, 3 zones", 9, []int{2}, "1", nil},
		{"9 nodes, 3 zones, uneven", 9, []int{3, 3, 3, 2, 2, 2, 1, 1, 1}, "1", nil},
		{"9 nodes, one empty a zone", 9, []int{3, 3, 3, 3, 3, 3, 0, 0, 0}, "1", nil},
		{"30 nodes, 3 zones", 30, []int{3}, "3", nil},
		{"30 nodes, any order", 30, []int{3}, "3", anyOrder()},
		{"30 nodes, one empty a zone", 30, append(slices.Repeat([]int{3}, 27), 0, 0, 0), "3", nil},
	} {
		var results [2]rollout
		for i, order := range []v1alpha1.NodeOrder{v1alpha1.NodeOrderLongestRequired, v1alpha1.NodeOrderFewestMoves} {
			options := []policyOption{maxUnavailable(fleet.c), nodeOrder(order)}
			if fleet.zones != nil {
				options = append(options, fleet.zones)
			}
			r := simulateMoves(t, fleet.nodes, fleet.pods, options...)
			results[i] = r
			t.Logf("%-26s %-16s %20d %22d %8s", fleet.name, order, r.twice, r.fewest, r.takes.Truncate(time.Second))
		}
		before, after := results[0], results[1]
		if after.twice != after.fewest {
			t.Errorf("%s: %d pods move twice, and %d have to", fleet.name, after.twice, after.fewest)
		}
		if before.twice < after.twice {
			t.Errorf("%s: by the order of needs only %d pods move twice", fleet.name, before.twice)
		}
	}
}
