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
