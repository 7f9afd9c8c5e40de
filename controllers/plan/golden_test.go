package plan

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

// legend explains the golden files.
const legend = `# Time since the start, node, phase and reason of its NodeReboot. Lines without a phase are about hosts, helpers and people.
# Written by: go test ./controllers/plan -run Golden -update
`

// TestGoldenRollouts shows whole rollouts: everything takes its least time, so nothing in them is random.
func TestGoldenRollouts(t *testing.T) {
	rollouts := map[string]func(*testing.T, *world){
		"three-zones":       threeZones,
		"slow-replicas":     slowReplicas,
		"refused-evictions": refusedEvictions,
		"node-not-back":     nodeNotBack,
		"paused":            pausedRollout,
		"power-loss":        powerLoss,
	}
	for name, run := range rollouts {
		t.Run(name, func(t *testing.T) {
			w := newWorld(nil)
			transcript := &strings.Builder{}
			transcript.WriteString(legend)
			w.tell = func(format string, args ...any) {
				line := strings.TrimRight(fmt.Sprintf(format, args...), " ")
				fmt.Fprintf(transcript, "%8s  %s\n", w.now.Sub(start).Truncate(100*time.Millisecond), line)
			}
			run(t, w)
			if w.broken != nil {
				t.Errorf("a promise was broken: %v", w.broken)
			}
			golden.Compare(t, filepath.Join("testdata", name+".golden"), transcript.String())
		})
	}
}

// policy adds a policy.
func (w *world) policy(options ...policyOption) {
	w.policies["p"] = newPolicy("p", options...)
	w.changed()
}

// cluster adds nodes from words like those of fleet, and lets all of them ask for a reboot at the start.
func (w *world) cluster(words string) {
	for word := range strings.FieldsSeq(words) {
		name, zone, _ := strings.Cut(strings.TrimPrefix(word, "+"), "/")
		node := newNode(name, zone)
		if strings.HasPrefix(word, "+") {
			controlPlane(node)
		}
		h := w.addHost(node)
		w.after(0, func() { w.require(h, v1alpha1.SentinelRequired) })
	}
}

// finish runs until every need is met, and says how it stands.
func (w *world) finish(t *testing.T, within time.Duration) {
	t.Helper()
	w.runUntil(w.now.Add(within))
	if needs := w.needs(); len(needs) > 0 {
		t.Errorf("after %s there are needs:\n%s", within, strings.Join(needs, "\n"))
	}
	w.checkNothingIsLeft()
}

// A control plane and workers in three zones: zone by zone, two at once, each zone watched for a minute, the control plane last.
func threeZones(t *testing.T, w *world) {
	w.policy(maxUnavailable("2"), soak(60))
	w.cluster("+m/z1 a/z1 b/z1 c/z2 d/z2 e/z2 f/z3")
	w.addApp("web", &app{replicas: 6, startup: 10 * time.Second})
	w.finish(t, time.Hour)
}

// Four nodes in three zones, and an application of four replicas, one for each node, that take 24 s to be ready: never fewer than three are
// ready, no drain begins before all four are again, and the rollout takes no longer than its nodes one after the other.
func slowReplicas(t *testing.T, w *world) {
	w.policy()
	w.cluster("a/z1 b/z1 c/z2 d/z3")
	w.addApp("web", &app{replicas: 4, startup: 24 * time.Second, spread: true})
	// The replicas are ready before anything begins.
	for _, h := range w.hosts {
		h.due = true
	}
	w.runUntil(start.Add(30 * time.Second))
	for _, h := range w.hosts {
		h.due = false
	}
	w.after(0, w.wakeHelpers)
	check := w.onStatus
	w.onStatus = func(v *view, before *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
		check(v, before, after)
		if ready := w.readyReplicas("web"); after.Phase == v1alpha1.PhaseDraining && before.Status.Phase != after.Phase && ready != 4 {
			w.breaks("the drain of node %s begins while %d replicas are ready", before.Spec.NodeName, ready)
		}
	}
	for len(w.needs()) > 0 && w.step() {
		if ready := w.readyReplicas("web"); ready < 3 {
			w.breaks("only %d replicas are ready", ready)
		}
	}
	w.finish(t, time.Hour)
	var nodes time.Duration
	first, last := w.now, start
	for _, r := range w.reboots {
		begin, end := r.Status.Attempt.GrantedTime.Time, r.Status.Attempt.EndedTime.Time
		nodes += end.Sub(begin)
		if begin.Before(first) {
			first = begin
		}
		if end.After(last) {
			last = end
		}
	}
	w.tell("the rollout took %s, its nodes by themselves %s", last.Sub(first), nodes)
	if last.Sub(first) > nodes*105/100 {
		t.Errorf("the rollout took %s, more than 1.05 times the %s of its nodes", last.Sub(first), nodes)
	}
}

// A PodDisruptionBudget refuses until the drain runs out of time; the node is given back, the other one goes, and the next attempt works.
func refusedEvictions(t *testing.T, w *world) {
	w.policy()
	w.cluster("a/z1 b/z1")
	w.addApp("web", &app{replicas: 2, startup: time.Second})
	w.hosts["a"].refuses = true
	w.after(15*time.Minute, func() {
		w.tell("the PodDisruptionBudget allows it now")
		w.hosts["a"].refuses = false
	})
	w.finish(t, time.Hour)
}

// A node does not come back: nothing more starts. It is repaired after an hour and recovers, and the rollout continues by itself.
func nodeNotBack(t *testing.T, w *world) {
	w.policy()
	w.cluster("a/z1 b/z1 c/z2")
	w.hosts["a"].fate = fateNeverBack
	w.after(time.Hour, func() {
		w.tell("a person repairs host a")
		w.bootHost(w.hosts["a"])
	})
	w.finish(t, 2*time.Hour)
}

// A policy is paused while one node drains and another reboots: the drain is rolled back, the reboot followed to its end.
func pausedRollout(t *testing.T, w *world) {
	w.policy(maxUnavailable("2"))
	w.cluster("a/z1 b/z1 c/z1")
	w.hosts["b"].refuses = true
	w.after(12*time.Second, func() { w.editPolicy("p", mode(v1alpha1.ModePaused)) })
	w.after(10*time.Minute, func() {
		w.hosts["b"].refuses = false
		w.editPolicy("p", mode(v1alpha1.ModeEnforce))
	})
	w.finish(t, time.Hour)
}

// A host loses its power while it is drained: that was its reboot, and it is proved like any other.
func powerLoss(t *testing.T, w *world) {
	w.policy()
	w.cluster("a/z1 b/z1")
	w.after(3*time.Second, func() {
		w.tell("host a loses its power")
		w.crash(w.hosts["a"], 2*time.Minute)
	})
	w.finish(t, time.Hour)
}
