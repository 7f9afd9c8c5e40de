package plan

import (
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// world is a simulated cluster: hosts, helpers and applications around a store, and a manager that runs the planner. Its clock jumps from
// one event to the next. Everything that takes time takes a random time, or the least if there is no random source; the same source gives
// the same world.
type world struct {
	*store
	random *rand.Rand
	now    time.Time
	events eventQueue
	hosts  map[string]*host
	pods   []*simPod
	apps   map[WorkloadKey]*app
	// clusterMax is the limit of the manager, in nodes or percent.
	clusterMax *intstr.IntOrString
	manager    manager
	// tell writes the transcript, if somebody reads it.
	tell func(format string, args ...any)
	// mended: nothing goes wrong any more.
	mended bool
	// broken is the first promise that was broken.
	broken error
	// created numbers what is made, for its UID.
	created int
	rules   rules
	// hooking are the hooks that somebody works on.
	hooking map[hookKey]bool
	// outside is what gates see.
	outside outside
	// inspect sees what each plan was made from.
	inspect func(*Snapshot)
}

// event is something that happens at a time. Events of the same time happen in the order in which they were planned.
type event struct {
	at     time.Time
	number int
	run    func()
}

type eventQueue struct {
	events  []event
	planned int
}

func (q *eventQueue) Len() int { return len(q.events) }
func (q *eventQueue) Less(i, j int) bool {
	a, b := q.events[i], q.events[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.number < b.number
}
func (q *eventQueue) Swap(i, j int) { q.events[i], q.events[j] = q.events[j], q.events[i] }
func (q *eventQueue) Push(e any)    { q.events = append(q.events, e.(event)) } //nolint:forcetypeassert // heap.Push has no types
func (q *eventQueue) Pop() any {
	last := q.events[len(q.events)-1]
	q.events = q.events[:len(q.events)-1]
	return last
}

func newWorld(random *rand.Rand, policies ...*v1alpha1.RebootPolicy) *world {
	w := &world{
		store: newStore(newSnapshot()), random: random, now: start, hosts: map[string]*host{}, apps: map[WorkloadKey]*app{},
		tell: func(string, ...any) {}, rules: newRules(), hooking: map[hookKey]bool{},
		outside: newOutside(), manager: manager{crashAfter: -1},
	}
	for _, policy := range policies {
		w.policies[policy.Name] = policy
	}
	w.onGrant, w.onStatus = w.checkGrants, w.checkStatus
	return w
}

// after plans an event.
func (w *world) after(d time.Duration, run func()) {
	w.events.planned++
	heap.Push(&w.events, event{at: w.now.Add(d), number: w.events.planned, run: run})
}

// between is a random duration, and the least one without a random source.
func (w *world) between(least, most time.Duration) time.Duration {
	if w.random == nil {
		return least
	}
	return (least + time.Duration(w.random.Int64N(int64(most-least)+1))).Truncate(time.Microsecond)
}

// step lets the next event happen. It is false if nothing will ever happen.
func (w *world) step() bool {
	if w.events.Len() == 0 || w.broken != nil {
		return false
	}
	next, _ := heap.Pop(&w.events).(event)
	w.checkNobodyHadToBeWoken(next.at)
	w.now = next.at
	version := w.version
	next.run()
	if w.version != version {
		w.placePods()
		w.wakeHelpers()
		w.doHooks()
		w.wakeManager(w.between(50*time.Millisecond, 500*time.Millisecond))
		w.checkAlways()
	}
	return true
}

// runUntil lets everything happen that is planned up to a time.
func (w *world) runUntil(end time.Time) {
	for w.events.Len() > 0 && !w.events.events[0].at.After(end) && w.step() {
		continue
	}
	if w.broken == nil {
		w.checkNobodyHadToBeWoken(end)
		w.now = end
	}
}

// breaks notes the first promise that was broken.
func (w *world) breaks(format string, args ...any) {
	if w.broken == nil {
		w.broken = fmt.Errorf(format, args...)
		w.tell("BROKEN: %v", w.broken)
	}
}

// manager is what a manager remembers between two passes.
type manager struct {
	// due: a pass is planned for a change. woken is for when one is planned because the last plan asked for it.
	due   bool
	woken time.Time
	// asked are the nodes whose pods the last plan asked for.
	asked []string
	// idleVersion is the store's version at which the last plan had nothing to do, idleUntil when it asked to be woken.
	idleVersion int64
	idleUntil   time.Time
	// checked is when it was last made sure that it did not have to be woken earlier.
	checked time.Time
	// crashAfter is how many writes the manager makes before it crashes; negative is never.
	crashAfter int
	// crashAtGrant: it crashes when it has next written the slots object, and nothing after that.
	crashAtGrant bool
	// downUntil is when another one leads after a crash.
	downUntil time.Time
	// seen are the views of the last passes, the newest last.
	seen []*view
}

func (w *world) wakeManager(d time.Duration) {
	if !w.manager.due {
		w.manager.due = true
		w.after(d, func() {
			w.manager.due = false
			w.pass()
		})
	}
}

// pass is one pass of the manager that leads, on what is in the cluster now.
func (w *world) pass() {
	m := &w.manager
	if left := m.downUntil.Sub(w.now); left > 0 {
		w.wakeManager(left)
		return
	}
	v := w.look()
	m.seen = append(m.seen, v)
	if len(m.seen) > 12 {
		m.seen = m.seen[1:]
	}
	p := w.plan(v, m.asked)
	m.asked = p.NeedPods
	if w.inspect != nil {
		w.inspect(&v.Snapshot)
	}
	if m.crashAtGrant && p.SlotsChanged {
		m.crashAtGrant, m.crashAfter = false, 1
	}
	e := w.execute(v, p, m.crashAfter)
	crashed := slices.Contains(e.errs, errCrash)
	m.crashAfter = e.left
	if crashed {
		m.crashAfter = -1
		w.tell("manager crashes in the middle of its writes")
		m.asked, m.seen = nil, nil
		down := w.between(time.Second, 20*time.Second)
		if w.random.IntN(2) == 0 {
			down = w.between(time.Minute, 20*time.Minute)
		}
		m.downUntil = w.now.Add(down)
		w.wakeManager(down)
		return
	}
	for _, err := range e.errs {
		w.breaks("a write of the only manager failed: %w", err)
	}
	if idle(p) {
		m.idleVersion, m.idleUntil = w.version, p.Wake
		w.checkSettled(v)
	}
	if !p.Wake.IsZero() && !p.Wake.Equal(m.woken) {
		m.woken = p.Wake
		w.after(p.Wake.Sub(w.now), func() { w.wakeManager(0) })
	}
}

func (w *world) execute(v *view, p *Plan, writes int) *execution {
	e := &execution{store: w.store, view: v, plan: p, now: w.now, left: writes}
	if w.random != nil {
		e.shuffle = w.random.Shuffle
	}
	e.run(p)
	return e
}

// look is a view of everything but the pods.
func (w *world) look() *view {
	v := w.view()
	v.ClusterMaxUnavailable = w.clusterMax
	v.Workloads = make(map[WorkloadKey]Workload, len(w.apps))
	for key, app := range w.apps {
		v.Workloads[key] = Workload{Desired: app.replicas}
	}
	v.allPods = make(map[string][]Pod, len(w.hosts))
	for _, pod := range w.pods {
		v.allPods[pod.node] = append(v.allPods[pod.node], pod.Pod)
		if key := pod.Workloads[0]; pod.Ready && key.Kind != v1alpha1.WorkloadDaemonSet {
			workload := v.Workloads[key]
			workload.Ready++
			v.Workloads[key] = workload
		}
	}
	return v
}

// plan reads the pods that a plan asks for, like the manager does.
func (w *world) plan(v *view, asked []string) *Plan {
	v.Answers = nil
	for {
		v.Pods = make(map[string][]Pod, len(asked))
		for _, node := range asked {
			v.Pods[node] = v.allPods[node]
		}
		p := Compute(&v.Snapshot, w.now)
		if w.answerGates(v, p) {
			continue
		}
		more := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(asked), p.NeedPods...))))
		if len(more) == len(asked) {
			return p
		}
		asked = more
	}
}

// app is a Deployment.
type app struct {
	replicas int32
	// startup is how long a pod takes to become ready.
	startup time.Duration
	// spread allows one pod on each node.
	spread bool
}

// simPod is a pod as the API shows it, and when it is really ready.
type simPod struct {
	Pod
	node    string
	healthy time.Time
	// starts counts the starts, so that what was planned for an earlier one does not happen.
	starts int
}

func (w *world) addApp(name string, a *app) {
	key := deployment(name)
	w.apps[key] = a
	for i := range a.replicas {
		w.pods = append(w.pods, &simPod{Pod: Pod{
			Namespace: "apps", Name: fmt.Sprintf("%s-%d", name, i), Workloads: []WorkloadKey{key},
			Labels: map[string]string{"app": name}, Controlled: true,
		}})
	}
	w.changed()
	w.placePods()
}

// placePods binds the pods that have no node, and starts them.
func (w *world) placePods() {
	for _, pod := range w.pods {
		if pod.node != "" {
			continue
		}
		if node := w.placeFor(pod); node != "" {
			pod.node = node
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
				same = same || other.Workloads[0] == pod.Workloads[0]
			}
		}
		if hasOurTaint(&node.Node) {
			count += 1000
		}
		suitable := node.Ready && !node.Unschedulable && (!same || !w.apps[pod.Workloads[0]].spread)
		if suitable && (best == "" || count < fewest) {
			best, fewest = name, count
		}
	}
	return best
}

// startPod makes a pod ready after a while, and until then not ready.
func (w *world) startPod(pod *simPod, startup time.Duration) {
	pod.starts++
	pod.Ready, pod.healthy = false, w.now.Add(startup)
	w.changed()
	starts := pod.starts
	w.after(startup, func() {
		if pod.starts == starts {
			pod.Ready, pod.ReadySince, pod.StartedSince = true, w.now, w.now
			w.changed()
		}
	})
}

// evictPods takes the pods of applications off a node.
func (w *world) evictPods(node string) {
	w.pods = slices.DeleteFunc(w.pods, func(p *simPod) bool { return p.node == node && strings.HasPrefix(p.Name, "bare-") })
	for _, pod := range w.pods {
		if pod.node == node && pod.Workloads[0].Kind != v1alpha1.WorkloadDaemonSet {
			pod.node, pod.Ready = "", false
			pod.starts++
		}
	}
	w.changed()
}

// restartPods is what happens to the pods that stay on a node when its host boots: their status is that of before for some seconds.
func (w *world) restartPods(node string) {
	for _, pod := range w.pods {
		if pod.node != node {
			continue
		}
		pod.starts++
		starts := pod.starts
		pod.healthy = w.now.Add(time.Hour) // until it is known
		w.after(w.between(3*time.Second, 10*time.Second), func() {
			if pod.starts == starts {
				w.startPod(pod, w.between(3*time.Second, 20*time.Second))
			}
		})
	}
}

// readyReplicas of an application.
func (w *world) readyReplicas(name string) int {
	ready := 0
	for _, pod := range w.pods {
		if pod.Ready && pod.Workloads[0] == deployment(name) {
			ready++
		}
	}
	return ready
}

// needs are the NodeReboots that are not complete, and the hosts that ask for a reboot.
func (w *world) needs() []string {
	var needs []string
	for _, name := range slices.Sorted(maps.Keys(w.reboots)) {
		if r := w.reboots[name]; r.Status.CompletionTime == nil {
			needs = append(needs, fmt.Sprintf("%s: %s %s %s", name, r.Status.Phase, r.Status.Reason, r.Status.Message))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.hosts)) {
		if w.hosts[name].sentinel == v1alpha1.SentinelRequired {
			needs = append(needs, "host "+name)
		}
	}
	return needs
}

func (w *world) uid(prefix string) string {
	w.created++
	return fmt.Sprintf("%s-%d", prefix, w.created)
}

// openAttempt of a NodeReboot; nil if there is none.
func openAttempt(r *v1alpha1.NodeReboot) *v1alpha1.Attempt {
	if a := r.Status.Attempt; a != nil && a.EndedTime == nil && r.Status.CompletionTime == nil {
		return a
	}
	return nil
}

// zoneOf a node, for a policy that goes by the usual label.
func zoneOf(n *Node) string { return n.Labels[zoneLabel] }
