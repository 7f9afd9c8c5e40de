package placement

import (
	"iter"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// domains are the values that nodes have of a label, by the index of the node; -1 is that it has none.
type domains struct {
	of    []int32
	count int
}

func (r *Room) domainsOf(key string) *domains {
	known := r.domains[key]
	if known != nil {
		return known
	}
	d := &domains{of: make([]int32, len(r.nodes))}
	values := map[string]int32{}
	for i, n := range r.nodes {
		value, has := n.labels[key]
		if !has {
			d.of[i] = -1
			continue
		}
		number, met := values[value]
		if !met {
			number = int32(len(values))
			values[value] = number
		}
		d.of[i] = number
	}
	d.count = len(values)
	r.domains[key] = d
	return d
}

// counter counts pods by the domain that they are in.
type counter struct {
	*domains
	selects func(*group) bool
	// eligible nodes count, by index; nil is that all do.
	eligible []bool
	counts   map[int32]int
	// cordons: it, or another one of its group, depends on which node the question is about, because that will be cordoned.
	cordons bool
	// least is how many there are in the domain that has the fewest, if that is known.
	least      int
	leastKnown bool
}

// at is how many pods there are in the domain of a node; -1 if the node is in none.
func (c *counter) at(i int) int {
	if c.of[i] < 0 {
		return -1
	}
	return c.counts[c.of[i]]
}

func (c *counter) note(i, times int) {
	d := c.of[i]
	if d < 0 || len(c.eligible) > 0 && !c.eligible[i] {
		return
	}
	c.leastKnown = false
	if c.counts[d] += times; c.counts[d] == 0 {
		delete(c.counts, d)
	}
}

// newCounter counts the pods of the groups that are selected, all of which are among some.
func (r *Room) newCounter(key string, among iter.Seq[*group], selects func(*group) bool, eligible []bool) *counter {
	c := &counter{domains: r.domainsOf(key), selects: selects, eligible: eligible, counts: map[int32]int{}}
	for g := range among {
		if !selects(g) {
			continue
		}
		for _, p := range g.pods {
			// The scheduler spreads without those that terminate.
			if at := r.where(p); at != nil && (eligible == nil || !p.is(terminating)) {
				c.note(at.index, 1)
			}
		}
	}
	r.counters = append(r.counters, c)
	for g, counting := range r.counting {
		if selects(g) {
			r.counting[g] = append(counting, c)
		}
	}
	return c
}

// countersOf are those that count pods of a group.
func (r *Room) countersOf(g *group) []*counter {
	counting, known := r.counting[g]
	if !known {
		for _, c := range r.counters {
			if c.selects(g) {
				counting = append(counting, c)
			}
		}
		r.counting[g] = counting
	}
	return counting
}

// relations of the pods of a group to other pods.
type relations struct {
	// others want to be apart from them, and they apart from others or near others.
	others, apart, near []*counter
	// nearSelf: they match their own terms, so the first of them needs no others.
	nearSelf bool
	spread   []spreading
}

// spreading is a topology spread constraint of the pods of a group.
type spreading struct {
	*counter
	// eligible domains: how many there are.
	domains int
	// self is 1 if the constraint counts the pod itself.
	self int
	term *spreadTerm
}

func (r *Room) relationsOf(g *group) *relations {
	rel := r.relations[g]
	if rel == nil {
		rel = r.newRelations(g)
		r.relations[g] = rel
	}
	for i := len(rel.spread); i < len(g.spread); i++ {
		rel.spread = append(rel.spread, r.newSpreading(g, &g.spread[i]))
	}
	return rel
}

// newRelations are those besides spreading.
func (r *Room) newRelations(g *group) *relations {
	rel := &relations{nearSelf: true}
	rel.others = r.othersApart(g)
	for i := range g.apart {
		term := &g.apart[i]
		selects := func(other *group) bool { return r.c.selects(term, g, other) }
		rel.apart = append(rel.apart, r.newCounter(term.key, r.c.within(term, g), selects, nil))
	}
	all := func(other *group) bool {
		for i := range g.near {
			if !r.c.selects(&g.near[i], g, other) {
				return false
			}
		}
		return true
	}
	for i := range g.near {
		rel.nearSelf = rel.nearSelf && r.c.selects(&g.near[i], g, g)
		rel.near = append(rel.near, r.newCounter(g.near[i].key, r.c.within(&g.near[i], g), all, nil))
	}
	return rel
}

// within are the groups that a term may select: those of one namespace, or all.
func (c *Cluster) within(term *podTerm, owner *group) iter.Seq[*group] {
	if len(term.namespaces) > 0 || term.namespaceSelector != nil {
		return maps.Values(c.groups)
	}
	return maps.Keys(c.spaces[owner.kind.Value().namespace])
}

// selects says whether a term of a group selects the pods of another one.
func (c *Cluster) selects(term *podTerm, owner, other *group) bool {
	return c.covers(term, owner, other.space) && term.selector.Matches(other.labels)
}

func (c *Cluster) covers(term *podTerm, owner *group, space string) bool {
	if len(term.namespaces) == 0 && term.namespaceSelector == nil {
		return owner.space == space
	}
	for _, name := range term.namespaces {
		if name == space {
			return true
		}
	}
	if term.namespaceSelector == nil {
		return false
	}
	var set labels.Set
	if namespace := c.namespaces[space]; namespace != nil {
		set = namespace.labels
	}
	return term.namespaceSelector.Matches(set)
}

// othersApart counts, by label of nodes, the pods that want none of a group near them.
func (r *Room) othersApart(g *group) []*counter {
	keys := map[string]bool{}
	for owner := range r.c.apart {
		for i := range owner.apart {
			if term := &owner.apart[i]; !keys[term.key] && r.c.selects(term, owner, g) {
				keys[term.key] = true
			}
		}
	}
	counters := make([]*counter, 0, len(keys))
	for key := range keys {
		counters = append(counters, r.newCounter(key, maps.Keys(r.c.apart), func(owner *group) bool {
			for i := range owner.apart {
				if term := &owner.apart[i]; term.key == key && r.c.selects(term, owner, g) {
					return true
				}
			}
			return false
		}, nil))
	}
	return counters
}

// eligible nodes are those that a constraint spreads over, by index.
func (r *Room) eligible(g *group, term *spreadTerm) []bool {
	eligible := make([]bool, len(r.nodes))
	for i, n := range r.nodes {
		closed := r.closed[i] || i == r.without
		eligible[i] = (!term.honorAffinity || g.selects(n.Node)) && (!term.honorTaints || !closed && g.tolerates(n.Node))
	}
	for i := range g.spread {
		for j, domain := range r.domainsOf(g.spread[i].key).of {
			eligible[j] = eligible[j] && domain >= 0 // A node counts if it has the labels of all constraints.
		}
	}
	return eligible
}

func (r *Room) newSpreading(g *group, term *spreadTerm) spreading {
	eligible := r.eligible(g, term)
	met := map[int32]struct{}{}
	for i, domain := range r.domainsOf(term.key).of {
		if eligible[i] {
			met[domain] = struct{}{}
		}
	}
	selector := withKeys(term.selector, term.matchLabelKeys, g.labels)
	selects := func(other *group) bool { return other.space == g.space && selector.Matches(other.labels) }
	own := maps.Keys(r.c.spaces[g.kind.Value().namespace])
	s := spreading{counter: r.newCounter(term.key, own, selects, eligible), domains: len(met), term: term}
	s.cordons = slices.ContainsFunc(g.spread, func(t spreadTerm) bool { return t.honorTaints })
	if selects(g) {
		s.self = 1
	}
	return s
}

// forgetCordons drops what depends on which node the question is about. It is found out again when it is needed.
func (r *Room) forgetCordons() {
	of := func(c *counter) bool { return c.cordons }
	if !slices.ContainsFunc(r.counters, of) {
		return
	}
	r.counters = slices.DeleteFunc(r.counters, of)
	for g, counting := range r.counting {
		r.counting[g] = slices.DeleteFunc(counting, of)
	}
	for _, rel := range r.relations {
		rel.spread = slices.DeleteFunc(rel.spread, func(s spreading) bool { return s.cordons })
	}
}

// fewest is how many pods there are in the domain that has the fewest, which counts as empty if there are too few domains.
func (s *spreading) fewest() int {
	if s.term.minDomains > 1 && s.domains < s.term.minDomains {
		return 0
	}
	if !s.leastKnown {
		s.least, s.leastKnown = 0, true
		if len(s.counts) >= s.domains {
			first := true
			for _, n := range s.counts {
				if first || n < s.least {
					s.least, first = n, false
				}
			}
		}
	}
	return s.least
}

// check says which rule about other pods keeps a pod off a node.
func (rel *relations) check(i int) ruleKind {
	for _, c := range rel.others {
		if c.at(i) > 0 {
			return othersApart
		}
	}
	for _, c := range rel.apart {
		if c.at(i) > 0 {
			return apartFromOthers
		}
	}
	if !rel.isNear(i) {
		return notNear
	}
	for j := range rel.spread {
		s := &rel.spread[j]
		if at := s.at(i); at < 0 || at+s.self-s.fewest() > s.term.maxSkew {
			return uneven
		}
	}
	return takes
}

func (rel *relations) isNear(i int) bool {
	met, there := true, 0
	for _, c := range rel.near {
		at := c.at(i)
		if at < 0 {
			return false
		}
		met = met && at > 0
		there += len(c.counts)
	}
	return met || there == 0 && rel.nearSelf
}
