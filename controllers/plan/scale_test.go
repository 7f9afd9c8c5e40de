//go:build linux && !race

package plan

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// fleetScale describes a large cluster: which nodes need a reboot, and what was before.
type fleetScale struct {
	// succeeded and failed finished NodeReboots of every node.
	succeeded, failed int
	// pending: every node needs a reboot.
	pending bool
	// group is how many nodes go together; 0 means none.
	group int
	// policies in addition to the policy that owns every node without another policy.
	policies int
	options  []policyOption
	// change what was built.
	change func(s *Snapshot)
	// answers are what the gates say.
	answers func(ask GateQuery) GateAnswer
}

// scales are the scenarios of BenchmarkScale.
func scales() map[string]fleetScale {
	part := func(limit string, more ...policyOption) []policyOption { return append(more, maxUnavailable(limit)) }
	groupsOf := func(size int) fleetScale {
		return fleetScale{succeeded: 1, pending: true, group: size, options: part("2%", inOneGroup(), anyOrder())}
	}
	return map[string]fleetScale{
		"idle, no history":   {},
		"idle, 3+0":          {succeeded: 3},
		"idle, 3+3":          {succeeded: 3, failed: 3},
		"all pending":        {pending: true, options: part("0")},
		"all pending, 3+3":   {succeeded: 3, failed: 3, pending: true, options: part("0")},
		"rolling 2%, 3+3":    {succeeded: 3, failed: 3, pending: true, options: part("2%")},
		"rolling, AnyOrder":  {succeeded: 1, pending: true, options: part("2%", anyOrder())},
		"groups of 10":       groupsOf(10),
		"groups of 100":      groupsOf(100),
		"groups of 1000":     groupsOf(1000),
		"canaries waiting":   {succeeded: 1, pending: true, options: part("2%", canaryOf(3, 3600))},
		"canaries half done": {succeeded: 3, failed: 3, pending: true, options: part("2%", canaryOf(3, 0)), change: halfDone},
		"gates": {succeeded: 1, pending: true, options: part("2%", podsOf("ci"), podsOf("db"), queryOf("up", v1alpha1.Require)),
			answers: func(ask GateQuery) GateAnswer {
				if ask.Kind == GatePrometheus {
					return GateAnswer{Obstacle: "The query says no."}
				}
				return GateAnswer{Nodes: map[string]string{}}
			}},
		"capacity":    {succeeded: 1, pending: true, options: part("2%", capacityRequired(), anyOrder()), answers: noRoom},
		"halted":      {succeeded: 1, pending: true, options: part("2%"), change: notBackAtAll},
		"21 policies": {succeeded: 1, pending: true, policies: 20, options: part("2%")},
	}
}

func noRoom(ask GateQuery) GateAnswer {
	answer := GateAnswer{Nodes: map[string]string{}}
	for _, node := range ask.Nodes {
		answer.Nodes[node] = "No room for the pods."
	}
	return answer
}

// halfDone: the first half of the nodes was rebooted a day ago.
func halfDone(s *Snapshot) {
	rest := s.Reboots[:0:0]
	done := map[string]bool{}
	for i := range s.Nodes[:len(s.Nodes)/2] {
		done[s.Nodes[i].Name] = true
	}
	for _, r := range s.Reboots {
		if done[r.Spec.NodeName] && r.Status.CompletionTime == nil {
			finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -50*time.Minute)(r)
			r.CreationTimestamp.Time = start.Add(-24 * time.Hour)
		}
		rest = append(rest, r)
	}
	s.Reboots = rest
}

// notBackAtAll: a node did not come back.
func notBackAtAll(s *Snapshot) {
	finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, -time.Hour)(s.Reboots[len(s.Reboots)-1])
}

// of builds a cluster of this kind that has come to rest, as far as it does.
func (f fleetScale) of(tb testing.TB, nodes int) *Snapshot {
	tb.Helper()
	s := newSnapshot(newPolicy("all", f.options...))
	for i := range f.policies {
		pool := fmt.Sprintf("pool-%02d", i)
		s.Policies = append(s.Policies, newPolicy(pool, append(f.options, selecting("pool", pool), priority(1))...))
	}
	for i := range nodes {
		f.addNode(s, i)
	}
	if f.change != nil {
		f.change(s)
	}
	f.settle(tb, s)
	return s
}

func (f fleetScale) addNode(s *Snapshot, i int) {
	name := fmt.Sprintf("node-%05d", i)
	node := newNode(name, fmt.Sprintf("zone-%d", i%3), labeled("pool", fmt.Sprintf("pool-%02d", i%40)),
		tainted(corev1.Taint{Key: "example.com/team", Value: "web", Effect: corev1.TaintEffectNoSchedule}))
	for j := range 18 {
		node.Labels[fmt.Sprintf("example.com/label-%d", j)] = "value"
	}
	if f.group > 0 {
		node.Labels[groupLabel] = fmt.Sprintf("group-%05d", i/f.group)
	}
	for _, t := range []corev1.NodeConditionType{"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"} {
		node.Conditions = append(node.Conditions, model.NodeCondition{Type: t, Status: corev1.ConditionFalse})
	}
	s.Nodes = append(s.Nodes, node)
	s.Pods[name] = nil
	owner := "all"
	if i%40 < f.policies {
		owner = fmt.Sprintf("pool-%02d", i%40)
	}
	const week = 7 * 24 * time.Hour
	ended := func(kind string, number int, outcome v1alpha1.Outcome, reason string, ago time.Duration) {
		r := newReboot(fmt.Sprintf("%s-%d-of-%s", kind, number, name), name, finished(outcome, reason, -ago))
		r.Status.PolicyName, r.Status.Zone = owner, node.Labels[zoneLabel]
		s.Reboots = append(s.Reboots, r)
	}
	for number := range f.succeeded {
		ended("succeeded", number, v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, time.Duration(number+1)*week)
	}
	for number := range f.failed {
		ended("failed", number, v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, time.Duration(number+1)*week+24*time.Hour)
	}
	if f.pending {
		s.Reboots = append(s.Reboots, newReboot("now-of-"+name, name))
	}
}

// settle lets the manager work until nothing new comes of it. Nothing happens on the nodes.
func (f fleetScale) settle(tb testing.TB, s *Snapshot) {
	tb.Helper()
	const passes = 20
	for range passes {
		p := f.compute(s)
		if len(p.Work) == 0 && len(p.Policies) == 0 && !p.SlotsChanged {
			return
		}
		after, err := apply(s, p, start)
		if err != nil {
			tb.Fatal(err)
		}
		*s = *after
	}
	tb.Fatal("the cluster does not come to rest")
}

// compute plans until no gate is asked anything new.
func (f fleetScale) compute(s *Snapshot) *Plan {
	for {
		p, more := Compute(s, start), false
		for _, ask := range p.Queries {
			if _, known := s.Answers[ask.GateKey]; !known && f.answers != nil {
				if s.Answers == nil {
					s.Answers = map[GateKey]GateAnswer{}
				}
				s.Answers[ask.GateKey], more = f.answers(ask), true
			}
		}
		if !more {
			return p
		}
	}
}

// What a plan is made of would be most of its garbage. The plans of a large cluster use the same memory in turn.
func TestAPlanUsesTheMemoryOfTheLastOne(t *testing.T) {
	const nodes, plans, most = 1000, 10, 150
	s := scales()["all pending"].of(t, nodes)
	_, state := Next(nil, s, start)
	_, state = Next(state, s, start)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range plans {
		_, state = Next(state, s, start)
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / plans / nodes; got > most {
		t.Errorf("a plan allocates %d bytes for a node, want at most %d", got, most)
	}
}

// What is deleted from a cluster must not stay in memory until a later plan happens to need as much.
func TestTheMemoryOfPlansKeepsNoObjectAlive(t *testing.T) {
	s := scales()["rolling, AnyOrder"].of(t, 100)
	_, state := Next(nil, s, start)
	_, state = Next(state, s, start)
	m := state.spare.memory.Load()
	for name, list := range map[string]any{
		"nodes": m.nodes, "node order": m.nodeOrder, "reboots": m.reboots, "pointers": m.pointers, "line": m.line, "lists": m.lists,
		"keys": m.keys,
	} {
		all := reflect.ValueOf(list)
		if all = all.Slice(0, all.Cap()); all.Len() == 0 {
			t.Errorf("%s: nothing was used", name)
		}
		for i := range all.Len() {
			if !all.Index(i).IsZero() {
				t.Errorf("%s: something is left at %d of %d", name, i, all.Len())
				break
			}
		}
	}
}

// BenchmarkScale is the usual pass of large clusters: one Node and one NodeReboot are new, and what they say is not. It reports processor
// time: fastest-ms of a plan that goes on from the last one, cpu-ms of all of them on average with the garbage collector, and cold-ms of
// one from nothing.
func BenchmarkScale(b *testing.B) {
	all := scales()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, nodes := range []int{100, 1000, 5000, 15000} {
			b.Run(fmt.Sprintf("%s/%d", name, nodes), func(b *testing.B) {
				s := all[name].of(b, nodes)
				_, state := Next(nil, s, start)
				runtime.GC()
				b.ReportAllocs()
				fastest := time.Duration(math.MaxInt64)
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				all := cpuTime(b)
				for n := 0; b.Loop(); n++ {
					renew(s, n)
					began := threadTime()
					_, state = Next(state, s, start)
					fastest = min(fastest, threadTime()-began)
				}
				b.ReportMetric(float64(cpuTime(b)-all)/1e6/float64(b.N), "cpu-ms")
				b.ReportMetric(float64(fastest)/1e6, "fastest-ms")
				cold := threadTime()
				Compute(s, start)
				b.ReportMetric(float64(threadTime()-cold)/1e6, "cold-ms")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
