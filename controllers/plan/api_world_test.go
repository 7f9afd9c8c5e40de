package plan

import (
	"time"

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
func (pod *simPod) shown() Pod { return pod.Pod }

// showBudgets adds what a snapshot has of PodDisruptionBudgets.
func (w *world) showBudgets(v *view) {
	for _, b := range w.budgets {
		app := w.apps[deployment(b.app)]
		if app == nil {
			continue
		}
		v.Workloads[b.key()] = Workload{Ready: int32(w.readyReplicas(b.app)), Desired: app.replicas}
	}
	if len(w.budgets) == 0 {
		return
	}
	for node, pods := range v.allPods {
		for i := range pods {
			for _, b := range w.budgets {
				if keys := pods[i].Workloads; len(keys) > 0 && keys[0] == deployment(b.app) {
					pods[i].Workloads = append(keys[:len(keys):len(keys)], b.key())
				}
			}
		}
		v.allPods[node] = pods
	}
}

// ignoresReturning: a drain does not wait for pods that are put back again and again.
func ignoresReturning(*v1alpha1.RebootOrder) bool { return true }

// breakerLimit is how many nodes may fail in a row without a reboot before a policy halts; 0 is no limit.
func breakerLimit(*v1alpha1.FailureSpec) int { return 3 }

// goneTimeout is how long a host may be missing whose Node is gone before it is given up; 0 is for ever.
func goneTimeout(*v1alpha1.FailureSpec) time.Duration { return 0 }

// rebootsOf are the failed attempts that reached the host.
func rebootsOf(f *v1alpha1.Failures) int32 { return f.Count }

// attemptRolledBack: the attempt was given up before its reboot, and holds its slot until the pods are back.
func attemptRolledBack(*v1alpha1.Attempt) bool { return false }
