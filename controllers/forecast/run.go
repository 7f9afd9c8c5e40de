package forecast

import (
	"fmt"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// run plays one rollout to its end.
type run struct {
	*cluster
	fleet *fleet
	// sample is the number of the run; 0 has the medians.
	sample int
	events events
	drains []*drain
	// frees says that pods which budgets hold may go after the next plan.
	frees bool
	// returning is how many pods of each workload will be ready that were evicted before the forecast began.
	returning map[model.WorkloadKey]int32
	state     *plan.State
	assumed   *assumptions
	// fates are those of the members, by their number.
	fates []fate
	// left is how many members are waited for.
	left int
	// grid is to what times are rounded.
	grid time.Duration
	// queues are the members that are not shown yet, and recent those whose nodes are done and still shown.
	queues []queue
	recent []finished
	// aside are the NodeReboots that had their turn and could not go: others have to be shown in their place.
	aside map[string]bool
	// zones are those that have their turn, by policy.
	zones map[string]string
	// plans and work are what the run has cost.
	plans, work int
	// fruitless counts the plans since something last began or ended.
	fruitless int
	// cut is why the run did not come to its end.
	cut string
}

// fate is what becomes of a member.
type fate struct {
	// start is when its attempt began, and back when that ended. Zero is not known.
	start, back time.Time
	// tries counts attempts that came to nothing; failed is why the last one did.
	tries  int
	failed saying
	// shut counts attempts that the end of a window or a freeze ended. Another window may be longer, unless this one was tooShort: the node
	// had the longest one from its opening on.
	shut     int
	tooShort bool
	// blocked is what was in the way of the node itself when it last had its turn.
	blocked saying
	// held is what last held up its turn while the window was open.
	held saying
	// settled: nothing more is waited for.
	settled bool
}

// finished is a node that is done.
type finished struct {
	node *member
	at   time.Time
}

const (
	// maxTries is after how many attempts that come to nothing it is given up that one will come to something.
	maxTries = 3
	// maxShut is after how many windows or freezes that ended an attempt that is given up.
	maxShut = 60
	// maxFruitless is after how many plans that nothing comes of it is given up that something will.
	maxFruitless = 2000
	// maxSettling is how many plans are made of one instant.
	maxSettling = 100
)

func (f *fleet) newRun(sample int) *run {
	r := &run{
		cluster: f.begins.copied(), fleet: f, sample: sample, fates: make([]fate, len(f.members)), left: len(f.members),
		assumed: &assumptions{gates: map[string]bool{}}, zones: map[string]string{}, aside: map[string]bool{}, queues: slices.Clone(f.queues),
		returning: map[model.WorkloadKey]int32{},
	}
	r.grid = f.grid
	if sample > 0 && f.reduced {
		r.grid = f.sampleGrid()
	}
	for i, m := range f.members {
		if m.apart {
			r.fates[i].settled = true
			r.left--
		}
		if m.attempt == nil {
			continue
		}
		r.fates[i].start = m.attempt.GrantedTime.Time
		for _, reboot := range r.rebootsOf(m.node.Name) {
			if model.OpenAttempt(&reboot.Status) {
				r.resume(reboot)
			}
		}
	}
	r.refill()
	return r
}

// play makes one plan after the other until nothing more happens, or nobody is waited for.
func (r *run) play(work int) {
	end, settling := r.now.Add(r.fleet.in.Budget.Ahead), 0
	for r.left > 0 {
		switch {
		case r.plans >= r.fleet.in.Budget.Plans:
			r.cut = "a run made as many plans as it may"
			return
		case r.work >= work:
			r.cut = "the plans of a run looked at as many objects as they may"
			return
		}
		p := r.think()
		news := r.do(p)
		r.goOn()
		if news && settling < maxSettling {
			settling++
			continue
		}
		settling = 0
		if r.isStuck() || !r.sleep(p.Wake, end) {
			return
		}
	}
}

// isStuck says that nothing happens anymore, and that time ends nothing of what the members wait for.
func (r *run) isStuck() bool {
	if r.events.Len() > 0 || r.goesOn() {
		return false
	}
	if r.fruitless > maxFruitless {
		return true
	}
	for _, reboot := range r.snapshot.Reboots {
		if reboot.Status.CompletionTime == nil && mayEnd(r.says(reboot)) {
			return false
		}
	}
	return r.fruitless > 1
}

// goesOn says that a slot is held by an attempt that is not stalled.
func (r *run) goesOn() bool {
	for _, slot := range r.snapshot.Slots {
		reboot := r.reboot(slot.Reboot)
		if reboot == nil || reboot.Status.Attempt == nil || reboot.Status.Attempt.StalledTime == nil {
			return true
		}
	}
	return false
}

// noteBlocked remembers what is in the way of nodes that have their turn, until they have it again, and what keeps others from having it.
func (r *run) noteBlocked() {
	for name, said := range r.said {
		blocks := blocksNode(said.reason)
		if !blocks && (r.sample > 0 || !holdsTurn(said.reason)) {
			continue
		}
		reboot := r.reboot(name)
		if reboot == nil || r.fleet.byNode[reboot.Spec.NodeName] == nil {
			continue
		}
		if f := &r.fates[r.fleet.byNode[reboot.Spec.NodeName].number]; blocks {
			f.blocked = said
		} else {
			f.held = said
		}
	}
}

// think makes a plan in which everything that gates are asked is answered.
func (r *run) think() *plan.Plan {
	for {
		var p *plan.Plan
		p, r.state = plan.Next(r.state, &r.snapshot, r.now)
		r.plans++
		r.work += r.workOf()
		if r.turn(p) {
			continue
		}
		if !r.answer(p, r.fleet.without, r.assumed) || r.plans >= r.fleet.in.Budget.Plans {
			return p
		}
	}
}

// turn notes which zones have their turn, and which nodes have it but cannot go. It says whether others are shown now that may go in their
// place, or before those that were.
func (r *run) turn(p *plan.Plan) bool {
	changed := false
	for i := range p.Policies {
		name, zone := p.Policies[i].Object.Name, p.Policies[i].Status.CurrentZone
		changed = changed || r.zones[name] != zone
		r.zones[name] = zone
	}
	if len(r.queues) == 0 {
		return false
	}
	for i := range p.Work {
		for j := range p.Work[i].Reboots {
			w := &p.Work[i].Reboots[j]
			if name := w.Object.Name; blocksNode(w.Status.Reason) && !r.aside[name] {
				r.aside[name], changed = true, true
			}
		}
	}
	return changed && r.refill().shown
}

// workOf a plan, in about a microsecond each: what takes time is what is under way, what waits, and to find out when windows open.
func (c *cluster) workOf() int {
	windows := 0
	for _, policy := range c.snapshot.Policies {
		windows += len(policy.Spec.Schedule.Windows)
	}
	slots := len(c.snapshot.Slots)
	return 25 + 30*windows + len(c.snapshot.Nodes)/5 + 4*len(c.snapshot.Reboots) + 12*slots + slots*slots/25
}

// do carries out a plan, and lets begin what follows from it. It says whether a plan of the same instant may say more.
func (r *run) do(p *plan.Plan) bool {
	r.fruitless++
	e := r.carryOut(p)
	r.noteBlocked()
	news := e.again
	for _, c := range e.changed {
		news = r.follow(c) || news
	}
	r.forget()
	return r.refill().awaited || news
}

// sleep until something happens that a plan may depend on; false if nothing does before the end.
func (r *run) sleep(wake, end time.Time) bool {
	for {
		next := wake
		if r.events.Len() > 0 && (next.IsZero() || r.events.queue[0].at.Before(next)) {
			next = r.events.queue[0].at
		}
		if next.IsZero() || next.After(end) {
			return false
		}
		r.now = next
		if r.happen() || !wake.IsZero() && !r.now.Before(wake) {
			return true
		}
	}
}

// note what the status of a NodeReboot says about the member.
func (r *run) note(before, after *v1alpha1.NodeReboot) {
	m := r.fleet.byNode[after.Spec.NodeName]
	if m == nil {
		return
	}
	f, was, is := &r.fates[m.number], before.Status.Attempt, after.Status.Attempt
	if is == nil {
		return
	}
	another := was == nil || was.Number != is.Number
	if another {
		r.fruitless = 0
		if !m.underWay {
			f.start = is.GrantedTime.Time
		}
	}
	rolledBack := is.RolledBackTime != nil && (another || was.RolledBackTime == nil)
	if rolledBack || failureCount(before) != failureCount(after) {
		f.failed = saying{reason: is.Result, message: is.Message}
		r.noteTry(m, is, rolledBack)
	}
	if !model.OpenAttempt(&after.Status) {
		r.noteEnd(m, before, after)
	}
}

// noteTry counts an attempt that came to nothing. A member is given up whose attempts no window that comes is long enough for, or that the
// schedule has ended often.
func (r *run) noteTry(m *member, a *v1alpha1.Attempt, rolledBack bool) {
	f := &r.fates[m.number]
	if !rolledBack || !isOfSchedule(a.Result) {
		f.tries++
		return
	}
	f.shut++
	if a.Result == v1alpha1.ReasonWindowClosed && r.fleet.hadLongest(a.PolicyName, a.GrantedTime.Time) {
		f.tooShort = true
		f.failed.message += fmt.Sprintf(" No window of the coming year is longer: write longer ones, or 'atClose: %s'.", v1alpha1.TimeoutContinue)
	}
	if f.tooShort || f.shut >= maxShut {
		f.tries = maxTries
	}
}

// noteEnd notes how an attempt ended.
func (r *run) noteEnd(m *member, before, after *v1alpha1.NodeReboot) {
	f, s := &r.fates[m.number], &after.Status
	switch {
	case s.Outcome == v1alpha1.OutcomeSucceeded && s.Attempt.EndedTime != nil && model.OpenAttempt(&before.Status):
		f.back = s.Attempt.EndedTime.Time
		r.settle(m)
	case s.Outcome == v1alpha1.OutcomeFailed, f.tries >= maxTries && m.needs(r):
		r.giveUp(m)
	}
}

func failureCount(r *v1alpha1.NodeReboot) int32 {
	if r.Status.Failures == nil {
		return 0
	}
	return r.Status.Failures.Count
}

// settle says that nothing more is waited for of a member.
func (r *run) settle(m *member) {
	if !r.fates[m.number].settled {
		r.fates[m.number].settled = true
		r.left--
		r.fruitless = 0
		r.recent = append(r.recent, finished{node: m, at: r.now})
	}
}

// giveUp takes a member out of the run: nothing that is known would let its reboot succeed. It holds up nobody.
func (r *run) giveUp(m *member) {
	r.fates[m.number].back = time.Time{}
	if !m.underWay {
		r.fates[m.number].start = time.Time{}
	}
	r.settle(m)
	for _, reboot := range r.rebootsOf(m.node.Name) {
		r.removeReboot(reboot.Name)
	}
	if slot, is := r.snapshot.Slots[m.node.Name]; is && r.reboot(slot.Reboot) == nil {
		slots := make(map[string]plan.Slot, len(r.snapshot.Slots))
		for name, other := range r.snapshot.Slots {
			if name != m.node.Name {
				slots[name] = other
			}
		}
		r.snapshot.Slots = slots
	}
}

// needs says that the node of a member needs a reboot still.
func (m *member) needs(r *run) bool {
	return slices.ContainsFunc(r.rebootsOf(m.node.Name), func(reboot *v1alpha1.NodeReboot) bool { return reboot.Status.CompletionTime == nil })
}
