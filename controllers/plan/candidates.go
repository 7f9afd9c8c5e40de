package plan

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// candidates finds the policies that may select a node by one label that they require. A cluster may have as many policies as nodes, and
// comparing all labels of every node with every policy would take most of the time of a plan.
type candidates struct {
	// byLabel are policies that require one value of a label, by both.
	byLabel map[label][]ranked
	// others have to be compared with every node.
	others []ranked
}

type label struct{ key, value string }

// ranked is a policy and its place in the order of precedence.
type ranked struct {
	*policyView
	rank int
}

// newCandidates takes policies in the order of their precedence.
func newCandidates(policies []*policyView) *candidates {
	c := &candidates{byLabel: map[label][]ranked{}}
	for rank, policy := range policies {
		if required, is := requiredLabel(policy.Selector); is {
			c.byLabel[required] = append(c.byLabel[required], ranked{policy, rank})
			continue
		}
		c.others = append(c.others, ranked{policy, rank})
	}
	return c
}

// requiredLabel is a label with the one value that a selector requires of it.
func requiredLabel(selector labels.Selector) (label, bool) {
	requirements, selectable := selector.Requirements()
	for i := range requirements {
		r := &requirements[i]
		switch r.Operator() {
		case selection.In, selection.Equals, selection.DoubleEquals:
			if values := r.ValuesUnsorted(); selectable && len(values) == 1 {
				return label{r.Key(), values[0]}, true
			}
		}
	}
	return label{}, false
}

// of a node with these labels, in the order of precedence.
func (c *candidates) of(nodeLabels labels.Set) []ranked {
	if len(c.byLabel) == 0 {
		return c.others
	}
	found := c.others[:len(c.others):len(c.others)]
	for key, value := range nodeLabels {
		found = append(found, c.byLabel[label{key, value}]...)
	}
	if len(found) > len(c.others) {
		slices.SortFunc(found, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	}
	return found
}
