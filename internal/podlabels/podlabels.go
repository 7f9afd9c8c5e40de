// Package podlabels bounds how much memory the labels and annotations of a pod take. A pod may have more than a megabyte of them, written
// by anyone who may create pods, and almost none are ever used.
package podlabels

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

const (
	// maxCount and maxBytes are how many labels are kept of any pod, and how many bytes of keys and values, besides those that are named. The
	// same is true for annotations.
	maxCount = 64
	maxBytes = 8 << 10
	// cutLabels and cutAnnotations mark a pod of which some were cut, and have the keys that were named. They are never written to the API
	// server.
	cutLabels      = "reboot-operator.io/labels-cut"
	cutAnnotations = "reboot-operator.io/annotations-cut"
)

// Copy gives a pod the labels of another one, and those annotations that a selector can match: all if they are few, otherwise those that
// are named and as many of the others as there is room for, the first by key. Then the pod is marked as cut. A copy of a copy is the same
// again.
func Copy(to, from *corev1.Pod, named sets.Set[string]) {
	var cut bool
	if to.Labels, cut = few(from.Labels, named); cut {
		mark(to, cutLabels, named)
	}
	matchable := selectors.Annotations(from.Annotations)
	marks := map[string]string{}
	for _, key := range []string{cutLabels, cutAnnotations} {
		if value, is := from.Annotations[key]; is {
			marks[key] = value
		}
		delete(matchable, key)
	}
	kept, cut := few(matchable, named)
	for key, value := range kept {
		metav1.SetMetaDataAnnotation(&to.ObjectMeta, key, value)
	}
	if cut {
		mark(to, cutAnnotations, named)
	}
	for key, value := range marks {
		if _, is := to.Annotations[key]; !is {
			metav1.SetMetaDataAnnotation(&to.ObjectMeta, key, value)
		}
	}
}

// OnlyNamed is a copy of a pod without the annotations that are not named, but for the mark of mirror pods. It is marked as cut. A copy of
// a copy for the same names is the same again.
func OnlyNamed(pod *corev1.Pod, named sets.Set[string]) *corev1.Pod {
	kept, cut := map[string]string{}, false
	for key, value := range pod.Annotations {
		switch {
		case named.Has(key), key == cutLabels, key == cutAnnotations, key == corev1.MirrorPodAnnotationKey:
			kept[key] = value
		case key != corev1.LastAppliedConfigAnnotation:
			cut = true
		}
	}
	copied := *pod
	copied.Annotations = kept
	if _, before := kept[cutAnnotations]; cut && !before {
		mark(&copied, cutAnnotations, named)
	}
	return &copied
}

// AnnotationIsCut says that a pod may have had an annotation that is no longer known.
func AnnotationIsCut(pod *corev1.Pod, key string) bool {
	named, cut := pod.Annotations[cutAnnotations]
	_, kept := pod.Annotations[key]
	return cut && !kept && !slices.Contains(strings.Split(named, ","), key)
}

func mark(pod *corev1.Pod, key string, named sets.Set[string]) {
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, key, strings.Join(sets.List(named), ","))
}

// few returns what is kept, and whether something is cut.
func few(all map[string]string, named sets.Set[string]) (kept map[string]string, cut bool) {
	size := 0
	for key, value := range all {
		size += len(key) + len(value)
	}
	if len(all) <= maxCount && size <= maxBytes {
		return all, false
	}
	kept, size = make(map[string]string, maxCount), 0
	others := 0
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := all[key]
		if size += len(key) + len(value); others == maxCount || size > maxBytes {
			break
		}
		if !named.Has(key) {
			kept[key] = value
			others++
		}
	}
	for key := range named {
		if value, is := all[key]; is {
			kept[key] = value
		}
	}
	return kept, true
}

// AreCut says that the pod may have had labels that are no longer known.
func AreCut(pod *corev1.Pod) bool {
	_, cut := pod.Annotations[cutLabels]
	return cut
}

// Match says whether a selector of labels selects a pod that was made with Copy. It is not known if that depends on labels that were cut.
func Match(selector labels.Selector, pod *corev1.Pod) (matches, known bool) {
	named, cut := pod.Annotations[cutLabels]
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

// MatchPod is Match for a selector of pods, which may look at annotations as well.
func MatchPod(selector selectors.Pods, pod *corev1.Pod) (matches, known bool) {
	matches, known = Match(selector.Labels(), pod)
	if known && !matches {
		return false, true
	}
	named, cut := pod.Annotations[cutAnnotations]
	looked := strings.Split(named, ",")
	for key, want := range selector.Annotations() {
		value, kept := pod.Annotations[key]
		if !kept && cut && !slices.Contains(looked, key) {
			known = false
		} else if !kept || value != string(want) {
			return false, true
		}
	}
	return known, known
}
