package plan

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// outside is what gates see in a simulated world.
type outside struct {
	// busy nodes run a pod that blocks them; the pods of full ones find no room elsewhere.
	busy, full map[string]bool
	// alert: an alert fires. ill: an object is not as it has to be.
	alert, ill bool
	// away: no gate gives an answer. slow: none has given one yet.
	away, slow bool
	// refuses: an admission webhook refuses every eviction.
	refuses bool
}

func newOutside() outside { return outside{busy: map[string]bool{}, full: map[string]bool{}} }

// outsideFor lets something happen outside, and ends it after a while.
func (w *world) outsideFor(set func(o *outside, on bool)) {
	set(&w.outside, true)
	w.changed()
	w.after(w.between(10*time.Second, 4*time.Minute), func() {
		set(&w.outside, false)
		w.changed()
	})
}

// answerGates is true if there is an answer that the view did not have.
func (w *world) answerGates(v *view, p *Plan) bool {
	if w.outside.slow {
		return false
	}
	more := false
	for _, ask := range p.Queries {
		if _, known := v.Answers[ask.GateKey]; known {
			continue
		}
		if v.Answers == nil {
			v.Answers = map[GateKey]GateAnswer{}
		}
		v.Answers[ask.GateKey] = w.askGate(ask)
		more = true
	}
	return more
}

func (w *world) askGate(ask GateQuery) GateAnswer {
	if w.outside.away {
		return GateAnswer{Failure: "it is away.", Since: start}
	}
	answer := GateAnswer{Nodes: map[string]string{}}
	switch ask.Kind {
	case GatePods:
		for node, busy := range w.outside.busy {
			if busy {
				answer.Nodes[node] = "A job runs on node " + node + "."
			}
		}
	case GateCapacity:
		w.lookForRoom(ask, answer.Nodes)
	case GatePrometheus:
		if w.outside.alert {
			answer.Obstacle = "An alert fires."
		}
	default:
		if w.outside.ill {
			answer.Obstacle = "An object is ill."
		}
	}
	return answer
}

// lookForRoom looks at one node after the other until one may go. Until all is repaired there is no room for a fourth.
func (w *world) lookForRoom(ask GateQuery, nodes map[string]string) {
	for _, node := range ask.Nodes {
		nodes[node] = ""
		if w.outside.full[node] || !w.healed && strings.Count(ask.About, ",") >= 2 {
			nodes[node] = "No room for the pods of node " + node + "."
			continue
		}
		return
	}
}

// checkGates is about a grant: no gate of the policy says no.
func (w *world) checkGates(owner *v1alpha1.RebootPolicy, node *Node) {
	g, o := &owner.Spec.Gates, &w.outside
	room := g.Capacity == v1alpha1.Require && owner.Spec.Drain.Mode != v1alpha1.DrainModeSkip
	asks := len(g.Pods) > 0 || room || len(g.Objects) > 0
	for i := range g.Prometheus {
		asks = asks || g.Prometheus[i].OnError == v1alpha1.Require
	}
	blocks := map[string]bool{
		"a job runs on it":      o.busy[node.Name] && len(g.Pods) > 0,
		"there is no room":      o.full[node.Name] && room,
		"an alert fires":        o.alert && !o.away && len(g.Prometheus) > 0,
		"an object is ill":      o.ill && len(g.Objects) > 0,
		"a gate gave no answer": asks && (o.away || o.slow),
	}
	for why, is := range blocks {
		if is {
			w.breaks("node %s was granted a slot, and %s (%+v)", node.Name, why, *g)
		}
	}
}

func randomGates(random *rand.Rand) v1alpha1.GatesSpec {
	p := newPolicy("gates")
	some := []policyOption{
		podsOf("job"), queryOf("alerts", v1alpha1.Require), queryOf("alerts", v1alpha1.Ignore), objectsOf("object"),
		capacityRequired(),
	}
	for _, i := range slices.Compact([]int{random.IntN(2 * len(some)), random.IntN(2 * len(some))}) {
		if i < len(some) {
			some[i](p)
		}
	}
	if len(p.Spec.Gates.Prometheus) > 1 {
		p.Spec.Gates.Prometheus = p.Spec.Gates.Prometheus[:1]
	}
	return p.Spec.Gates
}
