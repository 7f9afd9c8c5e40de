// Package forecast compares forecasts with what then happens, on the testbed.
package forecast

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/chaos/rig"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	// host is how long a host is down if a rollout says nothing else.
	host = 2 * time.Second
	// rack is the label of groups.
	rack = "rack"
)

// rollout is one to forecast.
type rollout struct {
	name string
	// nodes are the zones of the nodes.
	nodes  []string
	policy []rig.PolicyOption
	apps   []testbed.App
	// down is how long the host of the i-th node is down; nil is the same for all.
	down func(i int) time.Duration
}

func zones(each int, names ...string) []string {
	var all []string
	for _, name := range names {
		for range each {
			all = append(all, name)
		}
	}
	return all
}

func spec(change func(*v1alpha1.RebootPolicySpec)) rig.PolicyOption { return change }

// long lets a drain wait for budgets, as policies of real clusters do.
func long(s *v1alpha1.RebootPolicySpec) { s.Drain.TimeoutSeconds = ptr.To[int32](600) }

func oneZoneAtATime(soak int32) rig.PolicyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.Zones = v1alpha1.ZonesSpec{Strategy: v1alpha1.ZonesOneAtATime, SoakSeconds: ptr.To(soak)}
	})
}

// slow is an application that takes long to be ready, never two replicas on a node.
func slow(replicas int32, ready time.Duration) testbed.App {
	return testbed.App{
		Name: "slow", Replicas: replicas, ReadyAfter: ready, TerminateAfter: 500 * time.Millisecond,
		AntiAffinity: true, MaxUnavailable: ptr.To(1),
	}
}

// rollouts are those of the table.
func rollouts() []rollout {
	at := rig.MaxUnavailable
	return []rollout{
		{name: "6 nodes, one at a time", nodes: zones(6, "a"), policy: []rig.PolicyOption{at(1), rig.AnyOrder()}},
		{name: "9 nodes in 3 zones, 2 at once", nodes: zones(3, "a", "b", "c"), policy: []rig.PolicyOption{at(2), oneZoneAtATime(0)}},
		{name: "12 nodes, 4 at once", nodes: zones(12, "a"), policy: []rig.PolicyOption{at(4), rig.AnyOrder()}},
		{name: "9 nodes, any zone, a third at once", nodes: zones(3, "a", "b", "c"), policy: []rig.PolicyOption{
			rig.AnyOrder(), spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MaxUnavailable = ptr.To(intstr.FromString("34%")) }),
		}},
		{name: "6 nodes in 3 zones that soak for 4 s", nodes: zones(2, "a", "b", "c"), policy: []rig.PolicyOption{at(2), oneZoneAtATime(4)}},
		{name: "6 nodes, a canary that soaks for 5 s", nodes: zones(6, "a"), policy: []rig.PolicyOption{
			at(3), rig.AnyOrder(), spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Rollout.Canary = &v1alpha1.CanarySpec{Count: ptr.To(intstr.FromInt32(1)), SoakSeconds: ptr.To[int32](5)}
			}),
		}},
		{name: "4 replicas on 4 nodes, 6 s to be ready", nodes: zones(4, "a"), policy: []rig.PolicyOption{at(2), rig.AnyOrder()},
			apps: []testbed.App{slow(4, 6*time.Second)}},
		{name: "6 replicas on 8 nodes, 3 s to be ready, zones", nodes: zones(4, "a", "b"), policy: []rig.PolicyOption{at(2), oneZoneAtATime(0)},
			apps: []testbed.App{slow(6, 3*time.Second)}},
		{name: "6 nodes that settle for 3 s", nodes: zones(6, "a"), policy: []rig.PolicyOption{
			at(2), rig.AnyOrder(), spec(func(s *v1alpha1.RebootPolicySpec) { s.Recovery.SettleSeconds = ptr.To[int32](3) }),
		}},
		{name: "8 nodes in 4 racks, a rack at once", nodes: zones(8, "a"), policy: []rig.PolicyOption{
			at(2), rig.AnyOrder(), spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Group = &v1alpha1.GroupSpec{Label: rack, MaxSize: 4} }),
		}},
		{name: "6 nodes, 8 s between reboots of a node", nodes: zones(6, "a"), policy: []rig.PolicyOption{
			at(2), rig.AnyOrder(), spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MinIntervalSeconds = ptr.To[int32](8) }),
		}},
		{name: "8 nodes, hosts down for 1 to 8 s", nodes: zones(8, "a"), policy: []rig.PolicyOption{at(2), rig.AnyOrder()},
			down: func(i int) time.Duration { return time.Duration(i+1) * time.Second }},
	}
}

// options of the i-th node.
func (r *rollout) options(pool string, i int) testbed.NodeOptions {
	options := rig.Node(pool, fmt.Sprintf("%s-%d", pool, i+1), r.nodes[i])
	options.RebootDuration = host
	if r.down != nil {
		options.RebootDuration = r.down(i)
	}
	options.Labels[rack] = fmt.Sprintf("rack-%d", i/2)
	return options
}
