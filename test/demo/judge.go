package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	// earlyTaint is how soon after its sentinel a node has to be tainted.
	earlyTaint = time.Second
	// earlyTaintSteps of writing and seeing are between them: the NodeReboot, the taint, and more of them where many nodes ask at once.
	earlyTaintSteps = 5
)

// result is what a rollout came to. Everything in it was observed from outside, or is the simulated hosts' own knowledge.
type result struct {
	summary testbed.Summary
	// policy as it is stored, with its defaults; maxUnavailable is its limit in nodes.
	policy         v1alpha1.RebootPolicySpec
	maxUnavailable int
	// minAvailable of each application, by name: what its PodDisruptionBudget promises.
	minAvailable map[string]int
	// zoneNodes is how many nodes each zone has.
	zoneNodes map[string]int
	// zones that the policy's order should lead to, by kind of node.
	workerZones, controlPlaneZones []string
	// accepted is how many reboots each host accepted.
	accepted map[string]int
	// left lists what is left on nodes: taints and cordons.
	left []string
	// unexplained lists NodeReboots that waited without a reason and a message.
	unexplained []string
	// idleWrites are the writes that were seen when everything was done.
	idleWrites []string
	// writes of the operator in all, by who wrote what; leases and evictions do not count.
	writes map[string]int
	// startedPaused lists NodeReboots that were started before the policy was enforced.
	startedPaused []string
	bound         time.Duration
	// forecast next to reality.
	forecast string
	// lag is that of the cluster while the nodes were tainted.
	lag *testbed.Lag
}

// broken lists the promises that were broken, each with what was seen.
func (r *result) broken() []string {
	var all []string
	for _, check := range []func(*result) []string{
		(*result).checkTaints, (*result).checkBudget, (*result).checkZones, (*result).checkControlPlane, (*result).checkProofs,
		(*result).checkApps, (*result).checkLeftovers,
	} {
		all = append(all, check(r)...)
	}
	return all
}

func (r *result) checkTaints() []string {
	var broken []string
	limit := r.lag.On(earlyTaint, earlyTaintSteps)
	for _, reboot := range r.summary.Reboots {
		switch {
		case reboot.SentinelToTaint == nil:
			broken = append(broken, fmt.Sprintf("early taint: %s was never seen tainted", reboot.Node))
		case *reboot.SentinelToTaint > limit:
			broken = append(broken, fmt.Sprintf("early taint: %s was tainted after %s", reboot.Node, round(*reboot.SentinelToTaint)))
		}
	}
	for _, name := range r.startedPaused {
		broken = append(broken, fmt.Sprintf("window: %s was started while the policy was paused", name))
	}
	return broken
}

func (r *result) checkBudget() []string {
	var broken []string
	for policy, peak := range r.summary.DownByPolicy {
		if peak.Count > r.maxUnavailable {
			broken = append(broken, fmt.Sprintf("budget: %d nodes of policy %s were down at once (%s), and %d may be",
				peak.Count, policy, strings.Join(peak.Names, ", "), r.maxUnavailable))
		}
	}
	perZone := r.policy.Rollout.Zones.MaxUnavailablePerZone
	if perZone == nil {
		return broken
	}
	for zone, peak := range r.summary.DownByZone {
		limit, err := intstr.GetScaledValueFromIntOrPercent(perZone, r.zoneNodes[zone], false)
		if err != nil || peak.Count > limit {
			broken = append(broken, fmt.Sprintf("budget: %d nodes of zone %s were down at once, and %s may be", peak.Count, zone, perZone))
		}
	}
	return broken
}

func (r *result) checkZones() []string {
	if r.policy.Rollout.Zones.Strategy != v1alpha1.ZonesOneAtATime {
		return nil
	}
	var broken []string
	if r.summary.ZonesUnderWay.Count > 1 {
		broken = append(broken, "zones: several were under way at once: "+strings.Join(r.summary.ZonesUnderWay.Names, ", "))
	}
	if got, want := r.visited(false), r.workerZones; !slices.Equal(got, want) {
		broken = append(broken, fmt.Sprintf("zones: the order was %v, and should be %v", got, want))
	}
	if got, want := r.visited(true), r.controlPlaneZones; !slices.Equal(got, want) {
		broken = append(broken, fmt.Sprintf("zones: the order of the control plane was %v, and should be %v", got, want))
	}
	return broken
}

// visited are the zones in the order in which they had their turn.
func (r *result) visited(controlPlane bool) []string {
	var zones []string
	for _, visit := range r.summary.Visits {
		if visit.ControlPlane == controlPlane {
			zones = append(zones, visit.Zone)
		}
	}
	return zones
}

func (r *result) checkControlPlane() []string {
	var broken []string
	if r.summary.ControlPlaneDown.Count > 1 {
		broken = append(broken, "control plane: two nodes were down at once: "+strings.Join(r.summary.ControlPlaneDown.Names, ", "))
	}
	first := r.policy.Rollout.ControlPlane == v1alpha1.ControlPlaneFirst
	for i := 1; i < len(r.summary.Visits); i++ {
		before, after := r.summary.Visits[i-1].ControlPlane, r.summary.Visits[i].ControlPlane
		if before != after && before != first {
			broken = append(broken, "control plane: its nodes did not go "+string(r.policy.Rollout.ControlPlane))
		}
	}
	return broken
}

func (r *result) checkProofs() []string {
	var broken []string
	for _, reboot := range r.summary.Reboots {
		proved := reboot.Outcome == v1alpha1.OutcomeSucceeded && reboot.Reason == v1alpha1.ReasonProved &&
			reboot.Before.BootID != "" && reboot.After.BootID != "" && reboot.Before.BootID != reboot.After.BootID
		if !proved {
			broken = append(broken, fmt.Sprintf("proof: %s is %s (%s): %s", reboot.Node, reboot.Phase, reboot.Reason, reboot.Message))
		}
	}
	for node, count := range r.accepted {
		if count != 1 {
			broken = append(broken, fmt.Sprintf("at most once: the host of %s was ordered to reboot %d times", node, count))
		}
	}
	return broken
}

func (r *result) checkApps() []string {
	var broken []string
	for _, app := range r.summary.Apps {
		least, judged := r.minAvailable[app.App.Name]
		switch {
		case !judged:
		case app.LeastReady < least:
			broken = append(broken, fmt.Sprintf("recovery: %s had %d ready replicas, and should never have fewer than %d",
				app.App, app.LeastReady, least))
		case app.Ready < app.Replicas:
			broken = append(broken, fmt.Sprintf("recovery: %s has %d of %d replicas ready at the end", app.App, app.Ready, app.Replicas))
		}
	}
	return broken
}

func (r *result) checkLeftovers() []string {
	var broken []string
	for _, left := range r.left {
		broken = append(broken, "ownership: "+left)
	}
	for _, name := range r.unexplained {
		broken = append(broken, fmt.Sprintf("reasons: NodeReboot %s waited without saying for what", name))
	}
	for _, write := range r.idleWrites {
		broken = append(broken, "idle: "+write)
	}
	return broken
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
