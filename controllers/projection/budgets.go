package projection

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/internal/podlabels"
)

// KnownBudgets keeps what PodDisruptionBudgets select from one pass to the next. Their status changes with each eviction, and their
// selectors hardly ever do.
type KnownBudgets struct {
	namespaces map[string]*namespaceBudgets
}

// namespaceBudgets are the PodDisruptionBudgets of a namespace. They are never changed.
type namespaceBudgets struct {
	// versions are those of all objects by UID, also of those with a selector that cannot be read.
	versions map[types.UID]budgetVersion
	// all budgets by name.
	all []budgetSelector
	// byLabel has the places in all of those that require a label, and others the places of those that require none. Each is in one of both.
	byLabel map[podLabel][]int
	others  []int
}

// budgetVersion tells a budget from what it was before. The API server counts the generation up with each change of the spec.
type budgetVersion struct {
	name       string
	generation int64
}

// budgetSelector is a PodDisruptionBudget and which pods it covers.
type budgetSelector struct {
	name     string
	selector labels.Selector
}

type podLabel struct{ key, value string }

// of a namespace with these objects: those that are known, if nothing about any selector changed.
func (k *KnownBudgets) of(namespace string, list []policyv1.PodDisruptionBudget) *namespaceBudgets {
	if known := k.namespaces[namespace]; known.are(list) {
		return known
	}
	if k.namespaces == nil {
		k.namespaces = map[string]*namespaceBudgets{}
	}
	k.namespaces[namespace] = newNamespaceBudgets(list)
	return k.namespaces[namespace]
}

func (b *namespaceBudgets) are(list []policyv1.PodDisruptionBudget) bool {
	return b != nil && len(list) == len(b.versions) && !slices.ContainsFunc(list, func(budget policyv1.PodDisruptionBudget) bool {
		return budget.UID == "" || b.versions[budget.UID] != versionOf(&budget)
	})
}

func versionOf(budget *policyv1.PodDisruptionBudget) budgetVersion {
	return budgetVersion{budget.Name, budget.Generation}
}

func newNamespaceBudgets(list []policyv1.PodDisruptionBudget) *namespaceBudgets {
	b := &namespaceBudgets{versions: make(map[types.UID]budgetVersion, len(list)), byLabel: map[podLabel][]int{}}
	for i := range list {
		b.versions[list[i].UID] = versionOf(&list[i])
		// In policy/v1 an empty selector covers every pod and a missing one none, which is what the conversion makes of them.
		selector, err := metav1.LabelSelectorAsSelector(list[i].Spec.Selector)
		if err != nil {
			// The API server validates selectors; one that cannot be read covers no pod for the eviction API either.
			continue
		}
		b.all = append(b.all, budgetSelector{name: list[i].Name, selector: selector})
	}
	slices.SortFunc(b.all, func(a, b budgetSelector) int { return cmp.Compare(a.name, b.name) })
	for i := range b.all {
		if label, requires := required(b.all[i].selector); requires {
			b.byLabel[label] = append(b.byLabel[label], i)
		} else {
			b.others = append(b.others, i)
		}
	}
	return b
}

// required is a label that all pods have which a selector selects, if it requires one.
func required(selector labels.Selector) (podLabel, bool) {
	requirements, selectable := selector.Requirements()
	for i := range requirements {
		switch requirement := &requirements[i]; requirement.Operator() {
		case selection.Equals, selection.DoubleEquals, selection.In:
			if values := requirement.ValuesUnsorted(); selectable && len(values) == 1 {
				return podLabel{requirement.Key(), values[0]}, true
			}
		}
	}
	return podLabel{}, false
}

// mayCover are the budgets that can cover a pod with its labels, by name. Of a pod without some of its labels that may be any.
func (b *namespaceBudgets) mayCover(pod *corev1.Pod) []budgetSelector {
	if podlabels.AreCut(pod) {
		return b.all
	}
	places := slices.Clone(b.others)
	for key, value := range pod.Labels {
		places = append(places, b.byLabel[podLabel{key, value}]...)
	}
	slices.Sort(places)
	covers := make([]budgetSelector, len(places))
	for i, place := range places {
		covers[i] = b.all[place]
	}
	return covers
}
