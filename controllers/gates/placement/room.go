package placement

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// Room is what nodes have free while some of them leave. It is a view of a Cluster that must not change in the meantime. The Room itself
// changes: pods are taken from nodes, put on others, and put back.
type Room struct {
	c     *Cluster
	nodes []*node
	// closed nodes give no room, by index: they leave, are cordoned or not Ready. without is one more of them, or -1.
	closed  []bool
	leaves  []bool
	without int
	// moved are the pods that are elsewhere than in the cluster; nil is nowhere.
	moved map[*Pod]*node
	// taken is what moved pods request of nodes, by index, and arrivals are the pods.
	taken    map[int]*amounts
	arrivals map[int][]*Pod
	// log is what was done. Everything after the mark is undone.
	log  []move
	mark int

	suited    map[*shape][]ruleKind
	from      map[*shape]int
	later     map[*shape]int
	tallies   map[*shape]tally
	domains   map[string]*domains
	relations map[*group]*relations
	counters  []*counter
	// counting are the counters that count pods of a group.
	counting map[*group][]*counter
	volumes  *volumeRules
	// full says which pod of the nodes that leave finds no room; empty if all do.
	full string
}

// move of a pod.
type move struct {
	pod *Pod
	to  *node
	// before is where it was, and had whether it was moved already.
	before *node
	had    bool
}

// Room returns the room of the nodes that are not leaving. Pods that already wait take theirs first; if there is none for them, that is
// nothing new. Then come the pods that are still on leaving nodes.
func (c *Cluster) Room(leaving []string) *Room {
	nodes := c.known()
	r := &Room{
		c: c, nodes: nodes, closed: make([]bool, len(nodes)), leaves: make([]bool, len(nodes)), without: -1, moved: map[*Pod]*node{},
		taken: map[int]*amounts{}, arrivals: map[int][]*Pod{}, suited: map[*shape][]ruleKind{}, from: map[*shape]int{}, later: map[*shape]int{},
		tallies: map[*shape]tally{}, domains: map[string]*domains{}, relations: map[*group]*relations{}, counting: map[*group][]*counter{},
		volumes: newVolumeRules(c),
	}
	for i, n := range nodes {
		r.leaves[i] = slices.Contains(leaving, n.name)
		r.closed[i] = n.closed || r.leaves[i]
	}
	var displaced []*Pod
	for i, n := range nodes {
		if r.leaves[i] {
			displaced = append(displaced, r.evict(n, selectors.AllPods())...)
		}
	}
	for _, p := range hardestFirst(slices.Collect(maps.Keys(c.waiting))) {
		if p.is(moves) && !p.is(gated) && !p.group.expendable() {
			r.place(p)
		}
	}
	if p := r.placeAll(displaced); p != nil {
		r.full = r.why(p)
	}
	r.from, r.later = r.later, map[*shape]int{}
	r.mark = len(r.log)
	return r
}

// Lack says which pod would find no room if the node left in addition to the leaving nodes; empty if all would. The selector is the
// selector of the drain.
func (r *Room) Lack(name string, evicts selectors.Pods) string {
	index, known := slices.BinarySearchFunc(r.nodes, name, func(n *node, name string) int { return strings.Compare(n.name, name) })
	if r.full != "" || !known {
		return r.full
	}
	defer r.undo()
	return r.leave(index, evicts)
}

// leave says what Lack says, and leaves the pods where they find room.
func (r *Room) leave(index int, evicts selectors.Pods) string {
	r.findStarts(r.nodes[index].pods)
	r.findStarts(r.arrivals[index])
	r.without = index
	r.forgetCordons()
	// The pods that it should take go elsewhere; pods that already wait may find no room.
	arrived := slices.Clone(r.arrivals[index])
	for _, p := range arrived {
		r.move(p, nil)
	}
	displaced := r.evict(r.nodes[index], evicts)
	for _, p := range hardestFirst(arrived) {
		if p.home != nil {
			displaced = append(displaced, p)
		} else {
			r.place(p)
		}
	}
	if p := r.placeAll(displaced); p != nil {
		return r.why(p)
	}
	return ""
}

// evict pods from a node, and return those that need room.
func (r *Room) evict(n *node, evicts selectors.Pods) []*Pod {
	var displaced []*Pod
	for _, p := range n.pods {
		if !p.is(moves) || !p.selectedBy(evicts) {
			continue
		}
		r.move(p, nil)
		if !p.group.expendable() {
			displaced = append(displaced, p)
		}
	}
	return displaced
}

// placeAll places pods, and returns one that finds no room. A pod may need to be near another one that comes later, or be placed where it
// would be too many as yet: those that find no room are tried again as long as others do.
func (r *Room) placeAll(pods []*Pod) *Pod {
	left := hardestFirst(pods)
	for len(left) > 0 {
		var again []*Pod
		for _, p := range left {
			if r.place(p) {
				continue
			}
			if again = append(again, p); p.group.free() {
				return p
			}
		}
		if len(again) == len(left) {
			return again[0]
		}
		left = again
	}
	return nil
}

// free: that others are placed gives the pod no room.
func (g *group) free() bool { return len(g.near) == 0 && len(g.spread) == 0 }

// hardestFirst puts first what is bound to few nodes and to other pods, and then what is large.
func hardestFirst(pods []*Pod) []*Pod {
	return slices.SortedFunc(slices.Values(pods), func(a, b *Pod) int {
		return cmp.Or(
			cmp.Compare(b.group.priority, a.group.priority),
			cmp.Compare(hardness(b), hardness(a)),
			cmp.Compare(b.group.needs.cpu, a.group.needs.cpu),
			cmp.Compare(b.group.needs.memory, a.group.needs.memory),
			strings.Compare(a.group.space, b.group.space), strings.Compare(a.name, b.name),
		)
	})
}

func hardness(p *Pod) int {
	hard := 0
	for _, is := range []bool{
		p.group.choosy, p.claims != noText, len(p.group.apart) > 0, len(p.group.spread) > 0, len(p.group.ports) > 0,
	} {
		if is {
			hard++
		}
	}
	return hard
}

// place puts a pod on the first node that takes it.
func (r *Room) place(p *Pod) bool {
	g := p.group
	start, first := r.start(g.shape), true
	for i := start; i < len(r.nodes); i++ {
		if r.roomOn(g.shape, i) != (rule{}) {
			continue
		}
		if first {
			// Room only shrinks while pods are placed, so those before never take one of this shape again.
			r.later[g.shape], first = i, false
		}
		if r.fits(p, i) == (rule{}) {
			r.move(p, r.nodes[i])
			return true
		}
	}
	if first {
		r.later[g.shape] = len(r.nodes)
	}
	return false
}

// start is the first node that may have room for a shape.
func (r *Room) start(s *shape) int {
	if later, known := r.later[s]; known {
		return later
	}
	return r.from[s]
}

// findStarts finds out which is the first node that has room for pods as long as no further node leaves. None before it has room then.
func (r *Room) findStarts(pods []*Pod) {
	for _, p := range pods {
		s := p.group.shape
		if _, known := r.from[s]; known || !p.is(moves) {
			continue
		}
		r.from[s] = len(r.nodes)
		for i := range r.nodes {
			if r.roomOn(s, i) == (rule{}) {
				r.from[s] = i
				break
			}
		}
	}
}

// move a pod to a node, or to none.
func (r *Room) move(p *Pod, to *node) {
	before, had := r.moved[p]
	r.log = append(r.log, move{p, to, before, had})
	r.count(p, r.where(p), -1)
	r.moved[p] = to
	r.count(p, to, 1)
}

// where a pod is; nil is nowhere.
func (r *Room) where(p *Pod) *node {
	if at, moved := r.moved[p]; moved {
		return at
	}
	if p.home == nil || p.home.Node == nil {
		return nil
	}
	return p.home
}

func (r *Room) count(p *Pod, n *node, times int) {
	if n == nil {
		return
	}
	if n != p.home {
		if r.taken[n.index] == nil {
			r.taken[n.index] = &amounts{}
		}
		r.taken[n.index].add(p.group.needs, int64(times))
		if times > 0 {
			r.arrivals[n.index] = append(r.arrivals[n.index], p)
		} else {
			r.arrivals[n.index] = slices.DeleteFunc(r.arrivals[n.index], func(other *Pod) bool { return other == p })
		}
	}
	for _, c := range r.countersOf(p.group) {
		c.note(n.index, times)
	}
}

// undo what was done since the room was made.
func (r *Room) undo() {
	for _, m := range slices.Backward(r.log[r.mark:]) {
		r.count(m.pod, r.where(m.pod), -1)
		if m.had {
			r.moved[m.pod] = m.before
		} else {
			delete(r.moved, m.pod)
		}
		r.count(m.pod, r.where(m.pod), 1)
	}
	r.log, r.without = r.log[:r.mark], -1
	r.forgetCordons()
	clear(r.later)
}
