package forecast

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/window"
)

const (
	// DefaultSamples is how many runs draw their durations.
	DefaultSamples = 20
	// leastRuns is how many runs it takes to say what nine of ten do not exceed.
	leastRuns = 3
	// leastWork and workOfNode are how much a forecast may cost.
	leastWork  = 1_600_000
	workOfNode = 1_500
)

// DefaultBudget is what a forecast for so many nodes may cost.
func DefaultBudget(nodes int) Budget {
	return Budget{Work: max(leastWork, nodes*workOfNode), Plans: 20_000 + 20*nodes, Ahead: yearAhead}
}

// Compute makes a forecast. Without a snapshot it is empty.
func Compute(in Input) *Forecast { return compute(in, false) }

// compute shows the planner every node if it is to be in full.
func compute(in Input, inFull bool) *Forecast {
	out := &Forecast{Computed: in.Now, Nodes: []Node{}, Policies: []Policy{}}
	if in.Snapshot == nil {
		return out
	}
	in.fill()
	f := newFleet(&in)
	if !inFull {
		f.reduce()
	}
	base := f.newRun(0)
	base.play(in.Budget.Work - f.work)
	fates := [][]fate{base.fates}
	spent := f.work + base.work
	wanted := 0
	if f.varies() && base.cut == "" {
		wanted = in.Samples
	}
	for sample := 1; sample <= wanted && spent+base.work <= in.Budget.Work; sample++ {
		r := f.newRun(sample)
		r.waitOnlyFor(base)
		r.play(in.Budget.Work - spent)
		spent += r.work
		if r.cut != "" {
			break
		}
		fates = append(fates, r.fates)
		maps.Copy(f.assumed.gates, r.assumed.gates)
	}
	out.Samples, out.Cut = len(fates)-1, base.cut != ""
	base.lookOnce()
	f.tell(out, base, fates)
	out.Coarse, out.Why = f.coarse(base, len(fates)-1, wanted)
	return out
}

// fill in what is not said.
func (in *Input) fill() {
	budget := DefaultBudget(len(in.Snapshot.Nodes))
	in.Budget.Work = cmp.Or(in.Budget.Work, budget.Work)
	in.Budget.Plans = cmp.Or(in.Budget.Plans, budget.Plans)
	in.Budget.Ahead = cmp.Or(in.Budget.Ahead, budget.Ahead)
	in.Samples = max(0, cmp.Or(in.Samples, DefaultSamples))
	in.Now = in.Now.Truncate(time.Microsecond)
}

// varies says whether runs would differ.
func (f *fleet) varies() bool {
	return slices.ContainsFunc(f.members, func(m *member) bool { return !m.apart && f.source.varies(m.policy) })
}

// waitOnlyFor those that were done in another run: of the others nothing is known.
func (r *run) waitOnlyFor(base *run) {
	r.left = 0
	for i := range r.fates {
		if !base.fates[i].back.IsZero() {
			r.left++
		} else {
			r.fates[i].settled = true
		}
	}
}

// lookOnce finds out what those wait for that are not done.
func (r *run) lookOnce() {
	for i := range r.queues {
		for _, m := range r.queues[i].members {
			r.show(m)
		}
	}
	r.queues = nil
	if r.left > 0 {
		before := r.now
		r.carryOut(r.think())
		r.now = before
	}
}

func (f *fleet) coarse(base *run, samples, wanted int) (coarse bool, why string) {
	var whys []string
	if base.cut != "" {
		whys = append(whys, fmt.Sprintf("The forecast ends at %s, because %s.", model.Clock{}.At(base.now), base.cut))
	}
	if samples < wanted {
		whys = append(whys, fmt.Sprintf("Of %s that were to be sampled %d fit into the bound.", model.Count(wanted, "run"), samples))
	}
	if f.roughly != "" {
		whys = append(whys, capitalized(f.roughly)+".")
	}
	return len(whys) > 0, joined(whys)
}

// times of a member in all runs; an unknown one is later than all others.
func times(fates [][]fate, of func([]fate) time.Time) Times {
	all := make([]time.Time, 0, len(fates))
	for _, run := range fates {
		if t := of(run); !t.IsZero() {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b time.Time) int { return a.Compare(b) })
	at := func(part int) *time.Time {
		rank := (len(fates)*part + 99) / 100 // the nearest one
		if rank > len(all) {
			return nil
		}
		t := all[rank-1]
		return &t
	}
	known := Times{P50: at(50)}
	if len(fates) >= leastRuns {
		known.P90 = at(90)
	}
	return known
}

// tell fills in what the runs say.
func (f *fleet) tell(out *Forecast, base *run, fates [][]fate) {
	for _, m := range f.members {
		out.Nodes = append(out.Nodes, f.nodeOf(m, base, fates))
	}
	slices.SortStableFunc(out.Nodes, func(a, b Node) int {
		switch {
		case a.Start.Known() != b.Start.Known():
			return map[bool]int{true: -1, false: 1}[a.Start.Known()]
		case !a.Start.Known():
			return cmp.Compare(a.Name, b.Name)
		}
		return cmp.Or(a.Start.P50.Compare(*b.Start.P50), cmp.Compare(a.Name, b.Name))
	})
	places, of := map[queueKey]int{}, map[queueKey]int{}
	for i := range out.Nodes {
		if out.Nodes[i].State == Waiting {
			of[queueKey{out.Nodes[i].Policy, out.Nodes[i].Zone}]++
		}
	}
	for i := range out.Nodes {
		n, key := &out.Nodes[i], queueKey{out.Nodes[i].Policy, out.Nodes[i].Zone}
		if n.State != Waiting {
			continue
		}
		n.Of = of[key]
		if n.Start.Known() {
			places[key]++
			n.Position = places[key]
		}
	}
	names := slices.Sorted(maps.Keys(f.parsed))
	if slices.ContainsFunc(f.members, func(m *member) bool { return m.policy == "" }) {
		names = append([]string{""}, names...)
	}
	for _, name := range names {
		out.Policies = append(out.Policies, f.policyOf(name, out.Nodes, base, fates))
	}
	out.Assumptions = f.assumptions(out, base)
}

func (f *fleet) nodeOf(m *member, base *run, fates [][]fate) Node {
	n := Node{Name: m.node.Name, Policy: m.policy, Zone: m.zone, Reboot: m.reboot.Name, State: Waiting}
	if m.underWay {
		n.State = UnderWay
	}
	if m.underWay || !base.fates[m.number].back.IsZero() {
		n.Start = times(fates, func(run []fate) time.Time { return run[m.number].start })
	}
	if !base.fates[m.number].back.IsZero() {
		n.Back = times(fates, func(run []fate) time.Time { return run[m.number].back })
	} else {
		n.Obstacle = f.obstacleOf(m, base)
	}
	if !n.Back.Known() && n.Obstacle == nil {
		n.Obstacle = m.oftenFails(fates)
	}
	return n
}

// oftenFails is what is in the way of a member that is back in the run with medians, and not in half of those that draw their durations.
func (m *member) oftenFails(fates [][]fate) *Obstacle {
	o := &Obstacle{
		Reason: v1alpha1.ReasonStarting, Message: "In half of the sampled runs its attempt has no known end.", Nodes: []string{m.node.Name},
	}
	for _, run := range fates {
		if failed := run[m.number].failed; run[m.number].back.IsZero() && failed.reason != "" {
			o.Reason, o.Message = failed.reason, failed.message
			break
		}
	}
	return o
}

func (f *fleet) policyOf(name string, nodes []Node, base *run, fates [][]fate) Policy {
	p := Policy{Name: name}
	of := map[[2]string]*Obstacle{}
	for i := range nodes {
		n := &nodes[i]
		if n.Policy != name {
			continue
		}
		if n.State == UnderWay {
			p.UnderWay++
		} else {
			p.Waiting++
		}
		if n.Obstacle == nil {
			continue
		}
		p.Unknown++
		key := [2]string{n.Obstacle.Reason, fmt.Sprint(n.Obstacle.Permanent)}
		if of[key] == nil {
			same := *n.Obstacle
			same.Nodes = nil
			of[key] = &same
		}
		of[key].Nodes = append(of[key].Nodes, n.Name)
	}
	for _, o := range of {
		slices.Sort(o.Nodes)
		p.Obstacles = append(p.Obstacles, *o)
	}
	slices.SortFunc(p.Obstacles, func(a, b Obstacle) int {
		if a.Permanent != b.Permanent {
			return map[bool]int{true: -1, false: 1}[a.Permanent]
		}
		return cmp.Or(cmp.Compare(len(b.Nodes), len(a.Nodes)), cmp.Compare(a.Reason, b.Reason))
	})
	p.Finish = times(fates, func(run []fate) time.Time {
		var last time.Time
		for _, m := range f.members {
			switch back := run[m.number].back; {
			case m.policy != name || base.fates[m.number].back.IsZero():
			case back.IsZero():
				return time.Time{} // this run does not come to its end
			default:
				last = model.Latest(last, back)
			}
		}
		return last
	})
	p.Windows = f.windowsOf(name, base)
	return p
}

// windowsOf a policy are those in which nodes start.
func (f *fleet) windowsOf(name string, base *run) []Window {
	policy := f.parsed[name]
	starts := f.startsOf(name, base)
	if policy == nil || !policy.Scheduled || len(starts) == 0 {
		return nil
	}
	schedule, problems := window.New(&policy.Spec.Schedule)
	if len(problems) > 0 {
		return nil
	}
	var windows []Window
	for span := range spansOf(schedule, openedAt(schedule, f.in.Now), starts[len(starts)-1]) {
		in := 0
		for len(starts) > in && (span.Close.IsZero() || starts[in].Before(span.Close)) {
			in++
		}
		span.Starts = in - countBefore(starts[:in], span.Open)
		starts = starts[in:]
		if span.Starts > 0 {
			windows = append(windows, span)
		}
		if len(starts) == 0 {
			break
		}
	}
	return windows
}

// startsOf a policy are when its nodes start that wait, in order.
func (f *fleet) startsOf(policy string, base *run) []time.Time {
	var starts []time.Time
	for _, m := range f.members {
		if fate := &base.fates[m.number]; m.policy == policy && !m.underWay && !fate.back.IsZero() {
			starts = append(starts, fate.start)
		}
	}
	slices.SortFunc(starts, func(a, b time.Time) int { return a.Compare(b) })
	return starts
}

func countBefore(starts []time.Time, open time.Time) int {
	n := 0
	for n < len(starts) && starts[n].Before(open) {
		n++
	}
	return n
}

// openedAt is when the window opened that is open at a time, or that time.
func openedAt(schedule *window.Schedule, now time.Time) time.Time {
	if !schedule.At(now).Open {
		return now
	}
	const longest = 31 * 24 * time.Hour
	for back := time.Hour; back <= longest; back *= 2 {
		before := schedule.At(now.Add(-back))
		if before.Open && before.Closes.After(now) {
			continue
		}
		at := now.Add(-back)
		for range maxSpans {
			state := schedule.At(at)
			if state.Open && (state.Closes.IsZero() || state.Closes.After(now)) {
				return at
			}
			if state.Opens.IsZero() || state.Opens.After(now) {
				return now
			}
			at = state.Opens
		}
	}
	return now
}

// assumptions are sentences about what is taken for granted.
func (f *fleet) assumptions(out *Forecast, base *run) []string {
	var said []string
	for i := range out.Policies {
		if p := &out.Policies[i]; p.Name != "" && p.Waiting+p.UnderWay > p.Unknown {
			said = append(said, f.source.says(p.Name))
		}
	}
	maps.Copy(f.assumed.gates, base.assumed.gates)
	for _, gate := range slices.Sorted(maps.Keys(f.assumed.gates)) {
		said = append(said, capitalized(gate)+" is assumed to let every node start unless it is known to block it.")
	}
	if f.assumed.hooks || base.assumed.hooks {
		said = append(said, "Hooks are assumed to be done at once.")
	}
	if f.assumed.pods {
		said = append(said, "The pods of some nodes are not known: each of these nodes is assumed to run one workload that no budget protects.")
	}
	if slices.ContainsFunc(out.Nodes, func(n Node) bool { return n.Obstacle != nil && !n.Obstacle.Permanent }) {
		said = append(said, "Obstacles that do not end at a known time are assumed to stay.")
	}
	if len(out.Nodes) > 0 {
		said = append(said, f.leavesOut()...)
		said = append(said, "No other node is assumed to need a reboot, or to fail, in the meantime.")
	}
	return said
}

// leavesOut is what runs over large fleets do not follow.
func (f *fleet) leavesOut() []string {
	if !f.reduced {
		return nil
	}
	return []string{fmt.Sprintf("The cluster is large: times are rounded to %s, and it is not followed where pods go.", f.grid)}
}
