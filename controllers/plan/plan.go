package plan

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Compute turns a snapshot into a plan. Nothing in the snapshot is changed.
func Compute(snapshot *Snapshot, now time.Time) *Plan {
	p := newPlanning(snapshot, now)
	p.assignPolicies()
	p.updateNeeds()
	p.keepGrants()
	p.advanceAttempts()
	p.admit()
	p.giveBackGrants()
	return p.plan()
}

// planning is the working state of one Compute.
type planning struct {
	model.Moment
	snapshot *Snapshot
	policies []*policyView
	byName   map[string]*policyView
	nodes    map[string]*nodeView
	// nodeOrder is nodes by name.
	nodeOrder []*nodeView
	// reboots are all that are not at rest, orphans those whose Node is not there.
	reboots, orphans []*rebootView
	// setAside are those that cannot be read.
	setAside []*rebootView
	// byUID has the NodeReboots of the grants that the slots object holds.
	byUID map[string]*rebootView
	slots map[string]Slot
	// needPods are the nodes whose pods have to be known.
	needPods []string
	// foundUndrainable are the nodes whose pods keep them from being drained.
	foundUndrainable []Undrainable
	// queries are those that gates were asked.
	queries map[model.GateKey]model.GateQuery
	limits  limits
	quorum  quorum
	// lastRound is the last round of admission.
	lastRound *round
	// staleApprovals are NodeReboots whose approval was for another need.
	staleApprovals []string
	// names of all NodeReboots; nil until one is asked for.
	names sets.Set[string]
	// evictions is how many evictions budgets allow that no drain was given yet, of the budgets that refused some.
	evictions map[model.WorkloadKey]int32
	// shares are those of the drains under way.
	shares map[types.UID]share
	// wants is memory that is used again and again.
	wants []want
}

func newPlanning(snapshot *Snapshot, now time.Time) *planning {
	p := &planning{
		snapshot: snapshot,
		Moment:   model.NewMoment(now),
		nodes:    make(map[string]*nodeView, len(snapshot.Nodes)),
		slots:    make(map[string]Slot, len(snapshot.Slots)),
		byUID:    make(map[string]*rebootView, len(snapshot.Slots)),
		byName:   make(map[string]*policyView, len(snapshot.Policies)),

		evictions: map[model.WorkloadKey]int32{}, shares: map[types.UID]share{},
	}
	p.addNodes(snapshot.Nodes)
	p.addReboots(snapshot.Reboots)
	p.noteRefusals()
	p.noteNames()
	return p
}

func (p *planning) plan() *Plan {
	slices.Sort(p.needPods)
	plan := &Plan{NeedPods: slices.Compact(p.needPods), Undrainable: p.foundUndrainable, Queries: p.asked()}
	plan.Slots, plan.SlotsChanged = p.desiredSlots()
	plan.Work = p.work()
	plan.Policies = p.policyChanges()
	plan.Creates = p.creates()
	plan.Prune = p.prune()
	plan.Wake = p.Wake
	return plan
}
