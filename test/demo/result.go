package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/bench/bound"
	"github.com/reboot-operator/reboot-operator/test/bench/ideal"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// result gathers what the rollout came to. From settled on there was nothing left to do.
func (d *demo) result(ctx context.Context, recording testbed.Recording, settled time.Time) (*result, error) {
	var policy v1alpha1.RebootPolicy
	if err := d.cluster.Client().Get(ctx, client.ObjectKey{Name: d.fleet.policy.Name}, &policy); err != nil {
		return nil, fmt.Errorf("get the policy: %w", err)
	}
	writes, err := d.cluster.Writes()
	if err != nil {
		return nil, err
	}
	r := &result{
		summary:        testbed.Summarize(recording),
		policy:         policy.Spec,
		maxUnavailable: int(policy.Status.MaxUnavailable),
		minAvailable:   map[string]int{},
		zoneNodes:      nodesByZone(recording),
		accepted:       map[string]int{},
		left:           leftovers(recording),
		unexplained:    unexplained(recording),
		idleWrites:     writesAfter(writes, settled),
		writes:         countWrites(writes, d.view.start),
		startedPaused:  startedBefore(recording, d.enforced),
		lag:            d.lag,
		forecast:       d.expected.compare(d.ended, len(d.fleet.hosts)),
	}
	for _, app := range d.fleet.apps {
		r.minAvailable[app.Name] = minAvailable(app)
	}
	for _, host := range d.fleet.hosts {
		r.accepted[host.Name()] = host.RebootsAccepted()
	}
	zones := zoneNames(d.options.Zones)
	r.workerZones = orderedZones(zones, policy.Spec.Rollout.Zones.Order)
	r.controlPlaneZones = orderedZones(zones[:min(d.options.ControlPlane, len(zones))], policy.Spec.Rollout.Zones.Order)
	r.bound = d.least(r, recording)
	return r, nil
}

// nodesByZone counts the nodes that were seen in each zone.
func nodesByZone(recording testbed.Recording) map[string]int {
	seen, zones := map[string]bool{}, map[string]int{}
	for _, node := range recording.Nodes {
		if !seen[node.Name] {
			seen[node.Name] = true
			zones[node.Zone]++
		}
	}
	return zones
}

func minAvailable(app testbed.App) int {
	switch {
	case app.MinAvailable != nil:
		return *app.MinAvailable
	case app.MaxUnavailable != nil:
		return int(app.Replicas) - *app.MaxUnavailable
	}
	return 0
}

// orderedZones are the zones in the order in which they should go: as named, then by name.
func orderedZones(zones, order []string) []string {
	var ordered []string
	for _, zone := range order {
		if slices.Contains(zones, zone) {
			ordered = append(ordered, zone)
		}
	}
	for _, zone := range zones {
		if !slices.Contains(order, zone) {
			ordered = append(ordered, zone)
		}
	}
	return ordered
}

// leftovers are taints and cordons on nodes at the end.
func leftovers(recording testbed.Recording) []string {
	last := map[string]testbed.NodeRecord{}
	for _, node := range recording.Nodes {
		last[node.Name] = node
	}
	var left []string
	for name, node := range last {
		if node.Tainted {
			left = append(left, name+" is still tainted")
		}
		if node.Cordoned {
			left = append(left, name+" is still cordoned")
		}
	}
	slices.Sort(left)
	return left
}

func unexplained(recording testbed.Recording) []string {
	var names []string
	for _, record := range recording.Reboots {
		s := record.Status
		if s.Phase == v1alpha1.PhasePending && (s.Reason == "" || s.Message == "") && !slices.Contains(names, record.Name) {
			names = append(names, record.Name)
		}
	}
	return names
}

// isLease reports whether a write renews the leader's lease, the one thing that is written while there is nothing to do.
func isLease(write testbed.Request) bool { return write.Resource == "leases" }

// writesAfter are the operator's writes after a time.
func writesAfter(writes []testbed.Request, settled time.Time) []string {
	var late []string
	for _, write := range writes {
		if write.At.After(settled) && !isLease(write) {
			late = append(late, fmt.Sprintf("%s wrote (%s) %s %s, %s after everything was done",
				write.Actor, write.Verb, write.Resource, write.Name, round(write.At.Sub(settled))))
		}
	}
	return late
}

// countWrites counts the operator's writes by kind from when the nodes ask, without leases and evictions.
func countWrites(writes []testbed.Request, asked time.Time) map[string]int {
	counts := map[string]int{}
	for _, write := range writes {
		if !isLease(write) && write.Resource != "pods/eviction" && !write.At.Before(asked) {
			counts[write.Actor+" "+write.Resource]++
		}
	}
	return counts
}

func startedBefore(recording testbed.Recording, enforced time.Time) []string {
	var names []string
	for _, record := range recording.Reboots {
		if record.Status.Attempt != nil && record.Status.Attempt.GrantedTime.Time.Before(enforced) && !slices.Contains(names, record.Name) {
			names = append(names, record.Name)
		}
	}
	return names
}

// least is the least time that a rollout of the fleet can take under the policy, no matter who schedules it.
func (d *demo) least(r *result, recording testbed.Recording) time.Duration {
	began := slices.DeleteFunc(slices.Clone(recording.Pods), func(pod testbed.PodRecord) bool { return pod.At.After(d.enforced) })
	return bound.Of(ideal.Rollout(&r.policy, r.maxUnavailable, d.options.nodes(), d.fleet.apps, ideal.Initial(began), recording))
}
