// Package selectors has the selectors of the API as functions of what they select. The manager and the helper read them with it, so that
// they never differ about which pods are meant.
package selectors

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Labels reads a selector of labels. Nil selects nothing, an empty one everything, as in the rest of Kubernetes.
func Labels(s *v1alpha1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return labels.Nothing(), nil
	}
	plain := metav1.LabelSelector{MatchLabels: make(map[string]string, len(s.MatchLabels))}
	for key, value := range s.MatchLabels {
		plain.MatchLabels[key] = string(value)
	}
	for i := range s.MatchExpressions {
		expression := &s.MatchExpressions[i]
		values := make([]string, 0, len(expression.Values))
		for _, value := range expression.Values {
			values = append(values, string(value))
		}
		plain.MatchExpressions = append(plain.MatchExpressions,
			metav1.LabelSelectorRequirement{Key: expression.Key, Operator: expression.Operator, Values: values})
	}
	return metav1.LabelSelectorAsSelector(&plain)
}

// Pods selects pods. The zero value selects none.
type Pods struct {
	labels      labels.Selector
	annotations map[string]v1alpha1.AnnotationValue
}

// AllPods selects every pod.
func AllPods() Pods { return Pods{labels: labels.Everything()} }

// ForPods reads a selector of pods. Nil selects none; with an error the result selects none either.
func ForPods(s *v1alpha1.PodSelector) (Pods, error) {
	if s == nil {
		return Pods{}, nil
	}
	selector, err := Labels(&s.LabelSelector)
	if err != nil {
		return Pods{}, err
	}
	return Pods{labels: selector, annotations: s.MatchAnnotations}, nil
}

// ForPodsOrAll is ForPods for a field that means all pods if it is not set.
func ForPodsOrAll(s *v1alpha1.PodSelector) (Pods, error) {
	if s == nil {
		return AllPods(), nil
	}
	return ForPods(s)
}

// Stages reads the selectors of a drain's stages, in their order.
func Stages(stages []v1alpha1.PodSelector) ([]Pods, error) {
	read := make([]Pods, 0, len(stages))
	for i := range stages {
		pods, err := ForPods(&stages[i])
		if err != nil {
			return nil, fmt.Errorf("stage %d: %w", i, err)
		}
		read = append(read, pods)
	}
	return read, nil
}

// Matches says whether a pod with these labels and annotations is selected.
func (p Pods) Matches(podLabels, podAnnotations map[string]string) bool {
	if p.labels == nil || !p.labels.Matches(labels.Set(podLabels)) {
		return false
	}
	for key, want := range p.annotations {
		if value, ok := podAnnotations[key]; !ok || value != string(want) {
			return false
		}
	}
	return true
}

// Keys are those of the labels and annotations that decide whether a pod is selected.
func (p Pods) Keys() (labelKeys, annotationKeys []string) {
	if p.labels != nil {
		requirements, _ := p.labels.Requirements()
		for i := range requirements {
			labelKeys = append(labelKeys, requirements[i].Key())
		}
	}
	return labelKeys, slices.Sorted(maps.Keys(p.annotations))
}

// LabelText is the part about labels as the API server reads it; empty is everything.
func (p Pods) LabelText() string {
	if p.labels == nil {
		return labels.Nothing().String()
	}
	return p.labels.String()
}

// AnnotationText is the part about annotations, for ForAnnotationText: the same text for the same annotations, and empty for none.
func (p Pods) AnnotationText() string {
	if len(p.annotations) == 0 {
		return ""
	}
	text, _ := json.Marshal(p.annotations) // a map of strings always has a text, and its keys are sorted
	return string(text)
}

// ForAnnotationText reads a text that AnnotationText wrote. What is read selects by annotations only. Any other text selects nothing.
func ForAnnotationText(text string) Pods {
	p := AllPods()
	if text == "" {
		return p
	}
	// "null" and "{}" read as no annotations, which would select every pod.
	if err := json.Unmarshal([]byte(text), &p.annotations); err != nil || p.AnnotationText() != text {
		return Pods{}
	}
	return p
}

// Labels is the part about labels.
func (p Pods) Labels() labels.Selector {
	if p.labels == nil {
		return labels.Nothing()
	}
	return p.labels
}

// Annotations is the part about annotations. It must not be changed.
func (p Pods) Annotations() map[string]v1alpha1.AnnotationValue { return p.annotations }

// Annotations are those of a pod that a selector can match: an annotation may be large, and the values in selectors are short.
func Annotations(all map[string]string) map[string]string {
	var kept map[string]string
	for key, value := range all {
		if len(value) > v1alpha1.MaxAnnotationValue {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[key] = value
	}
	return kept
}
