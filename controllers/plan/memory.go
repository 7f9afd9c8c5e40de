package plan

import "sync"

// memory is where a plan makes its views. In a large cluster they would be most of its garbage, so plans use it in turn: nothing that a
// plan leaves points there.
type memory struct {
	nodes     []nodeView
	nodeOrder []*nodeView
	reboots   []rebootView
	// pointers are those of nodes, and line those of the plan.
	pointers, line []*rebootView
	// lists are in use up to their length. asked is how many elements lists should have had.
	lists []*rebootView
	asked int
	keys  []waitingKey
}

var memories = sync.Pool{New: func() any { return new(memory) }}

// take memory for views of so many nodes and NodeReboots.
func takeMemory(nodes, reboots int) *memory {
	m := memories.Get().(*memory) //nolint:forcetypeassert // the pool has nothing else
	m.nodes, m.nodeOrder = sized(m.nodes, nodes)[:nodes], sized(m.nodeOrder, nodes)[:nodes]
	m.reboots, m.pointers, m.line = sized(m.reboots, reboots), sized(m.pointers, reboots), sized(m.line, reboots)
	m.lists, m.asked = sized(m.lists, m.asked), 0
	return m
}

// list is an empty list that so many NodeReboots can be added to, for as long as the plan is made.
func (m *memory) list(capacity int) []*rebootView {
	m.asked += capacity
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

// release lets other plans use the memory. It keeps no object of the API alive.
func (m *memory) release() {
	clear(m.nodes[:cap(m.nodes)])
	clear(m.nodeOrder[:cap(m.nodeOrder)])
	clear(m.reboots[:cap(m.reboots)])
	clear(m.pointers[:cap(m.pointers)])
	clear(m.line[:cap(m.line)])
	clear(m.lists)
	clear(m.keys[:cap(m.keys)])
	memories.Put(m)
}
