// Package selector writes selectors of pods for tests as kubectl does: app=web, tier!=cache, job.
package selector

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

var operators = map[selection.Operator]metav1.LabelSelectorOperator{
	selection.Equals: metav1.LabelSelectorOpIn, selection.DoubleEquals: metav1.LabelSelectorOpIn, selection.In: metav1.LabelSelectorOpIn,
	selection.NotEquals: metav1.LabelSelectorOpNotIn, selection.NotIn: metav1.LabelSelectorOpNotIn,
	selection.Exists: metav1.LabelSelectorOpExists, selection.DoesNotExist: metav1.LabelSelectorOpDoesNotExist,
}

// Of is the selector that the text means. A text that means nothing becomes a selector with an operator that there is not.
func Of(text string) *v1alpha1.PodSelector {
	selector := &v1alpha1.PodSelector{}
	parsed, err := labels.Parse(text)
	if err != nil {
		selector.MatchExpressions = []v1alpha1.LabelRequirement{{Key: "broken", Operator: metav1.LabelSelectorOperator(text)}}
		return selector
	}
	requirements, _ := parsed.Requirements()
	for i := range requirements {
		r := v1alpha1.LabelRequirement{Key: requirements[i].Key(), Operator: operators[requirements[i].Operator()]}
		for _, value := range requirements[i].Values().List() {
			r.Values = append(r.Values, v1alpha1.LabelValue(value))
		}
		selector.MatchExpressions = append(selector.MatchExpressions, r)
	}
	return selector
}

// Stages are the stages of a drain with these selectors.
func Stages(texts ...string) []v1alpha1.DrainStage {
	stages := make([]v1alpha1.DrainStage, 0, len(texts))
	for _, text := range texts {
		stages = append(stages, v1alpha1.DrainStage{Selector: Of(text)})
	}
	return stages
}

// List is the selectors of the texts.
func List(texts ...string) []v1alpha1.PodSelector {
	list := make([]v1alpha1.PodSelector, 0, len(texts))
	for _, text := range texts {
		list = append(list, *Of(text))
	}
	return list
}
