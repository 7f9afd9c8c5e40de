//go:build linux && !race

package plan

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// floods are clusters that grow in one respect, up to what one faulty or hostile writer, or a large cluster, can make of them.
var floods = map[string]func(n int) *Snapshot{
	"waiting NodeReboots of one node":         func(n int) *Snapshot { return oneNode(n) },
	"waiting NodeReboots of a node under way": func(n int) *Snapshot { return oneNode(n, underWayFirst) },
	"waiting NodeReboots of a rebooted node":  func(n int) *Snapshot { return oneNode(n, rebootedMeanwhile) },
	"NodeReboots of one node that back off":   func(n int) *Snapshot { return oneNode(n, each(failedBefore(1, -time.Minute))) },
	"succeeded NodeReboots of one node": func(n int) *Snapshot {
		return oneNode(n, each(ended(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved)))
	},
	"cancelled NodeReboots of one node": func(n int) *Snapshot {
		return oneNode(n, each(ended(v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn)))
	},
	"NodeReboots of one node that were not observed": func(n int) *Snapshot {
		return oneNode(n, each(ended(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved)))
	},
	"failed canaries of one node": func(n int) *Snapshot {
		s := oneNode(n, each(ended(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved), canaryThatFailed))
		canaryOf(1, 0)(s.Policies[0])
		return s
	},
	"NodeReboots of a node that is gone": func(n int) *Snapshot {
		s := oneNode(n, each(ended(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved)))
		s.Nodes = nil
		return s
	},
	"nodes":                              func(n int) *Snapshot { return fleetOf(n) },
	"one group":                          func(n int) *Snapshot { return fleetOf(n, inOneGroup()) },
	"one group that cannot go":           func(n int) *Snapshot { return waitsForPods(fleetOf(n, inOneGroup(), maxUnavailable("0"))) },
	"one group whose pods are not known": func(n int) *Snapshot { return waitsForPods(fleetOf(n, inOneGroup())) },
	"one group that needs room": func(n int) *Snapshot {
		return fleetOf(n, inOneGroup(), capacityRequired())
	},
	"one group with a node that is not Ready": func(n int) *Snapshot {
		s := fleetOf(n, inOneGroup())
		s.Nodes[n-1].Ready = false
		return s
	},
	"nodes whose drain is refused":     func(n int) *Snapshot { return refused(fleetOf(n, drain(refusing))) },
	"zones whose nodes refuse a drain": func(n int) *Snapshot { return refused(eachItsZone(fleetOf(n, drain(refusing)))) },
	"zones":                            func(n int) *Snapshot { return eachItsZone(fleetOf(n)) },
	"nodes that need room": func(n int) *Snapshot {
		return fleetOf(n, maxUnavailable("50%"), capacityRequired())
	},
	"nodes of a halted policy": func(n int) *Snapshot {
		s := fleetOf(n)
		for i, r := range s.Reboots[:5] {
			failedBefore(1, -time.Duration(i)*time.Minute)(r)
		}
		return s
	},
	"nodes of a halted policy that tries again": func(n int) *Snapshot {
		s := fleetOf(n)
		for i, r := range s.Reboots[:5] {
			failedBefore(1, -24*time.Hour-time.Duration(i)*time.Minute)(r)
		}
		return s
	},
	"canaries that start": func(n int) *Snapshot { return fleetOf(n, canaryOf(10, 3600), maxUnavailable("100%")) },
	"canaries that soak": func(n int) *Snapshot {
		s := fleetOf(n, canaryOf(int32(n), 3600))
		for _, r := range s.Reboots[:n/2] {
			finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -time.Minute)(r)
			r.Status.PolicyName, r.Status.Attempt.Role = "p", v1alpha1.RoleCanary
		}
		return s
	},
	"canaries that were proved": func(n int) *Snapshot {
		s := fleetOf(n, canaryOf(int32(n), 60))
		for _, r := range s.Reboots[:n/2] {
			finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -2*time.Minute)(r)
			r.Status.PolicyName, r.Status.Attempt.Role = "p", v1alpha1.RoleCanary
		}
		return s
	},
	"control-plane nodes": func(n int) *Snapshot {
		s := fleetOf(n)
		for i := range s.Nodes {
			controlPlane(s.Nodes[i])
		}
		return s
	},
	"nodes that start": func(n int) *Snapshot { return fleetOf(n, maxUnavailable("100%")) },
	"policies":         func(n int) *Snapshot { return manyPolicies(n) },
	"policies with canaries": func(n int) *Snapshot {
		return manyPolicies(n, canaryOf(1, 0), spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.AdaptiveDelay.MaxSeconds = 60 }))
	},
	"policies that granted what other policies own": func(n int) *Snapshot {
		s := manyPolicies(n)
		for i, node := range s.Nodes {
			r := newReboot("past-"+node.Name, node.Name, finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -24*time.Hour))
			r.Status.PolicyName = s.Policies[n-1-i].Name
			s.Reboots = append(s.Reboots, r)
		}
		return s
	},
}

// each changes every NodeReboot.
func each(options ...rebootOption) func(*Snapshot) {
	return func(s *Snapshot) {
		for _, r := range s.Reboots {
			for _, option := range options {
				option(r)
			}
		}
	}
}

// ended in the boot that runs, which keeps it from being pruned.
func ended(outcome v1alpha1.Outcome, reason string) rebootOption {
	return func(r *v1alpha1.NodeReboot) {
		report := r.Status.Report
		finished(outcome, reason, -time.Minute)(r)
		r.Status.Report, r.Status.PolicyName = report, "p"
	}
}

func canaryThatFailed(r *v1alpha1.NodeReboot) {
	r.Status.Attempt.Role = v1alpha1.RoleCanary
	r.Status.Failures = &v1alpha1.Failures{Count: 1, LastTime: *r.Status.Attempt.EndedTime, LastReason: v1alpha1.ReasonRebootNotObserved}
}

func underWayFirst(s *Snapshot) {
	s.Reboots[0].Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(-time.Minute), PolicyName: "p", Zone: "z1"}
}

func rebootedMeanwhile(s *Snapshot) {
	for _, r := range s.Reboots {
		r.Status.Before = &v1alpha1.BootInfo{BootID: bootOf(r.Spec.NodeName, 0)}
		r.Status.Report.Sentinel = v1alpha1.SentinelNotRequired
	}
}

func oneNode(n int, changes ...func(*Snapshot)) *Snapshot {
	s := newSnapshot(newPolicy("p"), newNode("a", "z1"))
	for i := range n {
		s.Reboots = append(s.Reboots, newReboot(fmt.Sprintf("r-%06d", i), "a"))
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

// fleetOf nodes of one group and zone that need a reboot.
func fleetOf(n int, options ...policyOption) *Snapshot {
	s := newSnapshot(newPolicy("p", append([]policyOption{maxUnavailable("1")}, options...)...))
	for i := range n {
		name := fmt.Sprintf("node-%06d", i)
		s.Nodes = append(s.Nodes, newNode(name, "z1", labeled(groupLabel, "g")))
		s.Pods[name] = nil
		s.Reboots = append(s.Reboots, newReboot("r-"+name, name))
	}
	return s
}

func waitsForPods(s *Snapshot) *Snapshot {
	s.Pods = nil
	return s
}

func refused(s *Snapshot) *Snapshot {
	for i := range s.Nodes {
		s.Pods[s.Nodes[i].Name] = []Pod{{Namespace: "apps", Name: "bare"}}
	}
	return s
}

func eachItsZone(s *Snapshot) *Snapshot {
	for i := range s.Nodes {
		s.Nodes[i].Labels[zoneLabel] = fmt.Sprintf("zone-%06d", i)
	}
	return s
}

// manyPolicies each select one node.
func manyPolicies(n int, options ...policyOption) *Snapshot {
	s := fleetOf(n)
	s.Policies = nil
	for i := range s.Nodes {
		value := fmt.Sprintf("pool-%06d", i)
		s.Nodes[i].Labels["pool"] = value
		policy := newPolicy("p-"+value, append([]policyOption{selecting("pool", value)}, options...)...)
		policy.UID = types.UID(value)
		policy.CreationTimestamp = metav1.NewTime(start.Add(-time.Hour))
		s.Policies = append(s.Policies, policy)
	}
	return s
}

// TestPlanningIsLinear compares the processor times of a plan and of a plan that is four times as large: four times is linear, sixteen
// times quadratic. Other work of the machine does not count.
func TestPlanningIsLinear(t *testing.T) {
	const small, factor, allowed = 250, 4, 9.0
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(512 << 20))
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			few, many := flood(small), flood(factor*small)
			ratio := 0.0
			for range 3 {
				if ratio = processorTime(many).Seconds() / processorTime(few).Seconds(); ratio <= allowed {
					return
				}
			}
			t.Errorf("a plan for %d times as much takes %.1f times as long", factor, ratio)
		})
	}
}

// processorTime of the fastest of some plans.
func processorTime(s *Snapshot) time.Duration {
	best := time.Duration(0)
	for range 3 {
		runtime.GC()
		before := threadTime()
		Compute(s, start)
		if took := threadTime() - before; best == 0 || took < best {
			best = took
		}
	}
	return best
}

// threadTime is the processor time of this thread.
func threadTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		panic(err)
	}
	return time.Duration(now.Nano())
}
