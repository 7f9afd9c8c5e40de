package plan

import (
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What simulated fleets need to know of the API and of snapshots beyond what has always been there.

// staticPod is a mirror pod that has been ready since.
func staticPod(name string, since time.Time) Pod {
	pod := readyPod(name, since)
	pod.Namespace, pod.Mirror = "kube-system", true
	return pod
}

// shown is the pod as a snapshot has it.
func (pod *simPod) shown() Pod {
	shown := pod.Pod
	shown.Containers = nil
	if pod.container != "" {
		shown.Containers = []string{pod.container}
	}
	return shown
}

// showBudgets adds what a snapshot has of PodDisruptionBudgets.
func (w *world) showBudgets(v *view) {
	for _, b := range w.budgets {
		app := w.apps[deployment(b.app)]
		if app == nil {
			continue
		}
		v.Workloads[b.key()] = Workload{
			Ready: int32(w.readyReplicas(b.app)), Desired: app.replicas, Expected: app.replicas, DisruptionsAllowed: w.allows(b),
			DisruptionsAtRest: max(0, app.replicas-b.least),
		}
	}
	if len(w.budgets) == 0 {
		return
	}
	for node, pods := range v.allPods {
		for i := range pods {
			for _, b := range w.budgets {
				if keys := pods[i].Workloads; len(keys) > 0 && keys[0] == deployment(b.app) {
					pods[i].Workloads = slices.Concat(keys, []WorkloadKey{b.key()})
				}
			}
		}
		v.allPods[node] = pods
	}
}

// ignoresReturning: a drain does not wait for pods that are put back repeatedly.
func ignoresReturning(order *v1alpha1.RebootOrder) bool {
	return order.Drain == nil || order.Drain.ReturningPods != v1alpha1.ReturningPodsRefuse
}

// breakerLimit is how many nodes may fail in a row without a reboot before a policy halts; 0 means no limit.
func breakerLimit(f *v1alpha1.FailureSpec) int { return f.MaxConsecutiveFailures.IntValue() }

// goneTimeout is how long a host may be missing whose Node is gone before it is given up; 0 is for ever.
func goneTimeout(f *v1alpha1.FailureSpec) time.Duration {
	return time.Duration(ptr.Deref(f.NodeGoneTimeoutSeconds, 0)) * time.Second
}

// randomTrouble sets what a policy says about failures.
func randomTrouble(random *rand.Rand, s *v1alpha1.RebootPolicySpec) {
	s.Failure = v1alpha1.FailureSpec{
		MaxFailures: ptr.To(intstr.FromInt32(1 + random.Int32N(3))), MaxAttempts: ptr.To(pick[int32](random, 2, 3, 100)),
		BackoffSeconds: ptr.To(20 + random.Int32N(40)),
	}
	s.Schedule.MaxDeferralSeconds = pick(random, nil, ptr.To(60+random.Int32N(600)))
	s.Failure.MaxConsecutiveFailures = ptr.To(intstr.FromInt32(pick[int32](random, 0, 2, 3, 3)))
	s.Failure.NodeGoneTimeoutSeconds = pick(random, nil, nil, ptr.To(60+random.Int32N(3600)))
	s.Drain.ReturningPods = pick(random, v1alpha1.ReturningPodsIgnore, v1alpha1.ReturningPodsIgnore, v1alpha1.ReturningPodsRefuse)
}
