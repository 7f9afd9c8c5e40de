package placement

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// amounts of resources: thousandths of CPUs, bytes of memory and of ephemeral storage, numbers of pods, and whole units of everything else.
type amounts struct {
	cpu, memory, storage, pods int64
	// other is nil where nothing else is requested or offered.
	other map[corev1.ResourceName]int64
}

func amountsOf(list corev1.ResourceList) amounts {
	var a amounts
	for name, quantity := range list {
		switch name {
		case corev1.ResourceCPU:
			a.cpu = quantity.MilliValue()
		case corev1.ResourceMemory:
			a.memory = quantity.Value()
		case corev1.ResourceEphemeralStorage:
			a.storage = quantity.Value()
		case corev1.ResourcePods:
			a.pods = quantity.Value()
		default:
			if a.other == nil {
				a.other = map[corev1.ResourceName]int64{}
			}
			a.other[name] = quantity.Value()
		}
	}
	return a
}

// add so many times b.
func (a *amounts) add(b amounts, times int64) {
	a.cpu += times * b.cpu
	a.memory += times * b.memory
	a.storage += times * b.storage
	a.pods += times * b.pods
	for name, amount := range b.other {
		if a.other == nil {
			a.other = map[corev1.ResourceName]int64{}
		}
		if a.other[name] += times * amount; a.other[name] == 0 {
			delete(a.other, name)
		}
	}
}

// short names the first resource of which less is free than a pod needs; empty if there is enough of all. Resources that the pod does not
// request do not count, such as on an overcommitted node.
func (n *node) short(taken *amounts, needs amounts, withExpendable bool) corev1.ResourceName {
	var more, expendable amounts
	if taken != nil {
		more = *taken
	}
	if withExpendable {
		expendable = n.expendable
	}
	lacks := func(offered, used, gone, more, need int64) bool { return need > 0 && offered-used+gone-more < need }
	switch {
	case lacks(n.offers.cpu, n.used.cpu, expendable.cpu, more.cpu, needs.cpu):
		return corev1.ResourceCPU
	case lacks(n.offers.memory, n.used.memory, expendable.memory, more.memory, needs.memory):
		return corev1.ResourceMemory
	case lacks(n.offers.storage, n.used.storage, expendable.storage, more.storage, needs.storage):
		return corev1.ResourceEphemeralStorage
	case lacks(n.offers.pods, n.used.pods, expendable.pods, more.pods, needs.pods):
		return corev1.ResourcePods
	case len(needs.other) == 0:
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(needs.other)) {
		if lacks(n.offers.other[name], n.used.other[name], expendable.other[name], more.other[name], needs.other[name]) {
			return name
		}
	}
	return ""
}

// text of the amount of one resource.
func (a amounts) text(name corev1.ResourceName) string {
	switch name {
	case corev1.ResourceCPU:
		return resource.NewMilliQuantity(a.cpu, resource.DecimalSI).String()
	case corev1.ResourceMemory:
		return resource.NewQuantity(a.memory, resource.BinarySI).String()
	case corev1.ResourceEphemeralStorage:
		return resource.NewQuantity(a.storage, resource.BinarySI).String()
	case corev1.ResourcePods:
		return resource.NewQuantity(a.pods, resource.DecimalSI).String()
	}
	return resource.NewQuantity(a.other[name], resource.DecimalSI).String()
}
