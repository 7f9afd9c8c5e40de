package gates

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
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
	// labels are those that a drain looks at.
	labels labels.Set
	// tolerations and affinity say which nodes take the pods.
	tolerations []corev1.Toleration
	affinity    nodeaffinity.RequiredNodeAffinity
	// unplaceable: what says which nodes take the pods is too large to be kept.
	unplaceable bool
}

// podClasses are all classes that were met, by what they are made of.
type podClasses struct {
	keys    sets.Set[string]
	classes map[string]*podClass
	// texts are those that many pods have in common.
	texts map[string]string
}

func newPodClasses(keys sets.Set[string]) *podClasses {
	return &podClasses{keys: keys, classes: map[string]*podClass{}, texts: map[string]string{}}
}

// identity is what a class is made of.
type identity struct {
	Needs       amounts
	Labels      map[string]string
	Selector    map[string]string
	Affinity    *corev1.NodeSelector
	Tolerations []corev1.Toleration
	Unplaceable bool
}

// of a pod: what is kept of it.
func (c *podClasses) of(pod *corev1.Pod, needs amounts) (*movingPod, error) {
	id := identity{Needs: needs, Labels: map[string]string{}, Selector: pod.Spec.NodeSelector, Tolerations: pod.Spec.Tolerations}
	for key := range c.keys {
		if value, has := pod.Labels[key]; has {
			id.Labels[key] = value
		}
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
		needs: id.Needs, labels: id.Labels, tolerations: id.Tolerations, unplaceable: id.Unplaceable,
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
