package plan

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// bigCluster has nodes in three zones with the labels and taints of real ones, of which all need a reboot or none does. Each has a history.
func bigCluster(nodes int, needed bool) *Snapshot {
	s := newSnapshot(
		newPolicy("all", maxUnavailable("2%"), spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.DelaySeconds = ptr.To[int32](60) })),
		newPolicy("pool", selecting("pool", "a"), priority(1)))
	for i := range nodes {
		name := fmt.Sprintf("node-%05d", i)
		node := newNode(name, fmt.Sprintf("zone-%d", i%3), labeled("pool", string(rune('a'+i%10))),
			tainted(corev1.Taint{Key: "example.com/team", Value: "web", Effect: corev1.TaintEffectNoSchedule}))
		for j := range 20 {
			node.Labels[fmt.Sprintf("example.com/label-%d", j)] = "value"
		}
		s.Nodes = append(s.Nodes, node)
		s.Pods[name] = nil
		s.Reboots = append(s.Reboots, newReboot("past-"+name, name, finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -30*24*60*60e9)))
		if needed {
			s.Reboots = append(s.Reboots, newReboot("now-"+name, name))
		}
	}
	return s
}

// shuffle: a cache lists in no order.
func shuffle(s *Snapshot) {
	random := rand.New(rand.NewPCG(1, 1))
	random.Shuffle(len(s.Nodes), func(i, j int) { s.Nodes[i], s.Nodes[j] = s.Nodes[j], s.Nodes[i] })
	random.Shuffle(len(s.Reboots), func(i, j int) { s.Reboots[i], s.Reboots[j] = s.Reboots[j], s.Reboots[i] })
}

func BenchmarkCompute(b *testing.B) {
	for _, nodes := range []int{100, 1000, 5000, 15000} {
		for _, needed := range []bool{true, false} {
			name := "idle"
			if needed {
				name = "needed"
			}
			b.Run(fmt.Sprintf("%d/%s", nodes, name), func(b *testing.B) {
				// What is measured is the usual pass, in which nearly nothing is new.
				s := bigCluster(nodes, needed)
				for range 3 {
					after, err := apply(s, Compute(s, start), start)
					if err != nil {
						b.Fatal(err)
					}
					s = after
				}
				_, state := Next(nil, s, start)
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					renew(s, n)
					_, state = Next(state, s, start)
				}
			})
		}
	}
}

// renew has a Node and a NodeReboot read again.
func renew(s *Snapshot, n int) {
	node := *s.Nodes[n*7919%len(s.Nodes)]
	s.Nodes[n*7919%len(s.Nodes)] = &node
	if len(s.Reboots) > 0 {
		reboot := *s.Reboots[n*7919%len(s.Reboots)]
		s.Reboots[n*7919%len(s.Reboots)] = &reboot
	}
}

func BenchmarkComputeAtFirstSight(b *testing.B) {
	s := bigCluster(5000, true)
	shuffle(s)
	b.ReportAllocs()
	for b.Loop() {
		Compute(s, start)
	}
}

// BenchmarkComputeForOneNode is about as many NodeReboots of a node as its helper can make.
func BenchmarkComputeForOneNode(b *testing.B) {
	for _, count := range []int{1000, 4000, 8000, 16000, 32000} {
		for _, state := range []string{"open", "finished", "failed"} {
			b.Run(fmt.Sprintf("%d/%s", count, state), func(b *testing.B) {
				s := newSnapshot(newPolicy("p"), newNode("a", "z1"))
				for i := range count {
					r := newReboot(fmt.Sprintf("r-%06d", i), "a")
					switch state {
					case "finished":
						finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -time.Duration(i)*time.Minute)(r)
					case "failed":
						finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, -time.Duration(i)*time.Minute)(r)
					}
					s.Reboots = append(s.Reboots, r)
				}
				shuffle(s)
				b.ReportAllocs()
				for b.Loop() {
					Compute(s, start)
				}
			})
		}
	}
}

// BenchmarkComputeForOneGroup is about a group that waits for its limit.
func BenchmarkComputeForOneGroup(b *testing.B) {
	for _, nodes := range []int{500, 2000} {
		b.Run(strconv.Itoa(nodes), func(b *testing.B) {
			s := newSnapshot(newPolicy("p", inOneGroup(), maxUnavailable("1")), newNode("down", "z1", cordonedByHand))
			for i := range nodes {
				name := fmt.Sprintf("node-%05d", i)
				s.Nodes = append(s.Nodes, newNode(name, "z1", labeled(groupLabel, "g")))
				s.Reboots = append(s.Reboots, newReboot("r-"+name, name))
			}
			b.ReportAllocs()
			for b.Loop() {
				Compute(s, start)
			}
		})
	}
}

// inOneGroup allows groups of any size that a test makes.
func inOneGroup() policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Rollout.Group = &v1alpha1.GroupSpec{Label: groupLabel, MaxSize: 1 << 20}
	})
}
