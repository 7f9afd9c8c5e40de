package placement

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// volumeRules say which nodes can have the volumes of a pod.
type volumeRules struct {
	c *Cluster
	// selectors are the node affinities of volumes that were met; nil is one that cannot be read.
	selectors map[text]*nodeaffinity.NodeSelector
	// attached are the volumes of the pods of nodes that drivers count, by index.
	attached map[int]map[attachment]bool
}

// attachment is a volume that a driver attaches to a node.
type attachment struct {
	driver text
	handle string
}

func newVolumeRules(c *Cluster) *volumeRules {
	return &volumeRules{c: c, selectors: map[text]*nodeaffinity.NodeSelector{}, attached: map[int]map[attachment]bool{}}
}

func (v *volumeRules) check(r *Room, p *Pod, i int) ruleKind {
	if p.claims == noText {
		return takes
	}
	lasting, own := p.volumeClaims()
	for _, name := range lasting {
		volume := v.volumeOf(p, name)
		if volume != nil && (!v.reaches(volume, r.nodes[i].Node) || !inZone(volume, r.nodes[i].Node)) {
			return volumeElsewhere
		}
	}
	if !v.attachable(r, p, i, lasting, own) {
		return noAttachment
	}
	return takes
}

// volumeOf a claim; nil if it is not bound.
func (v *volumeRules) volumeOf(p *Pod, claim string) *Volume {
	known := v.c.claims[Named{p.group.space, claim}]
	if known == nil {
		return nil
	}
	return v.c.volumes[known.volume]
}

// reaches: the node is one that the volume's node affinity selects.
func (v *volumeRules) reaches(volume *Volume, n *Node) bool {
	if volume.affinity == noText {
		return true
	}
	selector, known := v.selectors[volume.affinity]
	if !known {
		var required corev1.NodeSelector
		if required.Unmarshal([]byte(volume.affinity.Value())) == nil {
			selector, _ = nodeaffinity.NewNodeSelector(&required) // nil with an error, and then no node matches
		}
		v.selectors[volume.affinity] = selector
	}
	return selector != nil && selector.Match(n.object())
}

// inZone: the labels of the volume say that it is where the node is, or the node does not say where it is.
func inZone(volume *Volume, n *Node) bool {
	if volume.zones == noText || !slices.ContainsFunc(zoneLabels, func(key string) bool { _, has := n.labels[key]; return has }) {
		return true
	}
	for key, values := range labelText(volume.zones.Value()).set() {
		value, has := n.labels[key]
		if !has {
			value, has = n.labels[newer[key]]
		}
		if !has || !slices.Contains(strings.Split(values, "__"), value) {
			return false
		}
	}
	return true
}

// newer labels for old ones.
var newer = map[string]string{
	corev1.LabelFailureDomainBetaZone: corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaRegion: corev1.LabelTopologyRegion,
}

// attachable: as many more volumes can be attached to the node as the pod brings.
func (v *volumeRules) attachable(r *Room, p *Pod, i int, lasting, own []string) bool {
	limits := v.c.limits[r.nodes[i].name]
	if limits == nil || len(limits.drivers) == 0 {
		return true
	}
	there := v.attachedTo(r, i)
	count := func(driver text) int {
		n := 0
		for a := range there {
			if a.driver == driver {
				n++
			}
		}
		return n
	}
	brings := map[attachment]bool{}
	v.add(brings, p, lasting)
	for a := range brings {
		if there[a] {
			delete(brings, a)
		}
	}
	v.add(brings, p, own) // The new pod's are new.
	needs := map[text]int{}
	for a := range brings {
		needs[a.driver]++
	}
	for driver, need := range needs {
		if limit, limited := limits.drivers[driver]; limited && count(driver)+need > limit {
			return false
		}
	}
	return true
}

// attachedTo a node, or soon will be.
func (v *volumeRules) attachedTo(r *Room, i int) map[attachment]bool {
	there := v.attached[i]
	if there == nil {
		there = map[attachment]bool{}
		for _, p := range r.nodes[i].pods {
			lasting, own := p.volumeClaims()
			v.add(there, p, lasting)
			v.add(there, p, own)
		}
		v.attached[i] = there
	}
	if len(r.arrivals[i]) == 0 {
		return there
	}
	all := make(map[attachment]bool, len(there))
	for a := range there {
		all[a] = true
	}
	for _, p := range r.arrivals[i] {
		lasting, own := p.volumeClaims()
		v.add(all, p, lasting)
		v.add(all, p, own)
	}
	return all
}

// add the volumes of claims that a driver counts.
func (v *volumeRules) add(to map[attachment]bool, p *Pod, claims []string) {
	for _, name := range claims {
		if volume := v.volumeOf(p, name); volume != nil && volume.handle != "" {
			to[attachment{volume.driver, volume.handle}] = true
		}
	}
}
