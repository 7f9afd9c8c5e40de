package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// nodeView is a node and what belongs to it. Plans of large clusters take as long as it takes to read all of them, so they are small.
type nodeView struct {
	*model.Node
	record *record
	// past is that of its NodeReboots which are at rest; the others are the reboots.
	past    *pastReboots
	reboots []*rebootView
	// open is the NodeReboot with an open attempt.
	open *rebootView
	// policy is the policy that owns the node: the policy that granted its open attempt, otherwise the policy that its labels select. zone is
	// the zone at the same time.
	policy *policyView
	zone   string
	// selectedBy is the policy that the node's labels give it to.
	selectedBy *policyView
	// unit is what the node goes with: the name of its group, or itself, and then alone is set. group is nil if it goes alone.
	unit  string
	group *group
	alone bool
	// gone: there is no such Node, and its host counts regardless, because an attempt on it is open.
	gone         bool
	controlPlane bool
	// hostsLeader: the leading manager runs on the node.
	hostsLeader bool
	// hostsManager: a manager runs on the node.
	hostsManager bool
	// slotHeld: the slots object holds a grant for the node that still counts.
	slotHeld bool
	// endsNow: this plan ends an attempt on the node, which is not written yet.
	endsNow bool
	// begunUnseen: the Node shows an attempt for which the slots object holds a grant, and which is not recorded as far as this manager sees.
	begunUnseen bool
	// starts: one of the NodeReboots starts, or would start.
	starts bool
	// needed: the node asks for a reboot, as far as the plan leads.
	needed bool
	found  found
	// setAside are the NodeReboots of the node that cannot be read, and held the one of them that may have an attempt under way.
	setAside []*rebootView
	held     *rebootView
	// lastBack is when a reboot of the node was last seen to be over.
	lastBack time.Time
	// namesTaken are the NodeReboots of other nodes that have a name which the node's helper uses.
	namesTaken []string
	// refused are the writes about the node that are refused.
	refused []model.Refusal
	// bootedFor are its rebooters; nil if they were not looked for.
	bootedFor []*rebootView
}

// found is what was found out about all NodeReboots of a node, and holds until one of them changes. A node may have thousands of them, so
// nothing may look through all of them for each one.
type found struct {
	// waiting says that first is known, the NodeReboot that goes first; ended that success is known, when one of them last succeeded.
	waiting, ended bool
	first          *rebootView
	success        time.Time
}

// changed forgets what was found out about the NodeReboots of the node, and of those that go together with it.
func (n *nodeView) changed() {
	n.found = found{}
	if n.group != nil {
		n.group.known = false
	}
}

// rebootView is a NodeReboot and its next status.
type rebootView struct {
	model.Draft
	node *nodeView
	facts
	// awaitsFact: the NodeReboot waits for a fact, and may turn out not to be needed.
	awaitsFact bool
	// advanced: its attempt was moved on in this plan.
	advanced bool
	// started: it starts, or would start, and is counted as such.
	started bool
	// granted: this plan grants the slot of its attempt, or renews the grant. renewed is how often it was granted before for the same attempt.
	granted bool
	// bootMissed: before the boot that the Node reports another one was seen, and is not recorded.
	bootMissed bool
	// overdue: the reboot has been required for longer than its policy allows.
	overdue bool
	renewed int32
	// position among all by the names of their nodes, and their own.
	position int
	// alone is the NodeReboot itself, as the list of what goes together with it.
	alone [1]*rebootView
	wait  model.Verdict
	// approvalExpired is when an approval expired that was given; zero if it did not.
	approvalExpired time.Time
	// pendingHooks are awaited.
	pendingHooks []string
	// warnings are conditions that warn of something, the most important first.
	warnings []want
}

// addViews makes views of the records.
func (p *planning) addViews() {
	holders := p.slotHolders()
	total := len(p.snapshot.Slots) // NodeReboots of the past that hold a slot
	for _, records := range [][]*record{p.state.records, p.state.strays} {
		for _, record := range records {
			total += len(record.active) + len(record.aside)
		}
	}
	p.memory = p.state.spare.take(len(p.state.records), total)
	maker := viewMaker{planning: p, holders: holders, reboots: p.memory.reboots[:0], pointers: p.memory.pointers[:0]}
	p.views, p.nodeOrder, p.reboots = p.memory.nodes, p.memory.nodeOrder, p.memory.line[:0]
	for i, record := range p.state.records {
		n := &p.views[i]
		*n = nodeView{
			Node: record.node, record: record, past: record.past, controlPlane: record.runsEtcd, hostsLeader: record.name == p.snapshot.LeaderNode,
		}
		p.nodeOrder[i] = n
		reboots := record.active
		if uids, holds := holders[record]; holds {
			active, past := record.split(uids)
			reboots, n.past = activeReboots(active, record.node), past
		}
		maker.fill(n, reboots)
	}
	p.addStrays(&maker)
	for _, n := range p.nodeOrder {
		p.addInOrder(n.reboots)
		n.noteReboots()
	}
	slices.SortFunc(p.orphans, func(a, b *rebootView) int { return cmp.Compare(a.Object.Name, b.Object.Name) })
	p.addInOrder(p.orphans)
}

// slotHolders finds the records of the NodeReboots that hold a slot, by UID. Those are never past.
func (p *planning) slotHolders() map[*record]map[string]bool {
	holders := map[*record]map[string]bool{}
	for node, slot := range p.snapshot.Slots {
		record := p.state.holder(node, slot.UID)
		if record == nil {
			continue
		}
		if holders[record] == nil {
			holders[record] = map[string]bool{}
		}
		holders[record][slot.UID] = true
	}
	return holders
}

// viewMaker makes the views of NodeReboots, all in one piece of memory.
type viewMaker struct {
	*planning
	holders  map[*record]map[string]bool
	reboots  []rebootView
	pointers []*rebootView
}

func (m *viewMaker) view(active activeReboot, of *record, n *nodeView) *rebootView {
	m.reboots = append(m.reboots, rebootView{Draft: active.draft, facts: active.facts, node: n})
	r := &m.reboots[len(m.reboots)-1]
	r.alone[0] = r
	if holders := m.holders[of]; len(holders) > 0 && holders[string(r.Object.UID)] {
		m.byUID[string(r.Object.UID)] = r
	}
	return r
}

// fill gives a node the views of its NodeReboots.
func (m *viewMaker) fill(n *nodeView, reboots []activeReboot) {
	first := len(m.pointers)
	for i := range reboots {
		m.pointers = append(m.pointers, m.view(reboots[i], n.record, n))
	}
	n.reboots = m.pointers[first:len(m.pointers):len(m.pointers)]
	for _, active := range n.record.aside {
		m.addSetAside(m.view(active, n.record, n))
	}
}

// addStrays adds a node for each open attempt whose Node is not there: its host, or what it evicted, counts until it is back. The other
// NodeReboots without a Node are orphans.
func (p *planning) addStrays(maker *viewMaker) {
	known := len(p.nodeOrder)
	for _, stray := range p.state.strays {
		if !stray.mayBeOpen || stray.name == "" {
			for _, active := range stray.active {
				p.orphans = append(p.orphans, maker.view(active, stray, nil))
			}
			for _, active := range stray.aside {
				p.addSetAside(maker.view(active, stray, nil))
			}
			continue
		}
		n := &nodeView{Node: &model.Node{Name: stray.name}, record: stray, past: stray.past, gone: true}
		n.controlPlane = slices.ContainsFunc(slices.Concat(stray.reboots, stray.setAside), func(obj *v1alpha1.NodeReboot) bool {
			return mayBeOpen(obj) && mayHaveRunEtcd(obj)
		})
		if p.goneNodes == nil {
			p.goneNodes = map[string]*nodeView{}
		}
		p.goneNodes[n.Name] = n
		p.nodeOrder = append(p.nodeOrder, n)
		maker.fill(n, stray.active)
	}
	if len(p.nodeOrder) > known {
		slices.SortFunc(p.nodeOrder, func(a, b *nodeView) int { return cmp.Compare(a.Name, b.Name) })
	}
}

// node with a name; nil if there is none.
func (p *planning) node(name string) *nodeView {
	if p.state == nil {
		return nil
	}
	if i, is := p.state.index[name]; is {
		return &p.views[i]
	}
	return p.goneNodes[name]
}

func (p *planning) addInOrder(reboots []*rebootView) {
	for _, r := range reboots {
		if !r.atRest {
			r.position = len(p.reboots)
			p.reboots = append(p.reboots, r)
		}
	}
}

// everyReboot of the node, also those of the past.
func (n *nodeView) everyReboot() []*rebootView {
	all := slices.Clone(n.reboots)
	for _, obj := range n.past.objects {
		r := &rebootView{Draft: model.NewDraft(obj), node: n, facts: factsOf(obj, n.record.node)}
		r.atRest, r.done = true, true
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *rebootView) int { return cmp.Compare(a.Object.Name, b.Object.Name) })
	return all
}

// atRest: the NodeReboot succeeded and everything about it is written. Nearly all are, in the long run.
func atRest(obj *v1alpha1.NodeReboot) bool {
	s := &obj.Status
	return len(obj.Unreadable) == 0 && s.Summary != "" &&
		s.CompletionTime != nil && s.Outcome == v1alpha1.OutcomeSucceeded && s.Phase == v1alpha1.PhaseSucceeded &&
		s.ObservedGeneration == obj.Generation && !slices.Contains(obj.Finalizers, v1alpha1.Finalizer)
}

// noteReboots finds out what the NodeReboots of a node say about it.
func (n *nodeView) noteReboots() {
	n.lastBack = n.past.lastBack
	for _, r := range n.setAside {
		if r.Status.Attempt != nil {
			n.noteBack(r)
		}
	}
	for _, r := range n.reboots {
		if r.untried || r.Status.Attempt == nil {
			continue
		}
		attempt := r.Status.Attempt
		if r.open() {
			n.open = r
			// A kubelet that registers its Node again does not give it the labels of its role.
			n.controlPlane = n.controlPlane || attempt.NodeRole == v1alpha1.NodeRoleControlPlane
		}
		n.noteBack(r)
	}
}

func (n *nodeView) noteBack(r *rebootView) {
	if back := r.Status.Attempt.BackTime; back != nil {
		n.lastBack = model.Latest(n.lastBack, back.Time)
	}
}

// underWay: the node may be going down, is down, or recovers. An attempt that has ended in this plan counts as under way until that is
// written, even if someone has removed its slot from the slots object.
func (n *nodeView) underWay() bool { return n.open != nil || n.held != nil || n.slotHeld || n.endsNow }

// holder is the NodeReboot that has, or may have, an attempt on the node under way.
func (n *nodeView) holder() *rebootView {
	if n.open != nil {
		return n.open
	}
	return n.held
}

// active is the NodeReboot for which the node is cordoned, marked and taken down: the open one, unless it was rolled back.
func (n *nodeView) active() *rebootView {
	if n.open == nil || n.open.Status.Attempt.RolledBackTime != nil {
		return nil
	}
	return n.open
}

// grantedBy names the policy that granted the last attempt; empty before the first one.
func (r *rebootView) grantedBy() string {
	attempt := r.Status.Attempt
	if attempt == nil {
		return ""
	}
	return cmp.Or(attempt.PolicyName, r.Status.PolicyName)
}

// grantedIn is the zone in which the last attempt was granted.
func (r *rebootView) grantedIn() string {
	if attempt := r.Status.Attempt; attempt != nil && attempt.PolicyName != "" {
		return attempt.Zone
	}
	return r.Status.Zone
}

// times writes times in the time zone of the NodeReboot's policy; of none, in UTC.
func (p *planning) times(r *rebootView) model.Clock {
	if policy := r.policy(); policy != nil {
		return policy.Clock
	}
	return model.Clock{Now: p.Now}
}

// policy that owns the reboot's node; nil if there is none.
func (r *rebootView) policy() *policyView {
	if r.node == nil {
		return nil
	}
	return r.node.policy
}

// complete: the NodeReboot ended.
func (r *rebootView) complete() bool { return r.done }

// open: an attempt is under way and holds a slot.
func (r *rebootView) open() bool { return r.attempting }

// waiting: the NodeReboot waits to be started.
func (r *rebootView) waiting() bool { return !r.complete() && !r.open() && !r.deleted() }

func (r *rebootView) deleted() bool { return r.deleting }

// sync notes what the draft says after it was changed by others.
func (r *rebootView) sync() {
	r.done, r.attempting = r.Completed(), r.Open()
	if r.node != nil {
		r.node.changed()
	}
}

// modelNode is the node as the packages below know it; nil if there is none.
func (r *rebootView) modelNode() *model.Node {
	if r.node == nil || r.node.gone {
		return nil
	}
	return r.node.Node
}

// nodeGone: the Node that the NodeReboot is about is gone, or another one has its name.
func (r *rebootView) nodeGone() bool { return r.NodeGone(r.modelNode()) }

// sentinel is what the helper has reported of the sentinel since the node's current boot.
func (r *rebootView) sentinel() v1alpha1.SentinelState {
	if r.said != nil && model.KnownSentinel(r.said.Sentinel) {
		return r.said.Sentinel
	}
	return v1alpha1.SentinelUnknown
}

// report is what the helper has reported since the node's current boot; nil while it has reported nothing.
func (r *rebootView) report() *v1alpha1.HelperReport { return r.said }

// complete ends the NodeReboot.
func (p *planning) complete(r *rebootView, outcome v1alpha1.Outcome, reason, message string) {
	r.Complete(p.Stamp(), outcome, reason, message)
	r.wait = model.Verdict{}
	r.sync()
}
