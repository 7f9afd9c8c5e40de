// Package ideal says what the least time of a rollout on the testbed is made of (package bound): what stood on the nodes when it began,
// what the policy asks for, and how long the testbed took for what is not the operator's.
package ideal

import (
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/bench/bound"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// shutdown is how long a host of the testbed that was not seen to reboot would take until it is down.
const shutdown = 100 * time.Millisecond

// Rollout is what has to be done to all nodes under a policy that lets so many go at once. A policy may have no defaults: fields that are
// empty mean what the API makes of them. Canaries, groups, gates, hooks and schedules are left out, so of a policy with those the least
// time is less than what it allows.
func Rollout(
	policy *v1alpha1.RebootPolicySpec, slots int, nodes []testbed.NodeOptions, apps []testbed.App,
	initial map[string][]testbed.PodRecord, recording testbed.Recording,
) bound.Rollout {
	zones := &policy.Rollout.Zones
	r := bound.Rollout{
		Slots: slots, OneZoneAtATime: zones.Strategy != v1alpha1.ZonesAnyOrder, Soak: model.Seconds(zones.SoakSeconds),
		FirstAlone: policy.Rollout.NodeOrder != v1alpha1.NodeOrderLongestRequired, Budgets: map[string]int{},
	}
	if limit := zones.MaxUnavailablePerZone; limit != nil && limit.Type == intstr.Int {
		r.SlotsPerZone = limit.IntValue()
	}
	known := map[string]testbed.App{}
	for _, app := range apps {
		known[app.Name] = app
		if budget, has := budgetOf(app); has {
			r.Budgets[app.Name] = budget
		}
	}
	ends := terminations(recording.Pods)
	for _, options := range nodes {
		node := bound.Node{
			Zone: options.Zone, ControlPlane: options.ControlPlane, Delay: model.Seconds(policy.Drain.DelaySeconds),
			Down:   downtime(recording.Hosts[options.Name], options.RebootDuration) + model.Seconds(policy.Reboot.DelaySeconds),
			Settle: model.Seconds(policy.Recovery.SettleSeconds),
		}
		if exclusion := policy.Drain.ExcludeFromLoadBalancers; exclusion != nil {
			node.Delay += model.Seconds(exclusion.LeadSeconds)
		}
		for _, pod := range initial[options.Name] {
			if app, ours := known[pod.App.Name]; ours { // and none of the manager's
				node.Pods = append(node.Pods, podOf(pod, app, ends, len(nodes)))
			}
		}
		r.Nodes = append(r.Nodes, node)
	}
	return r
}

// budgetOf is how many pods of an application may be unavailable, if it says so.
func budgetOf(app testbed.App) (budget int, has bool) {
	switch {
	case app.MaxUnavailable != nil:
		return *app.MaxUnavailable, true
	case app.MinAvailable != nil:
		return int(app.Replicas) - *app.MinAvailable, true
	}
	return 0, false
}

func podOf(pod testbed.PodRecord, app testbed.App, ends map[string]time.Duration, nodes int) bound.Pod {
	took, known := ends[string(pod.UID)]
	if !known {
		took = app.TerminateAfter
	}
	out := app.ReadyAfter
	if app.Kind == testbed.StatefulSet { // the next one is made when the last is gone
		out += took
	}
	stays := app.AntiAffinity && int(app.Replicas) >= nodes
	return bound.Pod{App: app.Name, Ends: took, Out: out, Stays: stays, Ready: app.ReadyAfter}
}

// terminations are how long evicted pods took to end, by UID.
func terminations(pods []testbed.PodRecord) map[string]time.Duration {
	began, took := map[string]time.Time{}, map[string]time.Duration{}
	for _, pod := range pods {
		uid := string(pod.UID)
		if _, known := began[uid]; !known && pod.Terminating {
			began[uid] = pod.At
		}
		if since, known := began[uid]; known && pod.Gone {
			took[uid] = pod.At.Sub(since)
		}
	}
	return took
}

// downtime is from when the host accepted the order until it was up, by its own knowledge.
func downtime(events []testbed.HostEvent, planned time.Duration) time.Duration {
	var accepted time.Time
	for _, event := range events {
		switch {
		case event.Kind == testbed.EventRebootAccepted:
			accepted = event.At
		case event.Kind == testbed.EventUp && !accepted.IsZero():
			return event.At.Sub(accepted)
		}
	}
	return planned + shutdown
}

// Initial are the pods of applications that are there after these records, by node.
func Initial(pods []testbed.PodRecord) map[string][]testbed.PodRecord {
	last := map[string]testbed.PodRecord{}
	for _, pod := range pods {
		last[string(pod.UID)] = pod
	}
	initial := map[string][]testbed.PodRecord{}
	for _, pod := range last {
		if !pod.Gone && !pod.Terminating && pod.Node != "" {
			initial[pod.Node] = append(initial[pod.Node], pod)
		}
	}
	return initial
}
