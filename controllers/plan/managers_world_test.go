package plan

import (
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Small clusters, on whose nodes the manager itself runs: there is a pass only while one of its pods does.

const managerApp = "manager"

// smallFleet makes the fleet of one or two nodes out of some seeds, whose managers are pods of them.
func (w *world) smallFleet(seed uint64) bool {
	w.managed = seed%8 == 5
	w.graceful = w.managed && seed%16 == 5
	return w.managed
}

// addManagers adds the pods of the manager, and their budget.
func (w *world) addManagers(random *rand.Rand) {
	w.addApp(managerApp, &app{replicas: 1 + random.Int32N(2), startup: w.between(time.Second, 20*time.Second)})
	for _, pod := range w.pods {
		if isManager(pod) {
			pod.Labels[v1alpha1.ComponentLabel] = v1alpha1.ManagerComponent
		}
	}
	w.addBudget(&budget{name: managerApp, app: managerApp, least: w.apps[deployment(managerApp)].replicas - 1})
}

func isManager(pod *simPod) bool {
	return len(pod.Workloads) > 0 && pod.Workloads[0] == deployment(managerApp)
}

// managerRuns: one of the pods runs. That one is not seen to be Ready matters to nobody but its budget.
func (w *world) managerRuns() bool {
	return !w.managed || slices.ContainsFunc(w.pods, func(pod *simPod) bool {
		h := w.hosts[pod.node]
		return isManager(pod) && h != nil && h.up && pod.container != ""
	})
}

// managerStaysOn says that a pod is a manager which may not be evicted: none on another node is Ready.
func (w *world) managerStaysOn(pod *simPod) bool {
	return isManager(pod) && !slices.ContainsFunc(w.pods, func(other *simPod) bool {
		return isManager(other) && other.node != pod.node && other.Ready
	})
}

// showManagers shows a plan the pods of the manager.
func (w *world) showManagers(v *view) {
	if !w.managed {
		return
	}
	v.Namespace = "apps"
	for _, pod := range w.pods {
		if isManager(pod) {
			v.ManagerPods = append(v.ManagerPods, model.ManagerPod{
				Node: pod.node, Ready: pod.Ready, Spec: corev1.PodSpec{Tolerations: managerTolerations},
			})
		}
	}
}

// toleratesTaints: the taint in place of the cordon keeps all pods away but the manager's.
func toleratesTaints(pod *simPod, n *Node) bool { return isManager(pod) || !n.TaintedForCordon() }

// leaves: the order says that the pod stays.
func leaves(order *v1alpha1.RebootOrder, pod *simPod) bool {
	return order.Drain != nil && order.Drain.Leave.Namespace != "" && isManager(pod)
}

// endPods is what a kubelet does that shuts down gracefully: every pod ends and is replaced.
func (w *world) endPods(h *host) {
	if !w.graceful {
		return
	}
	for _, pod := range w.pods {
		if pod.node == h.name && !pod.fixed() && !pod.bare() {
			pod.starts++
			pod.node, pod.Ready, pod.container = "", false, ""
		}
	}
	w.changed()
}

// ours are the taints of the operator.
func ours(t corev1.Taint) bool {
	return t.Key == v1alpha1.TaintKey || t.Key == v1alpha1.RebootingTaintKey
}
