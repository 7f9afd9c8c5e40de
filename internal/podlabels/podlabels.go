// Package podlabels bounds how much memory the labels of a pod take. A pod may have more than a megabyte of them, whoever may create pods
// writes them, and next to none are ever looked at.
package podlabels

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
)

const (
	// maxCount and maxBytes are how many labels are kept of any pod, and how many bytes of keys and values, besides those that are named.
	maxCount = 64
	maxBytes = 8 << 10
	// cutAnnotation marks a pod whose labels were cut, and has the keys that were named. It is never written to the API server.
	cutAnnotation = "reboot-operator.io/labels-cut"
)

// Copy gives a pod the labels of another one: all of them if they are few, else those that are named and as many of the others as there is
// room for, the first by key. Then the pod is marked as one whose labels are cut. A copy of a copy is the same again.
func Copy(to, from *corev1.Pod, named sets.Set[string]) {
	if few(from.Labels) {
		to.Labels = from.Labels
		if mark, cut := from.Annotations[cutAnnotation]; cut {
			metav1.SetMetaDataAnnotation(&to.ObjectMeta, cutAnnotation, mark)
		}
		return
	}
	kept, size := make(map[string]string, maxCount), 0
	for key := range named {
		if value, is := from.Labels[key]; is {
			kept[key] = value
		}
	}
	others := 0
	for _, key := range slices.Sorted(maps.Keys(from.Labels)) {
		value := from.Labels[key]
		if size += len(key) + len(value); others == maxCount || size > maxBytes {
			break
		}
		if !named.Has(key) {
			kept[key] = value
			others++
		}
	}
	to.Labels = kept
	metav1.SetMetaDataAnnotation(&to.ObjectMeta, cutAnnotation, strings.Join(sets.List(named), ","))
}

func few(all map[string]string) bool {
	if len(all) > maxCount {
		return false
	}
	size := 0
	for key, value := range all {
		size += len(key) + len(value)
	}
	return size <= maxBytes
}

// Match says whether a selector selects a pod that was made with Copy. It is not known if that depends on labels that were cut.
func Match(selector labels.Selector, pod *corev1.Pod) (matches, known bool) {
	named, cut := pod.Annotations[cutAnnotation]
	requirements, selectable := selector.Requirements()
	if !cut || !selectable {
		return selector.Matches(labels.Set(pod.Labels)), true
	}
	looked := strings.Split(named, ",")
	known = true
	for i := range requirements {
		key := requirements[i].Key()
		if _, kept := pod.Labels[key]; !kept && !slices.Contains(looked, key) {
			known = false
		} else if !requirements[i].Matches(labels.Set(pod.Labels)) {
			return false, true
		}
	}
	return known, known
}

// Keys are those that selectors look at.
func Keys(selectors ...labels.Selector) sets.Set[string] {
	keys := sets.New[string]()
	for _, selector := range selectors {
		requirements, _ := selector.Requirements()
		for i := range requirements {
			keys.Insert(requirements[i].Key())
		}
	}
	return keys
}
