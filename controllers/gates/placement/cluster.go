package placement

import (
	"slices"
	"strings"
	"unique"
)

// Cluster is what counts of the nodes, pods and volumes of a cluster. It is changed by one object at a time, and what a change costs does
// not depend on how many objects there are.
type Cluster struct {
	nodes map[text]*node
	// order has all nodes that there are, by name; nil is that it has to be made again.
	order []*node
	pods  map[podKey]*Pod
	// groups are the kinds of pods that there are, and spaces the same by namespace.
	groups map[unique.Handle[kind]]*group
	spaces map[text]map[*group]struct{}
	// apart are those whose pods keep others away from them.
	apart  map[*group]struct{}
	shapes map[text]*sharedShape
	// waiting are the pods without a node.
	waiting map[*Pod]struct{}

	namespaces map[string]*Namespace
	claims     map[Named]*Claim
	volumes    map[string]*Volume
	limits     map[string]*Limits
}

type podKey struct {
	namespace text
	name      string
}

// node is a node with its pods. One that is not known has no Node: its pods came first, or stay behind.
type node struct {
	*Node
	name  string
	index int
	pods  []*Pod
	// used is what its pods have requested, and expendable the part of it that gives way.
	used, expendable amounts
}

// group is all pods of a kind.
type group struct {
	kind   unique.Handle[kind]
	labels labelText
	space  string
	*shape
	pods []*Pod
}

type sharedShape struct {
	*shape
	groups int
}

// NewCluster has nothing in it.
func NewCluster() *Cluster {
	return &Cluster{
		nodes: map[text]*node{}, pods: map[podKey]*Pod{}, groups: map[unique.Handle[kind]]*group{}, spaces: map[text]map[*group]struct{}{},
		apart: map[*group]struct{}{}, shapes: map[text]*sharedShape{}, waiting: map[*Pod]struct{}{},
		namespaces: map[string]*Namespace{}, claims: map[Named]*Claim{}, volumes: map[string]*Volume{}, limits: map[string]*Limits{},
	}
}

// SetNode adds a node or replaces what is known of it.
func (c *Cluster) SetNode(n *Node) {
	known := c.nodeOf(unique.Make(n.Name))
	if known.Node == nil {
		c.order = nil
	}
	known.Node = n
}

// DeleteNode forgets a node. Its pods go one by one.
func (c *Cluster) DeleteNode(_, name string) {
	if n := c.nodes[unique.Make(name)]; n != nil {
		n.Node, c.order = nil, nil
		c.dropUnknown(n)
	}
}

// ReplaceNodes forgets all nodes but these.
func (c *Cluster) ReplaceNodes(all []*Node) {
	c.order = nil
	for _, n := range c.nodes {
		n.Node = nil
	}
	for _, n := range all {
		c.SetNode(n)
	}
	for _, n := range c.nodes {
		c.dropUnknown(n)
	}
}

func (c *Cluster) nodeOf(name text) *node {
	n := c.nodes[name]
	if n == nil {
		n = &node{name: name.Value()}
		c.nodes[name] = n
	}
	return n
}

func (c *Cluster) dropUnknown(n *node) {
	if n.Node == nil && len(n.pods) == 0 {
		delete(c.nodes, unique.Make(n.name))
	}
}

// known nodes in their order.
func (c *Cluster) known() []*node {
	if c.order == nil {
		c.order = make([]*node, 0, len(c.nodes))
		for _, n := range c.nodes {
			if n.index = -1; n.Node != nil {
				c.order = append(c.order, n)
			}
		}
		slices.SortFunc(c.order, func(a, b *node) int { return strings.Compare(a.name, b.name) })
		for i, n := range c.order {
			n.index = i
		}
	}
	return c.order
}

// SetPod adds a pod or replaces what is known of it.
func (c *Cluster) SetPod(p *Pod) {
	key := podKey{p.kind.Value().namespace, p.name}
	last := c.pods[key]
	switch {
	case last == p:
		return
	case p.is(ended):
		c.remove(key)
		return
	case last != nil && last.kind == p.kind && last.node == p.node:
		// Most changes are of a kind that does not count, or only of a state.
		last.state, last.annotations, last.claims = p.state, p.annotations, p.claims
		return
	}
	c.remove(key)
	c.pods[key] = p
	p.group = c.groupOf(p.kind)
	p.inGroup = int32(len(p.group.pods))
	p.group.pods = append(p.group.pods, p)
	if p.node == noText {
		c.waiting[p] = struct{}{}
		return
	}
	p.home = c.nodeOf(p.node)
	p.inHome = int32(len(p.home.pods))
	p.home.pods = append(p.home.pods, p)
	p.home.count(p.group.shape, 1)
}

var noText = unique.Make("")

func (n *node) count(s *shape, times int64) {
	n.used.add(s.needs, times)
	if s.expendable() {
		n.expendable.add(s.needs, times)
	}
}

// DeletePod forgets a pod.
func (c *Cluster) DeletePod(namespace, name string) { c.remove(podKey{unique.Make(namespace), name}) }

// ReplacePods forgets all pods but these.
func (c *Cluster) ReplacePods(all []*Pod) {
	there := make(map[podKey]struct{}, len(all))
	for _, p := range all {
		there[podKey{p.kind.Value().namespace, p.name}] = struct{}{}
	}
	for key := range c.pods {
		if _, is := there[key]; !is {
			c.remove(key)
		}
	}
	for _, p := range all {
		c.SetPod(p)
	}
}

func (c *Cluster) remove(key podKey) {
	p := c.pods[key]
	if p == nil {
		return
	}
	delete(c.pods, key)
	delete(c.waiting, p)
	g := p.group
	last := g.pods[len(g.pods)-1]
	g.pods[p.inGroup], last.inGroup = last, p.inGroup
	g.pods[len(g.pods)-1] = nil
	g.pods = g.pods[:len(g.pods)-1]
	if n := p.home; n != nil {
		last := n.pods[len(n.pods)-1]
		n.pods[p.inHome], last.inHome = last, p.inHome
		n.pods[len(n.pods)-1] = nil
		n.pods = n.pods[:len(n.pods)-1]
		n.count(g.shape, -1)
		c.dropUnknown(n)
	}
	c.dropEmpty(g)
	p.group, p.home = nil, nil
}

func (c *Cluster) groupOf(k unique.Handle[kind]) *group {
	g := c.groups[k]
	if g != nil {
		return g
	}
	of := k.Value()
	s := c.shapes[of.shape]
	if s == nil {
		s = &sharedShape{shape: newShape(of.shape.Value())}
		c.shapes[of.shape] = s
	}
	s.groups++
	g = &group{kind: k, labels: labelText(of.labels.Value()), space: of.namespace.Value(), shape: s.shape}
	c.groups[k] = g
	if c.spaces[of.namespace] == nil {
		c.spaces[of.namespace] = map[*group]struct{}{}
	}
	c.spaces[of.namespace][g] = struct{}{}
	if len(g.apart) > 0 {
		c.apart[g] = struct{}{}
	}
	return g
}

func (c *Cluster) dropEmpty(g *group) {
	if len(g.pods) > 0 {
		return
	}
	of := g.kind.Value()
	delete(c.groups, g.kind)
	delete(c.apart, g)
	delete(c.spaces[of.namespace], g)
	if len(c.spaces[of.namespace]) == 0 {
		delete(c.spaces, of.namespace)
	}
	if s := c.shapes[of.shape]; s.groups == 1 {
		delete(c.shapes, of.shape)
	} else {
		s.groups--
	}
}

// SetNamespace adds a namespace or replaces what is known of it.
func (c *Cluster) SetNamespace(n *Namespace) { c.namespaces[n.Name] = n }

// DeleteNamespace forgets a namespace.
func (c *Cluster) DeleteNamespace(_, name string) { delete(c.namespaces, name) }

// ReplaceNamespaces forgets all namespaces but these.
func (c *Cluster) ReplaceNamespaces(all []*Namespace) {
	clear(c.namespaces)
	for _, n := range all {
		c.SetNamespace(n)
	}
}

// SetClaim adds a claim or replaces what is known of it.
func (c *Cluster) SetClaim(claim *Claim) { c.claims[claim.Named] = claim }

// DeleteClaim forgets a claim.
func (c *Cluster) DeleteClaim(namespace, name string) { delete(c.claims, Named{namespace, name}) }

// ReplaceClaims forgets all claims but these.
func (c *Cluster) ReplaceClaims(all []*Claim) {
	clear(c.claims)
	for _, claim := range all {
		c.SetClaim(claim)
	}
}

// SetVolume adds a volume or replaces what is known of it.
func (c *Cluster) SetVolume(v *Volume) { c.volumes[v.Name] = v }

// DeleteVolume forgets a volume.
func (c *Cluster) DeleteVolume(_, name string) { delete(c.volumes, name) }

// ReplaceVolumes forgets all volumes but these.
func (c *Cluster) ReplaceVolumes(all []*Volume) {
	clear(c.volumes)
	for _, v := range all {
		c.SetVolume(v)
	}
}

// SetLimits adds the limits of a node or replaces what is known of them.
func (c *Cluster) SetLimits(l *Limits) { c.limits[l.Name] = l }

// DeleteLimits forgets the limits of a node.
func (c *Cluster) DeleteLimits(_, name string) { delete(c.limits, name) }

// ReplaceLimits forgets all limits but these.
func (c *Cluster) ReplaceLimits(all []*Limits) {
	clear(c.limits)
	for _, l := range all {
		c.SetLimits(l)
	}
}
