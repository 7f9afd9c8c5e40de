package forecast

import (
	"fmt"
	"maps"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// assumptions are what a run took for granted.
type assumptions struct {
	// gates are the gates that were assumed to be open, as people name them.
	gates map[string]bool
	hooks bool
	pods  bool
}

// lacks are the nodes of policies for whose pods there is no room, and the sentence that says so.
type lacks map[string]map[string]string

// knownAnswers are those that hold for as long as nobody knows better: what is in the way stays there.
func knownAnswers(answers map[model.GateKey]model.GateAnswer) (map[model.GateKey]model.GateAnswer, lacks) {
	known, without := make(map[model.GateKey]model.GateAnswer, len(answers)), lacks{}
	for key, answer := range answers {
		answer.Stale, answer.Excused = false, nil
		if key.Kind != model.GateCapacity {
			known[key] = answer
			continue
		}
		for node, lack := range answer.Nodes {
			if lack == "" {
				continue
			}
			if without[key.Policy] == nil {
				without[key.Policy] = map[string]string{}
			}
			without[key.Policy][node] = lack
		}
		if answer.Failure != "" {
			known[key] = answer
		}
	}
	return known, without
}

// answer the queries of a plan that are not answered yet. It says whether there were any.
func (c *cluster) answer(p *plan.Plan, without lacks, assumed *assumptions) bool {
	more := false
	for _, query := range p.Queries {
		known, is := c.snapshot.Answers[query.GateKey]
		if query.Kind == model.GateCapacity {
			more = c.answerCapacity(query, &known, without) || more
			if known.Failure != "" {
				continue
			}
			assumed.gates[gateName(query.GateKey)] = true
			c.snapshot.Answers[query.GateKey] = known
			continue
		}
		if !is {
			more = true
			assumed.gates[gateName(query.GateKey)] = true
			c.snapshot.Answers[query.GateKey] = model.GateAnswer{Nodes: map[string]string{}}
		}
	}
	return more
}

// answerCapacity answers for nodes that were asked about but not checked yet with what was known about them before.
func (c *cluster) answerCapacity(query model.GateQuery, answer *model.GateAnswer, without lacks) (more bool) {
	if answer.Failure != "" {
		return false
	}
	nodes := maps.Clone(answer.Nodes)
	if nodes == nil {
		nodes = map[string]string{}
	}
	for _, node := range query.Nodes {
		if _, looked := nodes[node]; !looked {
			nodes[node], more = without[query.Policy][node], true
		}
	}
	answer.Nodes = nodes
	return more
}

func gateName(key model.GateKey) string {
	if key.Gate == "" {
		return fmt.Sprintf("%s of RebootPolicy %s", key.Kind, key.Policy)
	}
	return fmt.Sprintf("%s %q of RebootPolicy %s", key.Kind, key.Gate, key.Policy)
}
