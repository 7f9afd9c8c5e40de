package selectors_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

type values = map[string]v1alpha1.LabelValue

const safeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict"

func expression(key string, operator metav1.LabelSelectorOperator, values ...v1alpha1.LabelValue) v1alpha1.LabelSelector {
	return v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelRequirement{{Key: key, Operator: operator, Values: values}}}
}

func TestASelectorOfPodsMatchesAllThatIsWritten(t *testing.T) {
	t.Parallel()
	var (
		web        = v1alpha1.LabelSelector{MatchLabels: values{"app": "web"}}
		precious   = map[string]v1alpha1.AnnotationValue{safeToEvict: "false"}
		labeled    = map[string]string{"app": "web", "tier": "front"}
		annotated  = map[string]string{safeToEvict: "false", "x": "y"}
		otherValue = map[string]string{safeToEvict: "true"}
	)
	tests := map[string]struct {
		selector            *v1alpha1.PodSelector
		labels, annotations map[string]string
		want                bool
	}{
		"nothing is written":                {labels: labeled},
		"a label":                           {selector: &v1alpha1.PodSelector{LabelSelector: web}, labels: labeled, want: true},
		"another label":                     {selector: &v1alpha1.PodSelector{LabelSelector: web}, labels: map[string]string{"app": "db"}},
		"no label":                          {selector: &v1alpha1.PodSelector{LabelSelector: web}},
		"one of several values":             {selector: &v1alpha1.PodSelector{LabelSelector: expression("app", "In", "db", "web")}, labels: labeled, want: true},
		"none of several values":            {selector: &v1alpha1.PodSelector{LabelSelector: expression("app", "NotIn", "db", "web")}, labels: labeled},
		"a label that is not set, by NotIn": {selector: &v1alpha1.PodSelector{LabelSelector: expression("job", "NotIn", "x")}, labels: labeled, want: true},
		"a label that exists":               {selector: &v1alpha1.PodSelector{LabelSelector: expression("tier", "Exists")}, labels: labeled, want: true},
		"a label that must not":             {selector: &v1alpha1.PodSelector{LabelSelector: expression("tier", "DoesNotExist")}, labels: labeled},
		"an annotation":                     {selector: &v1alpha1.PodSelector{MatchAnnotations: precious}, annotations: annotated, want: true},
		"an annotation of another value":    {selector: &v1alpha1.PodSelector{MatchAnnotations: precious}, annotations: otherValue},
		"no annotation":                     {selector: &v1alpha1.PodSelector{MatchAnnotations: precious}, labels: labeled},
		"an empty annotation that is not there": {
			selector: &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{"x": ""}},
		},
		"an empty annotation": {
			selector:    &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{"x": ""}},
			annotations: map[string]string{"x": ""}, want: true,
		},
		"one of two annotations": {
			selector:    &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{safeToEvict: "false", "a": "b"}},
			annotations: annotated,
		},
		"both":           {selector: &v1alpha1.PodSelector{LabelSelector: web, MatchAnnotations: precious}, labels: labeled, annotations: annotated, want: true},
		"the label only": {selector: &v1alpha1.PodSelector{LabelSelector: web, MatchAnnotations: precious}, labels: labeled},
		"the annotation only": {
			selector: &v1alpha1.PodSelector{LabelSelector: web, MatchAnnotations: precious}, annotations: annotated,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pods, err := selectors.ForPods(test.selector)
			if err != nil {
				t.Fatal(err)
			}
			if got := pods.Matches(test.labels, test.annotations); got != test.want {
				t.Errorf("matches: %v", got)
			}
		})
	}
}

func TestASelectorThatCannotBeReadSelectsNothing(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]v1alpha1.LabelSelector{
		"an unknown operator":    expression("app", "Inn", "web"),
		"In without values":      expression("app", "In"),
		"Exists with a value":    expression("app", "Exists", "x"),
		"a key that is none":     {MatchLabels: values{"a b": "c"}},
		"a value that is none":   {MatchLabels: values{"a": "b c"}},
		"a value of expressions": expression("app", "In", "b c"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if selector, err := selectors.Labels(&broken); err == nil {
				t.Errorf("read as %v", selector)
			}
			selector := v1alpha1.PodSelector{LabelSelector: broken}
			pods, err := selectors.ForPodsOrAll(&selector)
			if err == nil || pods.Matches(map[string]string{"app": "web"}, nil) {
				t.Errorf("error %v", err)
			}
			if _, err := selectors.Stages([]v1alpha1.PodSelector{selector}); err == nil || !strings.HasPrefix(err.Error(), "stage 0: ") {
				t.Errorf("error %v of the stage", err)
			}
		})
	}
}

func TestWhatIsNotSetSelectsAllOrNothing(t *testing.T) {
	t.Parallel()
	if all, err := selectors.ForPodsOrAll(nil); err != nil || !all.Matches(nil, nil) {
		t.Errorf("no selector does not select all: %v", err)
	}
	if (selectors.Pods{}).Matches(nil, nil) {
		t.Error("the zero value selects a pod")
	}
	if selector, err := selectors.Labels(nil); err != nil || selector.Matches(nil) {
		t.Errorf("no selector of labels selects: %v", err)
	}
}

func TestTheAnnotationsOfASelectorAreAText(t *testing.T) {
	t.Parallel()
	read := func(annotations map[string]v1alpha1.AnnotationValue) selectors.Pods {
		pods, err := selectors.ForPods(&v1alpha1.PodSelector{MatchAnnotations: annotations})
		if err != nil {
			t.Fatal(err)
		}
		return pods
	}
	one := read(map[string]v1alpha1.AnnotationValue{"a": "x=\"\x00", "b": ""})
	if other := read(map[string]v1alpha1.AnnotationValue{"b": "", "a": "x=\"\x00"}); one.AnnotationText() != other.AnnotationText() {
		t.Errorf("the same annotations are %q and %q", one.AnnotationText(), other.AnnotationText())
	}
	again := selectors.ForAnnotationText(one.AnnotationText())
	if !again.Matches(nil, map[string]string{"a": "x=\"\x00", "b": "", "c": ""}) || again.Matches(nil, map[string]string{"a": "x", "b": ""}) {
		t.Errorf("%q is read as another selector", one.AnnotationText())
	}
	if all := read(nil); all.AnnotationText() != "" || !selectors.ForAnnotationText("").Matches(nil, nil) {
		t.Error("no annotations are not an empty text that selects everything")
	}
	if selectors.ForAnnotationText("nonsense").Matches(nil, nil) {
		t.Error("a text that was not written by AnnotationText selects a pod")
	}
}

func TestAnnotationsThatNoSelectorCanMatchAreLeftOut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", v1alpha1.MaxAnnotationValue)
	got := selectors.Annotations(map[string]string{"a": "", "b": long, "c": long + "x"})
	if diff := cmp.Diff(map[string]string{"a": "", "b": long}, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if got := selectors.Annotations(nil); got != nil {
		t.Errorf("made %v of nothing", got)
	}
}

func TestKeysAreThoseThatDecide(t *testing.T) {
	t.Parallel()
	pods, err := selectors.ForPods(&v1alpha1.PodSelector{
		LabelSelector: v1alpha1.LabelSelector{
			MatchLabels:      values{"b": "1"},
			MatchExpressions: expression("a", metav1.LabelSelectorOpExists).MatchExpressions,
		},
		MatchAnnotations: map[string]v1alpha1.AnnotationValue{safeToEvict: "false"},
	})
	if err != nil {
		t.Fatal(err)
	}
	labelKeys, annotationKeys := pods.Keys()
	if diff := cmp.Diff([][]string{{"a", "b"}, {safeToEvict}}, [][]string{labelKeys, annotationKeys}); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if labelKeys, annotationKeys := selectors.AllPods().Keys(); len(labelKeys)+len(annotationKeys) > 0 {
		t.Errorf("all pods are selected by %v and %v", labelKeys, annotationKeys)
	}
}
