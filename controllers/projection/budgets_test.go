package projection

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/internal/podlabels"
)

// randomSelector has all kinds of requirements, about few labels, so that pods and selectors meet.
func randomSelector(random *rand.Rand) *metav1.LabelSelector {
	key := func() string { return fmt.Sprintf("key-%d", random.IntN(3)) }
	value := func() string { return fmt.Sprintf("value-%d", random.IntN(3)) }
	if random.IntN(10) == 0 {
		return nil
	}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for range random.IntN(3) {
		selector.MatchLabels[key()] = value()
	}
	for range random.IntN(3) {
		operators := []metav1.LabelSelectorOperator{
			metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist,
		}
		requirement := metav1.LabelSelectorRequirement{Key: key(), Operator: operators[random.IntN(len(operators))]}
		if requirement.Operator == metav1.LabelSelectorOpIn || requirement.Operator == metav1.LabelSelectorOpNotIn {
			for range 1 + random.IntN(2) {
				requirement.Values = append(requirement.Values, value())
			}
		}
		selector.MatchExpressions = append(selector.MatchExpressions, requirement)
	}
	return selector
}

func TestBudgetsFoundByALabelAreThoseThatCoverThePod(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		var list []policyv1.PodDisruptionBudget
		for i := range 12 {
			list = append(list, policyv1.PodDisruptionBudget{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("budget-%02d", i), UID: types.UID(fmt.Sprint(i))},
				Spec:       policyv1.PodDisruptionBudgetSpec{Selector: randomSelector(random)},
			})
		}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}}}
		for range random.IntN(4) {
			pod.Labels[fmt.Sprintf("key-%d", random.IntN(3))] = fmt.Sprintf("value-%d", random.IntN(3))
		}
		if random.IntN(3) == 0 { // some labels are cut
			fat := pod.DeepCopy()
			for i := range 100 {
				fat.Labels[fmt.Sprintf("a-label-%d", i)] = ""
			}
			pod = &corev1.Pod{}
			podlabels.Copy(pod, fat, sets.New("key-1"))
		}
		var want []string
		for i := range list {
			selector, err := metav1.LabelSelectorAsSelector(list[i].Spec.Selector)
			if err != nil {
				t.Fatal(err)
			}
			if covers, known := podlabels.Match(selector, pod); covers || !known {
				want = append(want, list[i].Name)
			}
		}
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		project := NewPods(&KnownBudgets{}, Lookup{
			Budgets: func(string) ([]policyv1.PodDisruptionBudget, error) { return list, nil },
		})
		projected, err := project.Project([]*corev1.Pod{pod})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, key := range projected[0].Workloads {
			got = append(got, key.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("seed %d: it belongs to %v, want %v", seed, got, want)
		}
	}
}

func TestWhatBudgetsSelectIsReadAgainOnlyIfItChanged(t *testing.T) {
	first := func() []policyv1.PodDisruptionBudget {
		return []policyv1.PodDisruptionBudget{
			{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "1"}, Spec: policyv1.PodDisruptionBudgetSpec{
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			}},
			{ObjectMeta: metav1.ObjectMeta{Name: "b", UID: "2"}},
		}
	}
	for name, tc := range map[string]struct {
		change func([]policyv1.PodDisruptionBudget) []policyv1.PodDisruptionBudget
		same   bool
	}{
		"its status": {func(list []policyv1.PodDisruptionBudget) []policyv1.PodDisruptionBudget {
			list[0].ResourceVersion, list[0].Status.DisruptionsAllowed = "2", 3
			return list
		}, true},
		"their order": {func(list []policyv1.PodDisruptionBudget) []policyv1.PodDisruptionBudget {
			slices.Reverse(list)
			return list
		}, true},
		"its spec": {func(list []policyv1.PodDisruptionBudget) []policyv1.PodDisruptionBudget {
			list[0].Spec.Selector = &metav1.LabelSelector{}
			return list
		}, false},
		"another one of its name": {func(list []policyv1.PodDisruptionBudget) []policyv1.PodDisruptionBudget {
			list[0].UID = "3"
			return list
		}, false},
		"one more": {func(list []policyv1.PodDisruptionBudget) []policyv1.PodDisruptionBudget {
			return append(list, policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "c", UID: "3"}})
		}, false},
		"one less": {func(list []policyv1.PodDisruptionBudget) []policyv1.PodDisruptionBudget { return list[:1] }, false},
		"its name": {func(list []policyv1.PodDisruptionBudget) []policyv1.PodDisruptionBudget {
			list[0].Name = "c"
			return list
		}, false},
		"none of them has a UID": {func(list []policyv1.PodDisruptionBudget) []policyv1.PodDisruptionBudget {
			list[0].UID, list[1].UID = "", ""
			return list
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var known KnownBudgets
			before := known.of("shop", first())
			known.of("other", nil)
			after := known.of("shop", tc.change(first()))
			if same := before == after; same != tc.same {
				t.Errorf("what is known stays: %t, want %t", same, tc.same)
			}
		})
	}
}

func TestNamespacesThatComeAndGoLeaveNothingBehind(t *testing.T) {
	var known KnownBudgets
	list := []policyv1.PodDisruptionBudget{{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "1"}}}
	for i := range 10 * forgotten {
		known.begin()
		stays := known.of("stays", list)
		known.of(fmt.Sprintf("passes-%d", i), list)
		known.of(fmt.Sprintf("empty-%d", i), nil)
		if i > 0 && stays != known.of("stays", list) {
			t.Fatal("a namespace that every projection needs is forgotten")
		}
	}
	if len(known.namespaces) > forgotten+2 {
		t.Errorf("%d namespaces are known", len(known.namespaces))
	}
	known.of("stays", nil)
	if known.namespaces["stays"] != nil {
		t.Error("a namespace without budgets is known")
	}
}
