package plan

import (
	"cmp"
	"maps"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// State is what a plan leaves to the next one: what was found out about objects that rarely change. Objects are immutable, so one with the
// same address is unchanged, and so is everything that follows from it alone. A state is never changed either: each plan makes another
// one, which shares with the last one what did not change. So a plan that is not carried out leaves nothing behind, and a plan from an old
// state, or from none, is the same as one from the last state.
type State struct {
	// nodes and reboots are those of the snapshot, in its order.
	nodes   []*model.Node
	reboots []*v1alpha1.NodeReboot
	reading reading
	// understood are the policies as far as they do not depend on the time.
	understood *understoodPolicies
	// records of the Nodes by name, and where each is.
	records []*record
	index   map[string]int
	// strays are records of nodes that have NodeReboots and no Node, by name.
	strays []*record
	// spare is the memory that plans use in turn. It says nothing.
	spare *spare
}

// understoodPolicies has each policy by its object.
type understoodPolicies struct {
	of map[*v1alpha1.RebootPolicy]policies.Understood
}

// understand reads the policies that are new. If none is, and none is gone, the result is that of the last plan.
func (s *State) understand(objects []*v1alpha1.RebootPolicy) *understoodPolicies {
	last := &understoodPolicies{}
	if s != nil && s.understood != nil {
		last = s.understood
	}
	next := &understoodPolicies{of: make(map[*v1alpha1.RebootPolicy]policies.Understood, len(objects))}
	changed := len(objects) != len(last.of)
	for _, obj := range objects {
		understood, known := last.of[obj]
		if !known {
			understood, changed = policies.Understand(obj), true
		}
		next.of[obj] = understood
	}
	if !changed {
		return last
	}
	return next
}

// reading is what labels of nodes are read for.
type reading struct {
	policies []policyReading
	quorum   []string
}

// policyReading is what a policy looks for in the labels of nodes.
type policyReading struct {
	name, selector   string
	everything       bool
	topologyKey      string
	byZone, inGroups bool
	groupLabel       string
}

func readingOf(policies []*policyView, quorum []string) reading {
	r := reading{policies: make([]policyReading, len(policies)), quorum: quorum}
	for i, policy := range policies {
		rollout := &policy.Spec.Rollout
		r.policies[i] = policyReading{
			name: policy.Name(), selector: policy.Selector.String(), everything: policy.Selector.Empty(),
			topologyKey: rollout.Zones.TopologyKey, byZone: rollout.Zones.Strategy == v1alpha1.ZonesOneAtATime,
		}
		if rollout.Group != nil {
			r.policies[i].inGroups, r.policies[i].groupLabel = true, rollout.Group.Label
		}
	}
	return r
}

func (r reading) equal(other reading) bool {
	return slices.Equal(r.policies, other.policies) && slices.Equal(r.quorum, other.quorum)
}

// delta is what changed about one node.
type delta struct {
	node *model.Node
	// nodeChanged says that node is new, or nil because the Node is gone.
	nodeChanged bool
	// gone are NodeReboots that are not there anymore, also as they were before a change, and come those that are new.
	gone, come []*v1alpha1.NodeReboot
}

// next is the state of a snapshot. Policies are those of the snapshot in the order of their precedence.
func (s *State) next(snapshot *Snapshot, policies []*policyView, understood *understoodPolicies) *State {
	if s == nil {
		s = &State{spare: &spare{}}
	}
	reading := readingOf(policies, snapshot.QuorumLabels)
	read := s.reading.equal(reading)
	deltas := s.deltas(snapshot)
	if read && len(deltas) == 0 && s.index != nil && s.understood == understood {
		return s
	}
	next := &State{
		nodes: slices.Clone(snapshot.Nodes), reboots: slices.Clone(snapshot.Reboots), reading: reading, index: s.index,
		records: slices.Clone(s.records), strays: s.strays, understood: understood, spare: s.spare,
	}
	traits := newTraitReader(policies, snapshot.QuorumLabels)
	if !read {
		for i, old := range next.records {
			changed := *old
			changed.traits = traits.of(changed.node, old)
			next.records[i] = &changed
		}
	}
	next.apply(deltas, traits)
	return next
}

// deltas compares the snapshot with the one of before, by node name. Where both have the same order that takes one look at each pointer.
func (s *State) deltas(snapshot *Snapshot) map[string]*delta {
	deltas := map[string]*delta{}
	of := func(name string) *delta {
		if deltas[name] == nil {
			deltas[name] = &delta{}
		}
		return deltas[name]
	}
	gone, come := changes(s.nodes, snapshot.Nodes, func(a, b *model.Node) int { return cmp.Compare(a.Name, b.Name) })
	for _, node := range gone {
		of(node.Name).nodeChanged = true
	}
	for _, node := range come {
		d := of(node.Name)
		d.node, d.nodeChanged = node, true
	}
	byName := func(a, b *v1alpha1.NodeReboot) int { return cmp.Compare(a.Name, b.Name) }
	goneReboots, comeReboots := changes(s.reboots, snapshot.Reboots, byName)
	for _, reboot := range goneReboots {
		d := of(reboot.Spec.NodeName)
		d.gone = append(d.gone, reboot)
	}
	for _, reboot := range comeReboots {
		d := of(reboot.Spec.NodeName)
		d.come = append(d.come, reboot)
	}
	return deltas
}

// changes are the elements that are not there anymore, and those that were not there before. Any order will do; if both are sorted, what
// did not change is in neither.
func changes[T any](before, after []*T, compare func(a, b *T) int) (gone, come []*T) {
	i, j := 0, 0
	for i < len(before) && j < len(after) {
		if before[i] == after[j] {
			i++
			j++
			continue
		}
		order := compare(before[i], after[j])
		if order <= 0 {
			gone = append(gone, before[i])
			i++
		}
		if order >= 0 {
			come = append(come, after[j])
			j++
		}
	}
	return append(gone, before[i:]...), append(come, after[j:]...)
}

// apply makes the records of those nodes again about which something changed.
func (s *State) apply(deltas map[string]*delta, traits *traitReader) {
	strays := map[string]*record{}
	moved := s.index == nil
	for _, stray := range s.strays {
		strays[stray.name] = stray
	}
	var added []*record
	for name, d := range deltas {
		i, known := s.index[name]
		old := strays[name]
		if known {
			old = s.records[i]
		}
		record := old.with(name, d, traits)
		delete(strays, name)
		switch {
		case record.node != nil && known:
			s.records[i] = record
			continue
		case record.node != nil:
			added, moved = append(added, record), true
		case known:
			s.records[i], moved = nil, true
		}
		if record.node == nil && len(record.reboots)+len(record.setAside) > 0 {
			strays[name] = record
		}
	}
	if moved {
		s.arrange(added)
	}
	s.strays = slices.SortedFunc(maps.Values(strays), compareRecords)
}

func compareRecords(a, b *record) int { return cmp.Compare(a.name, b.name) }

// arrange puts the records in order, with those that were added and without those that are gone.
func (s *State) arrange(added []*record) {
	s.records = append(slices.DeleteFunc(s.records, func(r *record) bool { return r == nil }), added...)
	slices.SortFunc(s.records, compareRecords)
	s.index = make(map[string]int, len(s.records))
	for i, record := range s.records {
		s.index[record.name] = i
	}
}

// record with a name; nil if there is no such Node.
func (s *State) record(name string) *record {
	if i, is := s.index[name]; is {
		return s.records[i]
	}
	return nil
}

// holder is the record that has the NodeReboot with a UID, most likely the record of the node; nil if there is none.
func (s *State) holder(node, uid string) *record {
	if likely := s.record(node); likely != nil && likely.has(uid) {
		return likely
	}
	for _, records := range [][]*record{s.strays, s.records} {
		for _, record := range records {
			if record.has(uid) {
				return record
			}
		}
	}
	return nil
}
