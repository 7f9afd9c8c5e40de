package projection

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/internal/podlabels"
)

// KnownBudgets keeps what PodDisruptionBudgets select from one pass to the next. Their status changes with each eviction, and their
// selectors hardly ever do.
type KnownBudgets struct {
	namespaces map[string]*knownNamespace
	// projections were made so far.
	projections uint64
}

// knownNamespace is a namespace with budgets, and the last projection that needed it.
type knownNamespace struct {
	budgets *namespaceBudgets
	used    uint64
}

// forgotten is after how many projections that did not need it a namespace is forgotten.
const forgotten = 100

// namespaceBudgets are the PodDisruptionBudgets of a namespace. They are never changed.
type namespaceBudgets struct {
	// read are the selectors of all objects by UID, also those that cannot be parsed.
	read map[types.UID]readSelector
	// all budgets by name.
	all []budgetSelector
	// byLabel holds the indexes into all of budgets that require a label, others the indexes of the rest. Each budget is in exactly one of
	// the two.
	byLabel map[podLabel][]int
	others  []int
}

type readSelector struct {
	name     string
	selector *metav1.LabelSelector
}

// budgetSelector is a PodDisruptionBudget and which pods it covers.
type budgetSelector struct {
	name     string
	selector labels.Selector
}

type podLabel struct{ key, value string }

// noBudgets are those of a namespace without any.
var noBudgets = &namespaceBudgets{}

// begin another projection, and forget namespaces that none has needed for a while.
func (k *KnownBudgets) begin() {
	k.projections++
	maps.DeleteFunc(k.namespaces, func(_ string, known *knownNamespace) bool { return k.projections-known.used > forgotten })
}

// of a namespace with these objects: those that are known, if no selector changed.
func (k *KnownBudgets) of(namespace string, list []policyv1.PodDisruptionBudget) *namespaceBudgets {
	if len(list) == 0 {
		delete(k.namespaces, namespace)
		return noBudgets
	}
	if k.namespaces == nil {
		k.namespaces = map[string]*knownNamespace{}
	}
	known := k.namespaces[namespace]
	if known == nil || !known.budgets.are(list) {
		known = &knownNamespace{budgets: newNamespaceBudgets(list)}
		k.namespaces[namespace] = known
	}
	known.used = k.projections
	return known.budgets
}

func (b *namespaceBudgets) are(list []policyv1.PodDisruptionBudget) bool {
	if len(list) != len(b.read) {
		return false
	}
	for i := range list {
		read, known := b.read[list[i].UID]
		if !known || read.name != list[i].Name || !equality.Semantic.DeepEqual(read.selector, list[i].Spec.Selector) {
			return false
		}
	}
	return true
}

func newNamespaceBudgets(list []policyv1.PodDisruptionBudget) *namespaceBudgets {
	b := &namespaceBudgets{read: make(map[types.UID]readSelector, len(list)), byLabel: map[podLabel][]int{}}
	for i := range list {
		b.read[list[i].UID] = readSelector{list[i].Name, list[i].Spec.Selector}
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

// required is a label that every selected pod must have, if there is one.
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

// mayCover are the budgets that can cover a pod with its labels, by name. For a pod whose labels were cut, it is all of them.
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
