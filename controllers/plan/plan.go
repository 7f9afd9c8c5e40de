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
	p, _ := Next(nil, snapshot, now)
	return p
}

// Next makes the same plan as Compute, and in less time: it looks only at what changed since the plan that left the state. A nil state is
// that of no plan.
func Next(state *State, snapshot *Snapshot, now time.Time) (*Plan, *State) {
	p := newPlanning(state, snapshot, now)
	p.assignPolicies()
	p.updateNeeds()
	p.keepGrants()
	p.advanceAttempts()
	p.admit()
	p.giveBackGrants()
	plan := p.plan()
	p.state.spare.release(p.memory)
	return plan, p.state
}

// planning is the working state of one Compute.
type planning struct {
	model.Moment
	snapshot *Snapshot
	policies []*policyView
	byName   map[string]*policyView
	// understood are those of the state to come.
	understood *understoodPolicies
	state      *State
	memory     *memory
	// views are those of the state's records, and goneNodes of nodes that are not there.
	views     []nodeView
	goneNodes map[string]*nodeView
	// nodeOrder is all nodes by name.
	nodeOrder []*nodeView
	// reboots are all that are neither at rest nor past, orphans those whose Node is not there.
	reboots, orphans []*rebootView
	// setAside are those that cannot be read.
	setAside []*rebootView
	// byUID has the NodeReboots of the grants that the slots object holds.
	byUID map[string]*rebootView
	slots map[string]Slot
	// needPods are the nodes whose pods have to be known.
	needPods []string
	// needSlots: what the slots object holds now has to be known.
	needSlots bool
	// foundUndrainable are the nodes whose pods keep them from being drained.
	foundUndrainable []Undrainable
	// queries are those that gates were asked.
	queries map[model.GateKey]model.GateQuery
	limits  limits
	quorum  quorum
	// takers are the nodes that take pods which tolerate only what every pod tolerates; nil if nobody asked.
	takers []*nodeView
	// lastRound is the last round of admission.
	lastRound *round
	// staleApprovals are NodeReboots whose approval was for another need.
	staleApprovals []string
	// names of all NodeReboots; nil until one is asked for.
	names sets.Set[string]
	// evictions is how many evictions budgets allow that no drain was given yet, of the budgets that refused some.
	evictions map[model.WorkloadKey]int32
	// claimed are the claims on them that last.
	claimed map[EvictionClaim]time.Time
	// offered is what a drain that may begin takes if it does; offers is set while that is found out.
	offered []EvictionClaim
	offers  bool
	// deferred says since when writes wait, and waitingCount how many NodeReboots do; 0 until that is asked.
	deferred     map[string]time.Time
	waitingCount int
	// shares are what open attempts have displaced of each workload; nil until it is asked for.
	shares map[model.WorkloadKey][]*share
	// unaccounted are open attempts for whose missing pods no other one could account.
	unaccounted map[*rebootView]bool
	// drainShares are those of the drains under way.
	drainShares map[types.UID]drainShare
	// rollouts are the policies with nodes that need a reboot.
	rollouts []Rollout
	// wants is memory that is used repeatedly.
	wants []want
}

func newPlanning(state *State, snapshot *Snapshot, now time.Time) *planning {
	p := &planning{
		snapshot: snapshot,
		Moment:   model.NewMoment(now),
		slots:    make(map[string]Slot, len(snapshot.Slots)),
		byUID:    make(map[string]*rebootView, len(snapshot.Slots)),
		byName:   make(map[string]*policyView, len(snapshot.Policies)),

		evictions: map[model.WorkloadKey]int32{}, drainShares: map[types.UID]drainShare{},
	}
	p.parsePolicies(state)
	p.state = state.next(snapshot, p.policies, p.understood)
	p.addViews()
	p.noteManagers()
	p.noteRefusals()
	p.noteNames()
	return p
}

func (p *planning) plan() *Plan {
	slices.Sort(p.needPods)
	plan := &Plan{NeedPods: slices.Compact(p.needPods), Undrainable: p.foundUndrainable, Queries: p.asked()}
	plan.Work = p.work()
	plan.Slots, plan.SlotsChanged = p.desiredSlots()
	plan.HandOver = p.handsOver(plan.Work)
	plan.Policies, plan.ReadAhead = p.policyChanges(), p.readAhead()
	plan.Rollouts, plan.Creates = p.rollouts, p.creates()
	plan.Prune = p.prune()
	plan.Deferred, plan.LetGo, plan.NeedSlots, plan.Wake = p.deferred, p.claimed, p.needSlots, p.Wake
	return plan
}
