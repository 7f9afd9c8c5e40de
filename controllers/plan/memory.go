package plan

import "sync/atomic"

// memory is where a plan makes its views. In a large cluster they would be most of its garbage, so plans use it in turn: nothing that a
// plan leaves points there.
type memory struct {
	nodes     []nodeView
	nodeOrder []*nodeView
	reboots   []rebootView
	// pointers are those of nodes, and line those of the plan.
	pointers, line []*rebootView
	// lists of a round of admission are in use up to their length. asked is how many elements those of this round asked for, and most how
	// many those of any round did.
	lists       []*rebootView
	asked, most int
	keys        []waitingKey
}

// spare is memory that no plan uses at the moment. All states that follow from one share it.
type spare struct{ memory atomic.Pointer[memory] }

// take memory for the views of so many nodes and NodeReboots: what is there, or more.
func (s *spare) take(nodes, reboots int) *memory {
	m := s.memory.Swap(nil)
	if m == nil {
		m = &memory{}
	}
	m.nodes, m.nodeOrder = sized(m.nodes, nodes)[:nodes], sized(m.nodeOrder, nodes)[:nodes]
	m.reboots, m.pointers, m.line = sized(m.reboots, reboots)[:reboots], sized(m.pointers, reboots)[:reboots], sized(m.line, reboots)[:reboots]
	m.lists, m.asked, m.most = sized(m.lists, m.most), 0, 0
	return m
}

// newRound uses the lists of the last round again.
func (m *memory) newRound() { m.lists, m.asked = m.lists[:0], 0 }

// list is an empty list that so many NodeReboots can be added to, until the next round.
func (m *memory) list(capacity int) []*rebootView {
	m.asked += capacity
	m.most = max(m.most, m.asked)
	begin, end := len(m.lists), len(m.lists)+capacity
	if end > cap(m.lists) {
		return make([]*rebootView, 0, capacity)
	}
	m.lists = m.lists[:end]
	return m.lists[begin:begin:end]
}

// sized is an empty slice with at least this capacity, that of the given one if it will do.
func sized[T any](s []T, capacity int) []T {
	if cap(s) < capacity {
		return make([]T, 0, capacity)
	}
	return s[:0]
}

// release lets the next plan use the memory. It keeps no object of the API alive.
func (s *spare) release(m *memory) {
	clear(m.nodes)
	clear(m.nodeOrder)
	clear(m.reboots)
	clear(m.pointers)
	clear(m.line)
	clear(m.lists[:min(m.most, cap(m.lists))])
	clear(m.keys)
	m.keys = m.keys[:0]
	s.memory.Store(m)
}
