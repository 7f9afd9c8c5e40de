package placement

import (
	corev1 "k8s.io/api/core/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

// rule is why a node does not take a pod; the zero value is that it does.
type rule struct {
	kind ruleKind
	// resource is the resource of which there is too little.
	resource corev1.ResourceName
}

// ruleKind is one rule of the scheduler, in the order in which they are looked at.
type ruleKind uint8

const (
	takes ruleKind = iota
	// isClosed: it leaves, is cordoned or not Ready.
	isClosed
	isUnreadable
	hasTaint
	notSelected
	tooLittle
	portInUse
	volumeElsewhere
	noAttachment
	othersApart
	apartFromOthers
	notNear
	uneven
)

// roomOn says whether a node has room for a shape, whatever pods run there.
func (r *Room) roomOn(s *shape, i int) rule {
	if r.closed[i] || i == r.without {
		return rule{kind: isClosed}
	}
	if unsuited := r.suits(s, i); unsuited != takes {
		return rule{kind: unsuited}
	}
	if resource := r.nodes[i].short(r.taken[i], s.needs, s.preemptsExpendable()); resource != "" {
		return rule{tooLittle, resource}
	}
	return rule{}
}

// preemptsExpendable: the pod takes the room of expendable ones. One that has to be near others does not, because they may be among those.
func (s *shape) preemptsExpendable() bool { return s.preempts && !s.expendable() && len(s.near) == 0 }

// suits says whether a node has what the pod selects, and no taint that it does not tolerate.
func (r *Room) suits(s *shape, i int) ruleKind {
	switch {
	case s.unreadable:
		return isUnreadable
	case !s.choosy && len(r.nodes[i].taints) == 0:
		return takes
	}
	const unknown = ^ruleKind(0)
	known := r.suited[s]
	if known == nil {
		known = make([]ruleKind, len(r.nodes))
		for j := range known {
			known[j] = unknown
		}
		r.suited[s] = known
	}
	if known[i] == unknown {
		known[i] = s.suitsNode(r.nodes[i].Node)
	}
	return known[i]
}

func (s *shape) suitsNode(n *Node) ruleKind {
	switch {
	case !s.tolerates(n):
		return hasTaint
	case !s.selects(n):
		return notSelected
	}
	return takes
}

func (s *shape) tolerates(n *Node) bool {
	if len(n.taints) == 0 {
		return true
	}
	_, untolerated := corev1helpers.FindMatchingUntoleratedTaint(klog.Logger{}, n.taints, s.tolerations, nil, false)
	return !untolerated
}

func (s *shape) selects(n *Node) bool {
	if !s.choosy {
		return true
	}
	matches, err := s.affinity.Match(n.object())
	return err == nil && matches
}

// fits says whether a node that has room for the shape of a pod takes it besides the pods that run there and elsewhere.
func (r *Room) fits(p *Pod, i int) rule {
	for _, wanted := range p.group.ports {
		if r.inUse(wanted, i) {
			return rule{kind: portInUse}
		}
	}
	if kind := r.volumes.check(r, p, i); kind != takes {
		return rule{kind: kind}
	}
	return rule{kind: r.relationsOf(p.group).check(i)}
}

func (r *Room) inUse(wanted port, i int) bool {
	for _, pods := range [][]*Pod{r.nodes[i].pods, r.arrivals[i]} {
		for _, p := range pods {
			for _, used := range p.group.ports {
				if wanted.conflicts(used) {
					return true
				}
			}
		}
	}
	return false
}
