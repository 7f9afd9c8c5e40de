package gates

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// maxPlacement is how many bytes of a pod may say which nodes take it. One with more finds no room.
const maxPlacement = 32 << 10

// movingPod is a pod that needs room. There are as many of them as pods in the cluster, so what most pods of a workload have in common is
// kept once.
type movingPod struct {
	*podClass
	namespace, name string
}

// podClass is what matters of pods that are alike.
type podClass struct {
	needs amounts
	// labels and annotations are those that a drain looks at.
	labels, annotations map[string]string
	// tolerations and affinity say which nodes take the pods.
	tolerations []corev1.Toleration
	affinity    nodeaffinity.RequiredNodeAffinity
	// unplaceable: what says which nodes take the pods is too large to be kept.
	unplaceable bool
}

// podKeys are those of the labels and annotations that drains look at.
type podKeys struct{ labels, annotations sets.Set[string] }

func newPodKeys() podKeys { return podKeys{sets.New[string](), sets.New[string]()} }

// add those that decide what is selected.
func (k podKeys) add(selected selectors.Pods) {
	labelKeys, annotationKeys := selected.Keys()
	k.labels.Insert(labelKeys...)
	k.annotations.Insert(annotationKeys...)
}

// have says whether others are all among them.
func (k podKeys) have(others podKeys) bool {
	return k.labels.IsSuperset(others.labels) && k.annotations.IsSuperset(others.annotations)
}

// only these keys of all.
func only(keys sets.Set[string], all map[string]string) map[string]string {
	some := map[string]string{}
	for key := range keys {
		if value, has := all[key]; has {
			some[key] = value
		}
	}
	return some
}

// podClasses are all classes that were met, by what they are made of.
type podClasses struct {
	keys    podKeys
	classes map[string]*podClass
	// texts are those that many pods have in common.
	texts map[string]string
}

func newPodClasses(keys podKeys) *podClasses {
	return &podClasses{keys: keys, classes: map[string]*podClass{}, texts: map[string]string{}}
}

// identity is what a class is made of.
type identity struct {
	Needs       amounts
	Labels      map[string]string
	Annotations map[string]string
	Selector    map[string]string
	Affinity    *corev1.NodeSelector
	Tolerations []corev1.Toleration
	Unplaceable bool
}

// of a pod: what is kept of it.
func (c *podClasses) of(pod *corev1.Pod, needs amounts) (*movingPod, error) {
	id := identity{
		Needs: needs, Labels: only(c.keys.labels, pod.Labels),
		Annotations: only(c.keys.annotations, selectors.Annotations(pod.Annotations)),
		Selector:    pod.Spec.NodeSelector, Tolerations: pod.Spec.Tolerations,
	}
	if affinity := pod.Spec.Affinity; affinity != nil && affinity.NodeAffinity != nil {
		id.Affinity = affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	text, err := json.Marshal(id)
	if err == nil && len(text) > maxPlacement {
		id.Selector, id.Affinity, id.Tolerations, id.Unplaceable = nil, nil, nil, true
		text, err = json.Marshal(id)
	}
	if err != nil {
		return nil, fmt.Errorf("tell pod %s/%s from others: %w", pod.Namespace, pod.Name, err)
	}
	class := c.classes[string(text)]
	if class == nil {
		class = newPodClass(&id)
		c.classes[string(text)] = class
	}
	return &movingPod{podClass: class, namespace: c.text(pod.Namespace), name: pod.Name}, nil
}

func newPodClass(id *identity) *podClass {
	placed := &corev1.Pod{Spec: corev1.PodSpec{NodeSelector: id.Selector}}
	if id.Affinity != nil {
		placed.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: id.Affinity}}
	}
	return &podClass{
		needs: id.Needs, labels: id.Labels, annotations: id.Annotations, tolerations: id.Tolerations, unplaceable: id.Unplaceable,
		affinity: nodeaffinity.GetRequiredNodeAffinity(placed),
	}
}

// text returns one copy of equal texts.
func (c *podClasses) text(s string) string {
	if known, is := c.texts[s]; is {
		return known
	}
	c.texts[s] = s
	return s
}
