package plan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// chaos is how long faults happen mostly, in simulated time.
const chaos = 25 * time.Minute

func environment(t *testing.T, name string, value uint64) uint64 {
	t.Helper()
	text, ok := os.LookupEnv(name)
	if !ok || text == "" {
		return value
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestSimulatedFleetsKeepEveryPromise takes random fleets through random faults. A failure names the seed and shows the transcript; see
// docs/simulation.md. SIMULATE_ROUNDS is how many fleets, SIMULATE_SEED the first seed, SIMULATE_FAILURES how many fleets may break a
// promise before it ends.
func TestSimulatedFleetsKeepEveryPromise(t *testing.T) {
	r := &run{first: environment(t, "SIMULATE_SEED", 1), rounds: environment(t, "SIMULATE_ROUNDS", defaultRounds)}
	r.failures = int(environment(t, "SIMULATE_FAILURES", 1))
	r.began = time.Now()
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() { r.work(t) })
	}
	workers.Wait()
	t.Log(r)
	for i, seed := range slices.Sorted(maps.Keys(r.broken)) {
		if i == 0 {
			reportSeed(t, seed)
			continue
		}
		t.Errorf("seed %d: %v", seed, r.broken[seed])
	}
	if least := r.rounds * 3; r.rounds >= 300 && uint64(r.proofs) < least && !t.Failed() {
		t.Errorf("only %d reboots were proved: the simulation does not simulate much", r.proofs)
	}
}

// run is the simulation of many fleets.
type run struct {
	first, rounds uint64
	// failures is how many fleets may break a promise before it ends.
	failures int
	began    time.Time
	// mu guards what follows.
	mu                     sync.Mutex
	taken, done            uint64
	broken                 map[uint64]error
	grants, orders, proofs int
	told                   time.Time
}

func (r *run) String() string {
	return fmt.Sprintf("%d of %d fleets in %s: %d grants, %d orders to reboot, %d proofs, %d fleets broke a promise",
		r.done, r.rounds, time.Since(r.began).Truncate(time.Second), r.grants, r.orders, r.proofs, len(r.broken))
}

// next seed; false if there is none.
func (r *run) next() (uint64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken >= r.rounds || len(r.broken) >= r.failures {
		return 0, false
	}
	r.taken++
	return r.first + r.taken - 1, true
}

// work simulates one fleet after the other.
func (r *run) work(t *testing.T) {
	for seed, more := r.next(); more; seed, more = r.next() {
		w := newFleet(seed)
		w.live()
		r.add(t, seed, w)
	}
}

func (r *run) add(t *testing.T, seed uint64, w *world) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	r.grants, r.orders, r.proofs = r.grants+w.rules.grants, r.orders+w.rules.reboots, r.proofs+w.rules.proofs
	if w.broken != nil {
		if r.broken == nil {
			r.broken = map[uint64]error{}
		}
		r.broken[seed] = w.broken
	}
	const often = 10 * time.Second
	if now := time.Now(); r.rounds > defaultRounds && now.Sub(r.told) > often {
		r.told = now
		t.Log(r)
	}
}

// reportSeed runs a seed again for its transcript.
func reportSeed(t *testing.T, seed uint64) {
	t.Helper()
	var transcript []string
	w := newFleet(seed)
	w.tell = func(format string, args ...any) {
		transcript = append(transcript, fmt.Sprintf("%-9s ", w.now.Sub(start).Truncate(10*time.Millisecond))+fmt.Sprintf(format, args...))
	}
	w.live()
	const shown = 150
	if len(transcript) > shown && !testing.Verbose() {
		transcript = append([]string{fmt.Sprintf("... (%d lines more with -v)", len(transcript)-shown)}, transcript[len(transcript)-shown:]...)
	}
	again := fmt.Sprintf("SIMULATE_SEED=%d SIMULATE_ROUNDS=1 go test -count=1 -v -run TestSimulatedFleets ./controllers/plan", seed)
	for _, name := range []string{"SIMULATE_WITHOUT", "SIMULATE_IGNORE"} {
		if value := os.Getenv(name); value != "" {
			again = fmt.Sprintf("%s=%q %s", name, value, again)
		}
	}
	t.Errorf("seed %d: %v\nTo see it again: %s\n%s", seed, w.broken, again, strings.Join(transcript, "\n"))
}

// newFleet is the fleet of a seed.
func newFleet(seed uint64) *world {
	random := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(random, randomPolicies(random)...)
	w.fast = seed%16 != 0
	for _, p := range w.policies {
		if p.Spec.Rollout.NodeOrder = v1alpha1.NodeOrderFewestMoves; seed%3 == 0 {
			p.Spec.Rollout.NodeOrder = v1alpha1.NodeOrderLongestRequired
		}
	}
	w.forgets, w.loses = random.IntN(6) == 0, seed%8 == 5
	if random.IntN(8) == 0 {
		w.chaos = 6 * time.Hour
	}
	if random.IntN(3) == 0 {
		w.quorumLabels = []string{quorumLabel}
	}
	size := 4 + random.IntN(6)
	if random.IntN(40) == 0 {
		size = 40
	}
	if w.smallFleet(seed) {
		size = 1 + random.IntN(2)
	}
	for len(w.hosts) < size {
		w.addRandomHost()
		w.created++
	}
	if w.managed {
		w.addManagers(random)
	}
	for i := range random.IntN(3) {
		w.addRandomApp(fmt.Sprintf("app-%d", i), size)
	}
	if random.IntN(3) == 0 {
		w.clusterMax = ptr.To(intstr.FromInt32(int32(random.IntN(4))))
	}
	if random.IntN(20) == 0 { // an evening on which nothing can be drained
		w.chaos = 6 * time.Hour
		w.after(w.between(0, time.Minute), func() { w.outsideForLong(func(o *outside, on bool) { o.refuses = on }) })
	}
	w.planRefusals(seed)
	if w.loses {
		for range 8 {
			w.after(w.between(0, chaos), w.slotsObjectIsDeleted)
		}
	}
	return w
}

// addRandomApp adds an application, mostly with a budget that lets one pod go at a time.
func (w *world) addRandomApp(name string, size int) {
	a := &app{
		replicas: int32(1 + w.random.IntN(size)), startup: w.between(time.Second, 30*time.Second), spread: w.random.IntN(3) == 0,
	}
	if w.random.IntN(6) == 0 {
		a.replicas, a.spread, a.returns = 1, false, true
	}
	w.addApp(name, a)
	if w.random.IntN(2) == 0 && !a.returns {
		w.addBudget(&budget{name: "budget-" + name, app: name, least: a.replicas - 1})
	}
}

// randomPolicies are one policy for all nodes, and sometimes one of higher priority for some of them.
func randomPolicies(random *rand.Rand) []*v1alpha1.RebootPolicy {
	policies := []*v1alpha1.RebootPolicy{newPolicy("all", randomSpec(random))}
	if random.IntN(3) > 0 {
		policies = append(policies, newPolicy("blue", randomSpec(random), selecting("pool", "blue"), priority(1)))
	}
	if random.IntN(6) == 0 {
		policies = append(policies, newPolicy("green", randomSpec(random), selecting("pool", "green"), priority(1)))
	}
	return policies
}

func randomSpec(random *rand.Rand) policyOption {
	upTo := func(n int32) *int32 { return ptr.To(random.Int32N(n + 1)) }
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Taint.Effect = pick(random, v1alpha1.TaintPreferNoSchedule, v1alpha1.TaintNoSchedule, v1alpha1.TaintNone)
		s.Rollout.MaxUnavailable = ptr.To(intstr.Parse(pick(random, "1", "1", "2", "3", "25%", "50%")))
		s.Rollout.Zones.Strategy = pick(random, v1alpha1.ZonesOneAtATime, v1alpha1.ZonesOneAtATime, v1alpha1.ZonesAnyOrder)
		s.Rollout.Zones.Order = slices.Clone(pick(random, nil, []string{"z3", "z1"}, []string{"z2"}))
		s.Rollout.Zones.SoakSeconds = upTo(120)
		if random.IntN(4) == 0 {
			s.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.FromInt32(1))
		}
		if random.IntN(3) == 0 {
			s.Rollout.Canary = &v1alpha1.CanarySpec{Count: ptr.To(intstr.FromInt32(1 + random.Int32N(3))), SoakSeconds: upTo(240)}
		}
		s.Rollout.Group = pick(random, nil, nil, &v1alpha1.GroupSpec{Label: "rack", MaxSize: 100})
		s.Rollout.ControlPlane = pick(random, v1alpha1.ControlPlaneFirst, v1alpha1.ControlPlaneLast)
		s.Rollout.MinIntervalSeconds = upTo(300)
		s.Approval = pick(random, v1alpha1.Ignore, v1alpha1.Ignore, v1alpha1.Ignore, v1alpha1.Require)
		s.Gates = randomGates(random)
		if random.IntN(3) == 0 {
			s.Recovery.Objects = []v1alpha1.ObjectGate{objectGate("after")}
		}
		s.Drain.DelaySeconds, s.Drain.TimeoutSeconds = upTo(20), ptr.To[int32](120)
		s.Reboot.DelaySeconds, s.Reboot.TimeoutSeconds = upTo(20), ptr.To[int32](180)
		s.Recovery.SettleSeconds, s.Recovery.TimeoutSeconds = upTo(20), ptr.To[int32](240)
		s.Recovery.Workloads = pick(random, v1alpha1.Require, v1alpha1.Require, v1alpha1.Ignore)
		s.Hooks = randomHooks(random)
		if random.IntN(3) == 0 {
			s.Triggers = &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{
				{Type: "KernelDeadlock", Status: v1alpha1.TriggerTrue, MinSeconds: ptr.To(random.Int32N(60))},
			}}
		}
		randomSchedule(random, &s.Schedule)
		randomTrouble(random, s)
		randomDrain(random, &s.Drain)
		if random.IntN(3) == 0 {
			s.Rollout.AdaptiveDelay = v1alpha1.AdaptiveDelay{MinSeconds: ptr.To(random.Int32N(20)), MaxSeconds: 20 + random.Int32N(60)}
		}
		if random.IntN(2) == 0 {
			s.Drain.ExcludeFromLoadBalancers = &v1alpha1.LoadBalancerExclusion{LeadSeconds: upTo(20)}
		}
		if random.IntN(2) == 0 {
			s.NodeLabels = &v1alpha1.NodeLabels{
				During: map[string]v1alpha1.LabelValue{stateLabel: "rebooting"}, After: map[string]v1alpha1.LabelValue{doneLabel: "yes"},
			}
		}
	})
}

func randomHooks(random *rand.Rand) *v1alpha1.HooksSpec {
	if random.IntN(3) > 0 {
		return nil
	}
	some := func() []v1alpha1.Hook {
		if random.IntN(2) == 0 {
			return nil
		}
		return []v1alpha1.Hook{{
			ConditionType: pick(random, "example.com/a", "example.com/b"), TimeoutSeconds: ptr.To(30 + random.Int32N(90)),
			OnTimeout: pick(random, v1alpha1.TimeoutAbort, v1alpha1.TimeoutContinue),
		}}
	}
	return &v1alpha1.HooksSpec{BeforeDrain: some(), BeforeReboot: some(), AfterReboot: some()}
}

func randomDrain(random *rand.Rand, d *v1alpha1.DrainSpec) {
	d.Mode = pick(random, v1alpha1.DrainModeDrain, v1alpha1.DrainModeDrain, v1alpha1.DrainModeDrain, v1alpha1.DrainModeSkip)
	d.OnTimeout = pick(random, v1alpha1.DrainTimeoutAbort, v1alpha1.DrainTimeoutForce)
	d.Unmanaged = pick(random, v1alpha1.UnmanagedEvict, v1alpha1.UnmanagedRefuse)
	if random.IntN(3) == 0 {
		d.WaitForPods = v1alpha1.PodWait{
			Selector: selector.Of("app=app-0"), TimeoutSeconds: ptr.To(1 + random.Int32N(60)), OnTimeout: v1alpha1.TimeoutContinue,
		}
	}
	if d.Mode != v1alpha1.DrainModeSkip {
		d.VolumeDetachSeconds = ptr.To(pick(random, 0, 1+random.Int32N(150)))
	}
}

// ownerOf a node, by policies that select all nodes or by one label.
func ownerOf(v *view, n *Node) *v1alpha1.RebootPolicy {
	var owner *v1alpha1.RebootPolicy
	for _, p := range v.Policies {
		selects := p.Spec.Nodes == v1alpha1.NodesAll
		if !selects {
			for key, value := range p.Spec.NodeSelector.MatchLabels {
				selects = n.Labels[key] == string(value)
			}
		}
		if selects && (owner == nil || p.Spec.Priority > owner.Spec.Priority) {
			owner = p
		}
	}
	return owner
}

// inNodes is a limit in nodes of a total.
func inNodes(limit *intstr.IntOrString, total int) int {
	if limit == nil {
		return 0
	}
	if limit.Type == intstr.Int {
		return limit.IntValue()
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(limit, total*1000, false)
	if err != nil {
		return 0
	}
	return n / 1000
}
