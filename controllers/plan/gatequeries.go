package plan

import (
	"cmp"
	"slices"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// query asks a gate, and returns the answer if it is known.
func (p *planning) query(query model.GateQuery) (model.GateAnswer, bool) {
	if _, asked := p.queries[query.GateKey]; !asked {
		if p.queries == nil {
			p.queries = map[model.GateKey]model.GateQuery{}
		}
		p.queries[query.GateKey] = query
	}
	answer, known := p.snapshot.Answers[query.GateKey]
	return answer, known
}

// excuse leaves out of an answer what attempts bring about that hold a slot in this plan, go as they should, and count against a limit of
// the policy already. An alert about any other attempt blocks. An answer that is too old to start on is not known.
func (p *planning) excuse(policy *policyView, answer model.GateAnswer) (judged model.GateAnswer, known bool) {
	excused := func(id model.AttemptID) bool {
		return p.goesWell(id) && p.countsFor(policy, p.byUID[id.RebootUID].node)
	}
	inTheWay := slices.IndexFunc(answer.Excused, func(e model.Excused) bool { return !slices.ContainsFunc(e.By, excused) })
	if inTheWay >= 0 && answer.Failure == "" && answer.Obstacle == "" {
		answer.Obstacle = answer.Excused[inTheWay].Obstacle
	}
	return answer, answer.Obstacle != "" || !answer.Stale
}

// countsFor says that an unavailable node counts against a limit of the policy: its own limits, or the limit of the whole cluster.
func (p *planning) countsFor(policy *policyView, n *nodeView) bool {
	return n != nil && (n.policy == policy || n.selectedBy == policy || p.snapshot.ClusterMaxUnavailable != nil)
}

// goesWell says that an attempt is open, and was never interrupted. One that was granted and is not recorded yet sets off no alert.
func (p *planning) goesWell(id model.AttemptID) bool {
	r := p.byUID[id.RebootUID]
	if r == nil || !r.open() || r.deleted() || r.Object.Spec.NodeName != id.Node {
		return false
	}
	attempt := r.Status.Attempt
	return attempt.Number == id.Number && attempt.InterruptedTime == nil && attempt.StalledTime == nil && attempt.RolledBackTime == nil
}

// asked are all queries of the plan, in an order that does not change.
func (p *planning) asked() []model.GateQuery {
	queries := make([]model.GateQuery, 0, len(p.queries))
	for _, query := range p.queries {
		queries = append(queries, query)
	}
	slices.SortFunc(queries, func(a, b model.GateQuery) int { return compareKeys(a.GateKey, b.GateKey) })
	return queries
}

func compareKeys(a, b model.GateKey) int {
	return cmp.Or(
		cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Gate, b.Gate),
		cmp.Compare(a.About, b.About), cmp.Compare(a.Generation, b.Generation),
	)
}
