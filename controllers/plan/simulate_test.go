package plan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// defaultRounds is how many fleets are simulated. SIMULATE_ROUNDS is another number, SIMULATE_SEED the first seed.
	defaultRounds = 300
	// chaos is how long faults happen, in simulated time; recovery how long it may take after them until every need is met.
	chaos    = 25 * time.Minute
	recovery = 7 * 24 * time.Hour
)

func environment(t *testing.T, name string, value uint64) uint64 {
	t.Helper()
	text, ok := os.LookupEnv(name)
	if !ok {
		return value
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestSimulatedFleetsKeepEveryPromise takes random fleets through random faults. A failure names the seed and shows the transcript.
func TestSimulatedFleetsKeepEveryPromise(t *testing.T) {
	first := environment(t, "SIMULATE_SEED", 1)
	rounds := environment(t, "SIMULATE_ROUNDS", defaultRounds)
	const batches = 4
	totals := make([]rules, batches)
	t.Run("seeds", func(t *testing.T) {
		for batch := range uint64(batches) {
			t.Run(strconv.FormatUint(batch, 10), func(t *testing.T) {
				t.Parallel()
				for seed := first + batch; seed < first+rounds; seed += batches {
					w := newFleet(seed)
					w.live()
					if w.broken != nil {
						reportSeed(t, seed, w.broken)
						return
					}
					totals[batch].grants += w.rules.grants
					totals[batch].reboots += w.rules.reboots
					totals[batch].proofs += w.rules.proofs
				}
			})
		}
	})
	var all rules
	for _, total := range totals {
		all.grants, all.reboots, all.proofs = all.grants+total.grants, all.reboots+total.reboots, all.proofs+total.proofs
	}
	t.Logf("%d fleets: %d grants, %d orders to reboot, %d proofs", rounds, all.grants, all.reboots, all.proofs)
	if rounds >= defaultRounds && all.proofs < 1000 && !t.Failed() {
		t.Errorf("only %d reboots were proved: the simulation does not simulate much", all.proofs)
	}
}

// reportSeed runs a seed again for its transcript.
func reportSeed(t *testing.T, seed uint64, broken error) {
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
	t.Errorf("seed %d: %v\nTo see it again: SIMULATE_SEED=%d SIMULATE_ROUNDS=1 go test -run Simulated ./controllers/plan\n%s",
		seed, broken, seed, strings.Join(transcript, "\n"))
}

// newFleet is the fleet of a seed.
func newFleet(seed uint64) *world {
	random := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(random, randomPolicies(random)...)
	size := 5 + random.IntN(6)
	if random.IntN(25) == 0 {
		size = 50
	}
	for len(w.hosts) < size {
		w.addRandomHost()
		w.created++
	}
	for i := range random.IntN(3) {
		w.addApp(fmt.Sprintf("app-%d", i), &app{
			replicas: int32(1 + random.IntN(size)), startup: w.between(time.Second, 30*time.Second), spread: random.IntN(3) == 0,
		})
	}
	if random.IntN(3) == 0 {
		w.clusterMax = ptr.To(intstr.FromInt32(int32(random.IntN(4))))
	}
	return w
}

// live takes a fleet through faults and out of them again.
func (w *world) live() {
	for range w.random.IntN(2 * len(w.hosts)) {
		w.after(w.between(0, chaos), w.randomFault)
	}
	w.after(chaos, w.heal)
	w.runUntil(start.Add(chaos))
	w.recover()
}

// recover lets the cluster run until every need is met.
func (w *world) recover() {
	end := w.now.Add(recovery)
	for w.broken == nil {
		w.after(0, w.attend)
		w.runUntil(w.now.Add(30 * time.Minute))
		needs := w.needs()
		switch {
		case w.broken != nil:
		case len(needs) == 0:
			w.runUntil(w.now.Add(time.Hour))
			w.checkNothingIsLeft()
			return
		case w.now.After(end):
			w.breaks("everything was mended %s ago, and there are still needs:\n%s", recovery, strings.Join(needs, "\n"))
		case w.events.Len() == 0 && !slices.ContainsFunc(slices.Collect(maps.Values(w.reboots)), needsAPerson):
			w.breaks("nothing will ever happen any more, and there are needs:\n%s", strings.Join(needs, "\n"))
		}
	}
}

// checkNothingIsLeft: with every need met, nothing of the operator's is left on any node.
func (w *world) checkNothingIsLeft() {
	for _, n := range w.nodes {
		w.checkMarksAreGone(&n.Node)
		if n.CordonedFor != "" || n.Unschedulable || hasOurTaint(&n.Node) || len(n.Maintenance) > 0 || !n.Ready {
			w.breaks("something is left on node %s: %+v", n.Name, n.Node)
		}
	}
	for _, r := range w.reboots {
		if len(r.Finalizers) > 0 {
			w.breaks("NodeReboot %s keeps its finalizers %v", r.Name, r.Finalizers)
		}
	}
	if len(w.needs()) > 0 {
		w.breaks("a need came back: %v", w.needs())
	}
}

// randomPolicies are one policy for all nodes, and sometimes one of higher priority for some of them.
func randomPolicies(random *rand.Rand) []*v1alpha1.RebootPolicy {
	policies := []*v1alpha1.RebootPolicy{newPolicy("all", randomSpec(random))}
	if random.IntN(3) == 0 {
		policies = append(policies, newPolicy("blue", randomSpec(random), selecting("pool", "blue"), priority(1)))
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
			s.Rollout.Zones.MaxUnavailablePerZone = ptr.To[int32](1)
		}
		if random.IntN(3) == 0 {
			s.Rollout.Canary = &v1alpha1.CanarySpec{Count: 1 + random.Int32N(3), SoakSeconds: upTo(240)}
		}
		s.Rollout.GroupLabel = pick(random, "", "", "rack")
		s.Rollout.ControlPlane = pick(random, v1alpha1.ControlPlaneFirst, v1alpha1.ControlPlaneLast)
		s.Rollout.MinIntervalSeconds = upTo(300)
		s.Approval = pick(random, v1alpha1.ApprovalNotRequired, v1alpha1.ApprovalNotRequired, v1alpha1.ApprovalNotRequired,
			v1alpha1.ApprovalRequired)
		s.Gates = randomGates(random)
		if random.IntN(3) == 0 {
			s.Recovery.Objects = []v1alpha1.ObjectGate{objectGate("after")}
		}
		s.Drain.DelaySeconds, s.Drain.TimeoutSeconds = upTo(20), ptr.To[int32](120)
		s.Reboot.DelaySeconds, s.Reboot.TimeoutSeconds = upTo(20), ptr.To[int32](180)
		s.Recovery.SettleSeconds, s.Recovery.TimeoutSeconds = upTo(20), ptr.To[int32](240)
		s.Recovery.Workloads = pick(random, v1alpha1.WorkloadsWait, v1alpha1.WorkloadsWait, v1alpha1.WorkloadsIgnore)
		s.Hooks = randomHooks(random)
		if random.IntN(3) == 0 {
			s.Triggers = &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{
				{Type: "KernelDeadlock", Status: v1alpha1.TriggerTrue, MinSeconds: ptr.To(random.Int32N(60))},
			}}
		}
		randomSchedule(random, &s.Schedule)
		s.Failure = v1alpha1.FailureSpec{
			MaxFailures: ptr.To(1 + random.Int32N(3)), MaxAttempts: ptr.To(pick[int32](random, 2, 3, 100)),
			BackoffSeconds: ptr.To(20 + random.Int32N(40)), MaxDeferralSeconds: pick(random, nil, ptr.To(60+random.Int32N(600))),
		}
		randomDrain(random, &s.Drain)
		if random.IntN(2) == 0 {
			s.ExcludeFromLoadBalancers = &v1alpha1.LoadBalancerExclusion{LeadSeconds: upTo(20)}
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
			OnTimeout: pick(random, v1alpha1.HookAbort, v1alpha1.HookContinue),
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
			PodSelector: "app=app-0", TimeoutSeconds: ptr.To(1 + random.Int32N(60)), OnTimeout: v1alpha1.PodWaitProceed,
		}
	}
	if d.Mode != v1alpha1.DrainModeSkip {
		d.VolumeDetachSeconds = ptr.To(pick(random, 0, 1+random.Int32N(150)))
	}
	if random.IntN(3) == 0 {
		d.AdaptiveDelay = v1alpha1.AdaptiveDelay{MinSeconds: ptr.To(random.Int32N(20)), MaxSeconds: 20 + random.Int32N(60)}
	}
}

// ownerOf a node, by policies that select all nodes or by one label.
func ownerOf(v *view, n *Node) *v1alpha1.RebootPolicy {
	var owner *v1alpha1.RebootPolicy
	for _, p := range v.Policies {
		selects := p.Spec.Nodes == v1alpha1.NodesAll
		if !selects {
			for key, value := range p.Spec.NodeSelector.MatchLabels {
				selects = n.Labels[key] == value
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
	if limit.Type == intstr.Int {
		return limit.IntValue()
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(limit, total*1000, false)
	if err != nil {
		return 0
	}
	return n / 1000
}
