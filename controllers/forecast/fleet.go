package forecast

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// fleet is what all runs have in common. No run changes it, except to add what it has found out.
type fleet struct {
	in     Input
	source *source
	// first is the cluster after the first plan, with everything in it, and begins what runs begin with.
	first, begins *cluster
	// members are the nodes that need a reboot, by name.
	members []*member
	byNode  map[string]*member
	// named are the NodeReboots of members that are not finished, and every has those that are, too.
	named map[string][]string
	every map[string][]*v1alpha1.NodeReboot
	// parsed are the policies, and status what the first plan says about them.
	parsed map[string]*policies.Policy
	status map[string]*v1alpha1.RebootPolicyStatus
	// hopeless policies start nothing, and say why.
	hopeless map[string]*Obstacle
	// without are the nodes for whose pods there is no room.
	without lacks
	assumed *assumptions
	// held are the pods that budgets have kept from going until now.
	held map[v1alpha1.PodReference]bool
	// reduced says that runs leave out what has no part in them; queues are the members that they show when their turn comes near.
	reduced bool
	queues  []queue
	// roughly says what about that is not exact.
	roughly string
	// grid is to what the times of events are rounded, so that fewer plans are made.
	grid time.Duration
	// keep is how many nodes that are done are shown at least, by policy.
	keep map[string]int
	// zoneUnits is how many nodes and groups of a policy are in each zone, as far as a run has asked for it.
	zoneUnits map[string]map[string]int
	// longest is how long the longest window of a policy is, as far as a run has asked for it.
	longest map[string]time.Duration
	work    int
}

// member is a node that needs a reboot.
type member struct {
	number int
	node   *model.Node
	// reboot is the NodeReboot that is forecast, and attempt its open attempt; nil if the first plan has it wait. It is underWay if it was
	// before that.
	reboot   *v1alpha1.NodeReboot
	attempt  *v1alpha1.Attempt
	underWay bool
	policy   string
	zone     string
	// said is what the node waits for at the beginning.
	said saying
	// apart: it has no part in runs, because nothing in them lets it start.
	apart bool
	// queued: runs over large fleets show it when its turn comes near.
	queued bool
}

// newFleet makes the first plan. Whatever it says happens at the beginning of each run.
func newFleet(in *Input) *fleet {
	f := &fleet{in: *in, assumed: &assumptions{gates: map[string]bool{}}, byNode: map[string]*member{}, named: map[string][]string{},
		every: map[string][]*v1alpha1.NodeReboot{}, hopeless: map[string]*Obstacle{},
		parsed: map[string]*policies.Policy{}, status: map[string]*v1alpha1.RebootPolicyStatus{}, keep: map[string]int{},
		zoneUnits: map[string]map[string]int{}, longest: map[string]time.Duration{}}
	f.first = newCluster(in.Snapshot, in.Now)
	f.first.writesAll = true
	s := &f.first.snapshot
	s.Answers, f.without = knownAnswers(in.Snapshot.Answers)
	s.Policies = make([]*v1alpha1.RebootPolicy, 0, len(in.Snapshot.Policies))
	moment := model.NewMoment(in.Now)
	for _, policy := range in.Snapshot.Policies {
		next := *policy
		next.Status = v1alpha1.RebootPolicyStatus{}
		s.Policies = append(s.Policies, &next)
		f.parsed[policy.Name] = policies.Parse(&next, &moment)
	}
	history := in.History
	if history.Policies == nil {
		history = HistoryOf(in.Snapshot.Reboots, in.Snapshot.Policies)
	}
	f.held = heldPods(in.Snapshot.Reboots)
	f.source = newSource(history, in.Snapshot.Policies)
	f.fillPods()
	f.firstPlans()
	f.first.writesAll = false
	f.findHopeless()
	f.findMembers()
	f.begins, f.grid = f.first, time.Microsecond
	return f
}

// fillPods gives each node whose pods are not known something to drain, if it needs a reboot.
func (f *fleet) fillPods() {
	s := &f.first.snapshot
	needs := map[string]bool{}
	for _, reboot := range s.Reboots {
		needs[reboot.Spec.NodeName] = needs[reboot.Spec.NodeName] || reboot.Status.CompletionTime == nil
	}
	for _, node := range s.Nodes {
		if _, known := s.Pods[node.Name]; known {
			continue
		}
		s.Pods[node.Name] = nil
		if needs[node.Name] {
			pods, key, workload := unknownPods(node.Name)
			s.Pods[node.Name], s.Workloads[key] = pods, workload
			f.assumed.pods = true
		}
	}
}

// firstLook is what it takes to look at a NodeReboot for the first time, as workOf has it.
const firstLook = 12

// firstPlans lets the first plans say what they have to say.
func (f *fleet) firstPlans() {
	var state *plan.State
	f.work = firstLook * len(f.first.snapshot.Reboots)
	for range maxSettling {
		var p *plan.Plan
		p, state = plan.Next(state, &f.first.snapshot, f.in.Now)
		f.work += f.first.workOf()
		for _, c := range p.Policies {
			f.status[c.Object.Name] = &c.Status
		}
		if f.first.answer(p, f.without, f.assumed) {
			continue
		}
		if e := f.first.carryOut(p); !e.again {
			return
		}
	}
}

func (f *fleet) findMembers() {
	byNode, began := map[string][]*v1alpha1.NodeReboot{}, map[string]bool{}
	for _, reboot := range f.in.Snapshot.Reboots {
		if model.OpenAttempt(&reboot.Status) {
			began[reboot.Name] = true
		}
	}
	for _, reboot := range f.first.snapshot.Reboots {
		if reboot.Status.CompletionTime == nil && reboot.DeletionTimestamp.IsZero() || model.OpenAttempt(&reboot.Status) {
			byNode[reboot.Spec.NodeName] = append(byNode[reboot.Spec.NodeName], reboot)
			f.named[reboot.Spec.NodeName] = append(f.named[reboot.Spec.NodeName], reboot.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byNode)) {
		node := f.first.node(name)
		if node == nil {
			continue
		}
		first := slices.MinFunc(byNode[name], compareNext)
		m := &member{
			number: len(f.members), node: node, reboot: first, policy: first.Status.PolicyName, zone: first.Status.Zone, said: f.first.says(first),
		}
		if model.OpenAttempt(&first.Status) {
			m.attempt, m.underWay = first.Status.Attempt, began[first.Name]
			m.policy = cmp.Or(m.attempt.PolicyName, m.policy)
			m.zone = cmp.Or(m.attempt.Zone, m.zone)
		}
		f.setApart(m)
		f.members, f.byNode[name] = append(f.members, m), m
	}
	for _, reboot := range f.first.snapshot.Reboots {
		if f.byNode[reboot.Spec.NodeName] != nil {
			f.every[reboot.Spec.NodeName] = append(f.every[reboot.Spec.NodeName], reboot)
		}
	}
}

// setApart marks a member that has no part in runs, because nothing in them lets it start.
func (f *fleet) setApart(m *member) {
	if m.attempt != nil {
		return
	}
	policy := f.hopeless[m.policy]
	switch {
	case policy != nil && (m.reboot.Spec.Urgency != v1alpha1.UrgencyImmediate || !isOfSchedule(policy.Reason)):
		m.apart, m.said = true, saying{reason: policy.Reason, message: policy.Message}
	case isLasting(m.said):
		m.apart = true
	}
}

// compareNext puts first, among the NodeReboots of one node, the one whose attempt is open or comes next.
func compareNext(a, b *v1alpha1.NodeReboot) int {
	rank := func(is bool) int {
		if is {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(rank(model.OpenAttempt(&a.Status)), rank(model.OpenAttempt(&b.Status))),
		cmp.Compare(rank(a.Status.Reason != v1alpha1.ReasonSameNode), rank(b.Status.Reason != v1alpha1.ReasonSameNode)),
		compareTurn(a, b),
	)
}

// compareTurn is the order in which NodeReboots of a policy have their turn, but for what only the planner knows.
func compareTurn(a, b *v1alpha1.NodeReboot) int {
	rank := func(r *v1alpha1.NodeReboot) int {
		if r.Spec.Urgency == v1alpha1.UrgencyImmediate {
			return 0
		}
		return 1
	}
	since := func(r *v1alpha1.NodeReboot) time.Time {
		if r.Status.RequiredSince == nil {
			return r.CreationTimestamp.Time
		}
		return r.Status.RequiredSince.Time
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), since(a).Compare(since(b)), cmp.Compare(a.Name, b.Name))
}
