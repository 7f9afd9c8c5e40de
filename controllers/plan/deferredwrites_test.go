package plan

import (
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// deferring has a story remember what waits, as the manager does.
func deferring(s *story) *story {
	s.Deferred = map[string]time.Time{}
	return s
}

// written makes a pass, and says whether it wrote the status of a NodeReboot and of a policy.
func (s *story) written(reboot string) (status, policy bool) {
	s.t.Helper()
	p := s.pass()
	s.Deferred = map[string]time.Time{}
	for key, since := range p.Deferred {
		s.Deferred[key] = since
	}
	for _, work := range p.Work {
		for _, change := range work.Reboots {
			status = status || change.Object.Name == reboot && change.StatusChanged
		}
	}
	return status, len(p.Policies) > 0
}

// until makes the passes that the plans ask for, and returns after how long the status of a NodeReboot is written.
func (s *story) until(reboot string, limit time.Duration) time.Duration {
	s.t.Helper()
	for began := s.now; ; s.now = s.wake {
		if status, _ := s.written(reboot); status {
			return s.now.Sub(began)
		}
		if s.wake.IsZero() || s.wake.Sub(began) > limit {
			return -1
		}
	}
}

func TestTheFirstStatusWaitsForTheFirstReport(t *testing.T) {
	unreported := func(r *v1alpha1.NodeReboot) { r.Spec.Trigger, r.Status.Report = v1alpha1.TriggerSentinel, nil }
	for name, test := range map[string]struct {
		change func(*v1alpha1.NodeReboot)
		want   time.Duration
	}{
		"no helper reports":       {change: unreported, want: firstStatusDelay},
		"its helper reported":     {change: func(r *v1alpha1.NodeReboot) { r.Spec.Trigger = v1alpha1.TriggerSentinel }},
		"it was made by a person": {change: func(r *v1alpha1.NodeReboot) { unreported(r); r.Spec.Trigger = v1alpha1.TriggerManual }},
	} {
		s := deferring(newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"), newReboot("ra", "a", test.change)))
		if got := s.until("ra", time.Minute); got != test.want {
			t.Errorf("%s: the first status is written after %s, want %s", name, got, test.want)
		}
		if len(s.node("a").Taints) != 1 {
			t.Errorf("%s: the node is not tainted", name)
		}
	}
}

func TestAnExplanationWaitsAndAFactDoesNot(t *testing.T) {
	waiting := func() *story {
		s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newPolicy("q", selecting("pool", "blue"), mode(v1alpha1.ModePaused)),
			newNode("a", "z1"), newReboot("ra", "a"))
		s.settle()
		return deferring(s)
	}
	for name, test := range map[string]struct {
		event func(*story)
		want  time.Duration
	}{
		"another reason":  {func(s *story) { s.editPolicy("p", mode(v1alpha1.ModeObserve)) }, explanationDelay},
		"another message": {func(s *story) { s.reboot("ra").Status.Message = "RebootPolicy p was paused." }, minRefreshDelay},
		"the need goes": {func(s *story) {
			s.report("ra", func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelNotRequired })
		}, 0},
		"the spec was changed": {func(s *story) { s.reboot("ra").Generation++ }, 0},
		"a condition has another status": {func(s *story) {
			s.edit("ra", func(r *v1alpha1.NodeReboot) { r.Status.Conditions[0].Status = metav1.ConditionUnknown })
		}, 0},
		"a condition has another type": {func(s *story) {
			s.edit("ra", func(r *v1alpha1.NodeReboot) { r.Status.Conditions[0].Type = "Other" })
		}, 0},
		"a warning has another reason": {func(s *story) {
			s.report("ra", func(r *v1alpha1.HelperReport) { r.Notices = []string{"Something else reboots the host."} })
			s.Deferred = nil
			s.settle()
			s.edit("ra", func(r *v1alpha1.NodeReboot) { r.Status.Conditions[2].Reason = "Other" })
			deferring(s)
		}, 0},
		"another policy": {func(s *story) { s.node("a").Labels["pool"] = "blue"; s.editPolicy("q", priority(5)) }, 0},
	} {
		s := waiting()
		test.event(s)
		if got := s.until("ra", time.Minute); got != test.want {
			t.Errorf("%s: the status is written after %s, want %s", name, got, test.want)
		}
	}
}

func TestWhatWaitsDoesNotWaitForAClockThatWasSetBack(t *testing.T) {
	s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"), newReboot("ra", "a"))
	s.settle()
	deferring(s).editPolicy("p", mode(v1alpha1.ModeObserve))
	s.now = s.now.Add(3 * time.Hour)
	s.written("ra")
	s.now = s.now.Add(-3 * time.Hour)
	if got := s.until("ra", time.Minute); got != explanationDelay {
		t.Errorf("the status is written after %s, want %s", got, explanationDelay)
	}
}

// When one node of many has its turn, the message of all others names it.
func TestTheMessagesOfManyThatWaitAreRefreshedOnceASecondTogether(t *testing.T) {
	const count = 50
	objects := []any{newPolicy("p", mode(v1alpha1.ModePaused))}
	for i := range count {
		node := string(rune('a'+i/26)) + string(rune('a'+i%26))
		objects = append(objects, newNode(node, "z1"), newReboot("r"+node, node))
	}
	s := newStory(t, objects...)
	s.settle()
	deferring(s)
	for _, r := range s.Reboots {
		r.Status.Message = "RebootPolicy p was paused."
	}
	if got := s.until("raa", 2*count*refreshDelay); got != count*refreshDelay {
		t.Errorf("the message is written after %s, want %s", got, count*refreshDelay)
	}
}

func TestTheCountsOfAPolicyWaitAndItsConditionsDoNot(t *testing.T) {
	for name, test := range map[string]struct {
		event func(*story)
		want  time.Duration
	}{
		"a node more needs a reboot": {func(s *story) { s.Reboots = append(s.Reboots, newReboot("rb", "b")) }, countsDelay},
		"the policy changes":         {func(s *story) { s.editPolicy("p", mode(v1alpha1.ModeObserve)) }, 0},
		"a part of its status cannot be read, and the rest is right": {
			func(s *story) {
				s.Policies[0] = s.Policies[0].DeepCopy()
				s.Policies[0].Unreadable = unreadableAt("status.window")
			}, 0,
		},
	} {
		s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"), newNode("b", "z1"), newReboot("ra", "a"))
		s.settle()
		deferring(s)
		test.event(s)
		began := s.now
		for policy := false; !policy; {
			if _, policy = s.written("ra"); policy {
				break
			}
			if s.now = s.wake; s.now.IsZero() || s.now.Sub(began) > time.Minute {
				t.Fatalf("%s: the status is not written", name)
			}
		}
		if got := s.now.Sub(began); got != test.want {
			t.Errorf("%s: the status is written after %s, want %s", name, got, test.want)
		}
	}
}

func TestAShortDrainIsNotShownOnTheNode(t *testing.T) {
	s := deferring(attemptIn(t, stageDraining))
	s.node("a").Maintenance = nil
	began := s.now
	for _, step := range []time.Duration{0, drainDelay - time.Millisecond, drainDelay} {
		s.now = began.Add(step)
		s.written("ra")
		if shown := s.node("a").Maintenance[DrainInProgress]; shown != (step == drainDelay) {
			t.Errorf("after %s of a drain: shown is %t", step, shown)
		}
	}
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settleDeferred("ra")
	for _, condition := range []corev1.NodeConditionType{Drained, MaintenancePlanned} {
		if !s.node("a").Maintenance[condition] {
			t.Errorf("%s is missing once the node is drained", condition)
		}
	}
}

// settleDeferred makes some passes at the same time.
func (s *story) settleDeferred(reboot string) {
	for range 3 {
		s.written(reboot)
	}
}

// The helper of a host that is back reports at the moment at which the kubelet does.
func TestThatAHostIsBackIsToldWithItsProof(t *testing.T) {
	for name, test := range map[string]struct {
		from  stage
		event func(*story)
		want  time.Duration
	}{
		"the helper has not reported":                  {from: stageRebooting, event: func(*story) {}, want: backDelay},
		"the node is not Ready":                        {from: stageRebooting, event: func(s *story) { s.node("a").Ready = false }, want: backDelay},
		"everything is proved":                         {from: stageRebooting, event: func(s *story) { s.comeBack("ra", v1alpha1.SentinelNotRequired) }},
		"the host lost its power while it was drained": {from: stageDraining, event: func(*story) {}},
		"it was given up": {from: stageRebooting, event: func(s *story) {
			at := *s.reboot("ra").Status.Attempt.RebootOrderedTime
			s.reboot("ra").Status.Attempt.StalledTime = &at
		}},
		"it was given up, and not stalled": {from: stageRebooting, event: func(s *story) {
			at := *s.reboot("ra").Status.Attempt.RebootOrderedTime
			s.reboot("ra").Status.Attempt.RolledBackTime = &at
		}},
	} {
		s := deferring(attemptIn(t, test.from))
		s.boot("a", 2)
		test.event(s)
		seen := s.now
		if got := s.until("ra", time.Minute); got != test.want {
			t.Errorf("%s: the status is written after %s, want %s", name, got, test.want)
		}
		status := &s.reboot("ra").Status
		if status.Attempt.BackTime == nil || !status.Attempt.BackTime.Time.Equal(seen) || !status.After.SeenTime.Time.Equal(seen) {
			t.Errorf("%s: it is back since %v, as seen at %v; want %v", name, status.Attempt.BackTime, status.After, seen)
		}
	}
}

// A host may boot twice before the status says that it is back.
func TestTheSecondOfTwoBootsIsToldAtOnce(t *testing.T) {
	s := deferring(attemptIn(t, stageRebooting))
	s.boot("a", 2)
	first := s.now
	s.Pods["a"] = []Pod{{Namespace: "apps", Name: "app", Containers: []string{"of-the-first-boot"}}}
	if status, _ := s.written("ra"); status {
		t.Fatal("that the host is back does not wait for its proof")
	}
	s.now = s.now.Add(3 * time.Second)
	s.boot("a", 3)
	s.Deferred = s.compute().Deferred // that write fails
	if status, _ := s.written("ra"); !status {
		t.Fatal("that the host booted twice is not written at once")
	}
	reboot := s.reboot("ra").Status
	if reboot.After.BootID != s.node("a").BootID || !reboot.After.SeenTime.Time.Equal(s.now) || !reboot.Attempt.BackTime.Time.Equal(first) {
		t.Errorf("the second boot is recorded as %+v, back since %v, at %v; the first was seen at %v", reboot.After, reboot.Attempt.BackTime,
			s.now, first)
	}
	if !slices.Contains(reboot.Attempt.Containers, "of-the-first-boot") {
		t.Errorf("containers of before: %v", reboot.Attempt.Containers)
	}
}

// What ended counts no longer, whatever the slots object holds.
func TestASlotIsFreedWithTheNextGrantOrAfterAWhile(t *testing.T) {
	for name, test := range map[string]struct {
		nodes string
		after time.Duration
		want  []string
	}{
		"another node takes it":      {nodes: "a/z1 b/z1", want: []string{"b"}},
		"nobody takes it, at once":   {nodes: "a/z1", want: []string{"a"}},
		"nobody takes it, in a time": {nodes: "a/z1", after: freeDelay},
	} {
		s := newStory(t, append(fleet(test.nodes), newPolicy("p"))...)
		s.settle()
		s.answer("ra", v1alpha1.OrderFailed, "No.")
		deferring(s).settleDeferred("ra")
		if look := s.wake.Sub(s.now); len(s.Nodes) == 1 && look > freeDelay {
			t.Errorf("%s: the next look is in %s", name, look)
		}
		s.now = s.now.Add(test.after)
		s.written("ra")
		if got := slices.Sorted(maps.Keys(s.Slots)); !slices.Equal(got, test.want) {
			t.Errorf("%s: the slots object has entries for %v, want %v", name, got, test.want)
		}
	}
}

func TestTheProofOfAHostThatIsBackDoesNotWait(t *testing.T) {
	s := deferring(attemptIn(t, stageRebooting))
	s.boot("a", 2)
	seen := s.now
	for range 3 {
		if status, _ := s.written("ra"); status {
			t.Fatalf("after %s the status says that the host is back", s.now.Sub(seen))
		}
		s.now = s.now.Add(time.Second)
	}
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	if status, _ := s.written("ra"); !status {
		t.Fatal("the proof is not written at once")
	}
	attempt, cordoned := s.reboot("ra").Status.Attempt, s.node("a").Unschedulable
	if attempt.UncordonedTime == nil || !attempt.UncordonedTime.Time.Equal(s.now) || !attempt.BackTime.Time.Equal(seen) || cordoned {
		t.Errorf("uncordoned at %v, back since %v, cordoned %t", attempt.UncordonedTime, attempt.BackTime, cordoned)
	}
}

// To find out whether a fleet is idle, wait for as long.
func TestAfterTheLastRebootEverythingIsWrittenWithinLastDelay(t *testing.T) {
	s := deferring(attemptIn(t, stageRebooting))
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settleDeferred("ra")
	s.now = s.now.Add(time.Minute) // it settles
	s.settleDeferred("ra")
	if phase := s.reboot("ra").Status.Phase; phase != v1alpha1.PhaseSucceeded || len(s.Deferred) == 0 {
		t.Fatalf("phase %s, and %v waits: %s", phase, s.Deferred, s.reboot("ra").Status.Message)
	}
	s.now = s.now.Add(LastDelay)
	s.written("ra")
	if p := s.compute(); len(p.Deferred) > 0 || p.SlotsChanged || len(p.Policies) > 0 || len(s.Slots) > 0 {
		t.Errorf("%s later %v waits, policies: %d, slots: %v", LastDelay, p.Deferred, len(p.Policies), s.Slots)
	}
}
