package plan

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// world is a simulated cluster: hosts, helpers and applications around a store, and a manager that runs the planner. Its clock jumps from
// one event to the next. Everything that takes time takes a random time, or the least if there is no random source; the same source gives
// the same world.
type world struct {
	// plans that were made so far.
	plans int
	*store
	random *rand.Rand
	now    time.Time
	events eventQueue
	hosts  map[string]*host
	pods   []*simPod
	apps   map[WorkloadKey]*app
	// clusterMax is the limit of the manager, in nodes or percent.
	clusterMax *intstr.IntOrString
	// quorumLabels are those that the manager knows of.
	quorumLabels []string
	manager      manager
	// budgets are PodDisruptionBudgets.
	budgets []*budget
	// managerClock is how far the managers' clock is ahead; stepped says that it was set once, so times that they wrote prove little.
	managerClock time.Duration
	stepped      bool
	// tell writes the transcript, if someone reads it.
	tell func(format string, args ...any)
	// chaos is how long faults happen, more is how many of them besides the usual ones.
	chaos time.Duration
	more  int
	// forgets: the cloud deletes the Node of every host that is down.
	forgets bool
	// loses: someone deletes the slots object, repeatedly.
	loses bool
	// managed: the manager runs as pods of an application. graceful: hosts end their pods when they go down.
	managed, graceful bool
	// healed: nothing goes wrong anymore.
	healed bool
	// broken is the first promise that was broken.
	broken error
	// created numbers what is made, for its UID; containers those that started.
	created    int
	containers int
	rules      rules
	// hooking are the hooks that someone works on.
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
		w.setPolicy(policy)
	}
	w.chaos = chaos
	w.onGrant, w.onStatus, w.onNode = w.checkGrants, w.checkStatus, w.checkFence
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
		w.followHeld()
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

// breaks notes the first promise that was broken, but for those that SIMULATE_IGNORE has a part of: to look past what is known.
func (w *world) breaks(format string, args ...any) {
	if w.broken == nil && !slices.ContainsFunc(ignored, func(part string) bool { return strings.Contains(format, part) }) {
		w.broken = fmt.Errorf(format, args...)
		w.tell("BROKEN: %v", w.broken)
	}
}

// ignored are parts of what is known to break.
var ignored = strings.FieldsFunc(os.Getenv("SIMULATE_IGNORE"), func(r rune) bool { return r == ',' })

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
	idleSince   time.Time
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
	// deferred is what the last plan said about writes that wait.
	deferred map[string]time.Time
	// letGo is what the manager said about evictions that are about to be tried.
	letGo map[EvictionClaim]time.Time
	// refused is what it remembers of refused writes.
	refused model.RefusedWrites
	// states are those that the last plans left, the newest last.
	states []*State
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
	if !w.managerRuns() {
		m.asked, m.seen, m.refused, m.deferred, m.letGo, m.states = nil, nil, model.RefusedWrites{}, nil, nil, nil
		m.idleVersion, m.woken = -1, time.Time{}
		return // there is a change when one runs, which knows nothing of what the last one asked for
	}
	if left := m.downUntil.Sub(w.now); left > 0 {
		w.wakeManager(left)
		return
	}
	v := w.look()
	m.seen = append(m.seen, v)
	if len(m.seen) > 12 {
		m.seen = m.seen[1:]
	}
	v.Deferred = map[string]time.Time{}
	if m.deferred != nil {
		v.Deferred = m.deferred
	}
	v.LetGo = m.letGo
	p := w.plan(v, m.asked)
	m.asked, m.deferred, m.letGo = p.NeedPods, p.Deferred, p.LetGo
	if w.inspect != nil {
		w.inspect(&v.Snapshot)
	}
	if m.crashAtGrant && p.SlotsChanged {
		m.crashAtGrant, m.crashAfter = false, 1
	}
	e := w.execute(v, p, m.crashAfter, &m.refused)
	crashed := slices.Contains(e.errs, errCrash)
	m.crashAfter = e.left
	if crashed {
		m.crashAfter = -1
		w.tell("manager crashes in the middle of its writes")
		m.asked, m.seen, m.refused, m.deferred, m.letGo, m.states = nil, nil, model.RefusedWrites{}, nil, nil, nil
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
	if e.refusals > 0 {
		w.wakeManager(w.between(50*time.Millisecond, 500*time.Millisecond))
	}
	wake := w.managerTime(p.Wake)
	if idle(p) && len(p.Deferred) == 0 {
		m.idleVersion, m.idleUntil, m.idleSince = w.version, wake, w.now
		w.checkSettled(v)
	}
	if !wake.IsZero() && !wake.Equal(m.woken) {
		m.woken = wake
		// As untilWake of the manager: a pass may come a moment before a time that is not in whole microseconds, and is made again.
		w.after(max(wake.Sub(w.now), time.Millisecond), func() {
			if wake.Equal(m.woken) {
				m.woken = time.Time{}
			}
			w.wakeManager(0)
		})
	}
}

func (w *world) execute(v *view, p *Plan, writes int, memory *model.RefusedWrites) *execution {
	e := &execution{store: w.store, view: v, plan: p, now: w.clock(), left: writes, memory: memory}
	if w.random != nil {
		e.shuffle = w.random.Shuffle
	}
	e.run(p)
	return e
}

// clock is what the managers' clock shows.
func (w *world) clock() time.Time { return w.now.Add(w.managerClock) }

// managerTime is when the managers' clock shows a time; zero stays zero.
func (w *world) managerTime(shown time.Time) time.Time {
	if shown.IsZero() {
		return shown
	}
	return shown.Add(-w.managerClock)
}

// look is a view of everything but the pods.
func (w *world) look() *view {
	v := w.view()
	v.SlotsLive = false // they are what the manager remembers
	v.ClusterMaxUnavailable, v.QuorumLabels = w.clusterMax, w.quorumLabels
	v.Refusals = w.manager.refused.Current(w.clock(), func(model.WriteKey) (string, bool) { return "", true })
	v.Workloads = make(map[WorkloadKey]Workload, len(w.apps)+len(w.budgets))
	for key, app := range w.apps {
		v.Workloads[key] = Workload{Desired: app.replicas}
	}
	v.allPods = make(map[string][]Pod, len(w.hosts))
	for _, pod := range w.pods {
		v.allPods[pod.node] = append(v.allPods[pod.node], pod.shown())
		if pod.Ready && !pod.fixed() && len(pod.Workloads) > 0 {
			workload := v.Workloads[pod.Workloads[0]]
			workload.Ready++
			v.Workloads[pod.Workloads[0]] = workload
		}
	}
	w.showBudgets(v)
	w.showManagers(v)
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
		p := w.compute(&v.Snapshot)
		if p.NeedSlots && !v.SlotsLive {
			w.readSlots(v)
			continue
		}
		if w.answerGates(v, p) {
			continue
		}
		more := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(asked), p.NeedPods...))))
		if len(more) == len(asked) {
			w.checkAbridged(v, p)
			return p
		}
		asked = more
	}
}

// compute makes a plan from the state that one of the last plans left, most of the time the last one, and from nothing: it is the same.
func (w *world) compute(s *Snapshot) *Plan {
	states := &w.manager.states
	var last *State
	if len(*states) > 0 {
		last = (*states)[len(*states)-1]
		if len(w.view().Reboots)%7 == 0 {
			last = (*states)[0] // the plans after it were abandoned
		}
	}
	p, state := Next(last, s, w.clock())
	if diff := difference(Compute(s, w.clock()), p); diff != "" {
		w.breaks("the plan is not the one from nothing (-from nothing +from a state):\n%s", diff)
	}
	if w.plans++; w.plans%5 == 0 {
		if wrong, _, _ := wronglySettled(s, w.clock()); len(wrong) > 0 {
			w.breaks("something has to be written about what is settled:\n%s", strings.Join(wrong, "\n"))
		}
	}
	if *states = append(*states, state); len(*states) > 5 {
		*states = (*states)[1:]
	}
	return p
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
