package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// app is a Deployment.
type app struct {
	replicas int32
	// startup is how long a pod takes to become ready.
	startup time.Duration
	// spread allows one pod on each node.
	spread bool
	// returns: its pods tolerate everything and belong on one node, so each that is evicted is put back on the cordoned node.
	returns bool
	// zone that its pods have to be in; empty means any.
	zone string
}

// simPod is a pod as the API shows it, and when it is really ready.
type simPod struct {
	Pod
	node string
	// zone that it has to be in, if any; moves counts how often it was put on another node than before.
	zone    string
	moves   int
	healthy time.Time
	// starts counts the starts, so that what was planned for an earlier one does not happen.
	starts int
	// container is the ID of the container that the API shows; empty if none runs.
	container string
	// evictions of this pod by the drain that is under way. dropped: it is gone permanently.
	evictions int
	dropped   bool
}

// fixed pods stay on their node: those of DaemonSets, and static ones.
func (pod *simPod) fixed() bool {
	return pod.Mirror || len(pod.Workloads) > 0 && pod.Workloads[0].Kind == v1alpha1.WorkloadDaemonSet
}

func (pod *simPod) bare() bool { return strings.HasPrefix(pod.Name, "bare-") }

// budget is a PodDisruptionBudget of one application.
type budget struct {
	name, app string
	// least is how many pods have to stay healthy.
	least int32
}

func (b *budget) key() WorkloadKey {
	return WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: b.name}
}

func (w *world) addApp(name string, a *app) {
	key := deployment(name)
	w.apps[key] = a
	for i := range a.replicas {
		w.pods = append(w.pods, &simPod{zone: a.zone, Pod: Pod{
			Namespace: "apps", Name: fmt.Sprintf("%s-%d", name, i), Workloads: []WorkloadKey{key},
			Labels: map[string]string{"app": name}, Controlled: true,
		}})
	}
	w.changed()
	w.placePods()
}

// addBudget covers the pods of an application.
func (w *world) addBudget(b *budget) {
	w.budgets = append(w.budgets, b)
	w.changed()
}

// dropBudgets removes those that go.
func (w *world) dropBudgets(goes func(*budget) bool) {
	w.budgets = slices.DeleteFunc(w.budgets, goes)
	w.changed()
}

// budgetsOf a pod.
func (w *world) budgetsOf(pod *simPod) []*budget {
	var covering []*budget
	for _, b := range w.budgets {
		if len(pod.Workloads) > 0 && pod.Workloads[0] == deployment(b.app) {
			covering = append(covering, b)
		}
	}
	return covering
}

// allows is how many disruptions a budget allows now.
func (w *world) allows(b *budget) int32 { return max(0, int32(w.readyReplicas(b.app))-b.least) }

// placePods binds the pods that have no node, and starts them.
func (w *world) placePods() {
	for _, pod := range w.pods {
		if pod.node != "" {
			continue
		}
		if node := w.placeFor(pod); node != "" {
			pod.node = node
			pod.moves++
			w.startPod(pod, w.apps[pod.Workloads[0]].startup)
		}
	}
}

// placeFor is the node with the fewest pods among those that take the pod.
func (w *world) placeFor(pod *simPod) string {
	best, fewest := "", 0
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		node, count, same := w.nodes[name], 0, false
		for _, other := range w.pods {
			if other.node == name {
				count++
				same = same || !other.Mirror && other.Workloads[0] == pod.Workloads[0]
			}
		}
		if hasOurTaint(&node.Node) {
			count += 1000
		}
		inZone := pod.zone == "" || pod.zone == zoneOf(&node.Node)
		suitable := inZone && node.Ready && !node.Unschedulable && toleratesTaints(pod, &node.Node) &&
			(!same || !w.apps[pod.Workloads[0]].spread)
		if suitable && (best == "" || count < fewest) {
			best, fewest = name, count
		}
	}
	return best
}

// startPod makes a pod ready after a while, and until then not ready.
func (w *world) startPod(pod *simPod, startup time.Duration) {
	pod.starts++
	pod.container = ""
	pod.Ready, pod.healthy = false, w.now.Add(startup)
	w.changed()
	starts := pod.starts
	w.after(startup, func() {
		if pod.starts == starts {
			pod.container = w.containerID()
			pod.Ready = true
			w.changed()
		}
	})
}

// hostTime is what the clock of a node's host shows.
func (w *world) hostTime(node string) time.Time {
	if h := w.hosts[node]; h != nil {
		return w.now.Add(h.clock)
	}
	return w.now
}

// containerID of a container that starts now. No two are the same.
func (w *world) containerID() string {
	w.containers++
	return fmt.Sprintf("container-%d", w.containers)
}

// evictPods takes the pods of applications off a node.
func (w *world) evictPods(node string) {
	w.pods = slices.DeleteFunc(w.pods, func(p *simPod) bool { return p.node == node && p.bare() })
	for _, pod := range w.pods {
		if pod.node == node && !pod.fixed() {
			pod.starts++
			pod.node, pod.Ready = "", false
		}
	}
	w.changed()
}

// losePods is what the node controller does to the pods of a host that is down: they are not Ready, and after five minutes go elsewhere.
func (w *world) losePods(h *host) {
	if w.random == nil {
		return
	}
	for _, pod := range w.pods {
		if pod.node == h.name && pod.Ready {
			pod.starts++
			pod.Ready = false
		}
	}
	life := h.life
	w.after(5*time.Minute, func() {
		if h.life == life && w.hosts[h.name] == h {
			w.evictPods(h.name)
		}
	})
}

// evict takes a pod off its node. Its owner makes another one, which is this one with other containers.
func (w *world) evict(pod *simPod) {
	pod.starts++
	pod.Ready = false
	if app := w.apps[pod.Workloads[0]]; app != nil && app.returns {
		w.startPod(pod, app.startup)
		return
	}
	pod.node = ""
}

// restartPods is what happens to the pods that stay on a node when its host boots: for some seconds their status is from before the boot.
func (w *world) restartPods(h *host) {
	for _, pod := range w.pods {
		if pod.node != h.name {
			continue
		}
		pod.starts++
		starts := pod.starts
		pod.healthy = w.now.Add(24 * time.Hour) // until it is known
		restarts := w.between(3*time.Second, 10*time.Second)
		takes := w.between(3*time.Second, 20*time.Second)
		if pod.Mirror {
			takes = h.staticStart(takes)
		}
		w.after(restarts, func() {
			if pod.starts == starts {
				w.startPod(pod, takes)
			}
		})
	}
}

// readyReplicas of an application.
func (w *world) readyReplicas(name string) int {
	ready := 0
	for _, pod := range w.pods {
		if pod.Ready && len(pod.Workloads) > 0 && pod.Workloads[0] == deployment(name) {
			ready++
		}
	}
	return ready
}

// addFixedPods adds the pods that stay on a node: one of a DaemonSet, and static ones where there is a control plane or etcd.
func (w *world) addFixedPods(h *host, labels map[string]string, since time.Time) {
	add := func(pod *simPod) {
		pod.node, pod.container = h.name, w.containerID()
		w.pods = append(w.pods, pod)
	}
	add(&simPod{Pod: readyPod("agent-"+h.name, since, daemonSet("agent"))})
	if w.random == nil {
		return
	}
	static := []string{}
	if w.mayRunEtcd(labels) {
		static = append(static, "etcd-")
	}
	if _, is := labels[v1alpha1.ControlPlaneLabel]; is {
		static = append(static, "kube-apiserver-")
	}
	for _, name := range static {
		add(&simPod{Pod: staticPod(name+h.name, since)})
	}
}

// drainStep evicts what may be evicted from a host now. It says which pods are left, and which of them were refused, by what.
func (w *world) drainStep(h *host, order *v1alpha1.RebootOrder) (left int, refused []v1alpha1.RefusedPod) {
	for _, pod := range slices.Clone(w.pods) {
		if pod.node != h.name || pod.fixed() || leaves(order, pod) {
			continue
		}
		by := w.refusal(h, pod)
		switch {
		case pod.bare():
			w.pods = slices.DeleteFunc(w.pods, func(p *simPod) bool { return p == pod })
			w.changed()
		case by != "":
			left++
			refused = append(refused, v1alpha1.RefusedPod{Namespace: pod.Namespace, Name: pod.Name, By: by})
		case w.apps[pod.Workloads[0]].returns && pod.evictions >= 3:
			if !ignoresReturning(order) {
				left++
			}
		default:
			pod.evictions++
			w.noteEviction(pod)
			w.evict(pod)
			w.changed()
			if pod.node == h.name {
				left++
			}
		}
	}
	return left, refused[:min(len(refused), 10)]
}

// refusal says what refuses an eviction now.
func (w *world) refusal(h *host, pod *simPod) string {
	budgets := w.budgetsOf(pod)
	switch {
	case pod.bare():
		return ""
	case h.refuses || w.outside.refuses:
		return "admission webhook"
	case len(budgets) > 1:
		return "The API server"
	case len(budgets) == 1 && pod.Ready && w.allows(budgets[0]) < 1:
		return "PodDisruptionBudget " + budgets[0].name
	}
	return ""
}

// quorumLabel is one that an administrator names.
const quorumLabel = "example.com/runs-etcd"

// mayRunEtcd by the labels of a node.
func (w *world) mayRunEtcd(labels map[string]string) bool {
	for _, role := range []string{"control-plane", "master", "etcd"} {
		if _, is := labels["node-role.kubernetes.io/"+role]; is {
			return true
		}
	}
	_, is := labels[quorumLabel]
	return is && len(w.quorumLabels) > 0
}

// setCondition of a node, by a copy.
func setCondition(n *Node, c model.NodeCondition) {
	n.Conditions = slices.DeleteFunc(slices.Clone(n.Conditions), func(old model.NodeCondition) bool { return old.Type == c.Type })
	n.Conditions = append(n.Conditions, c)
}

// condition of a node; nil if it has none of that type.
func conditionOf(n *Node, conditionType corev1.NodeConditionType) *model.NodeCondition {
	for i := range n.Conditions {
		if n.Conditions[i].Type == conditionType {
			return &n.Conditions[i]
		}
	}
	return nil
}
