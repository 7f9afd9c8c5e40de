package podlabels

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

func podWith(count, valueSize int) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Labels = map[string]string{"app": "web", "zone": "a"}
	for i := range count {
		pod.Labels[fmt.Sprintf("l%06d", i)] = strings.Repeat("v", valueSize)
	}
	return pod
}

func TestFewLabelsAreKeptAsTheyAre(t *testing.T) {
	for name, pod := range map[string]*corev1.Pod{
		"none": {}, "some": podWith(10, 63), "as many as are kept": podWith(62, 63), "as large as is kept": podWith(40, 190),
	} {
		t.Run(name, func(t *testing.T) {
			to := &corev1.Pod{}
			Copy(to, pod, nil)
			if len(to.Labels) != len(pod.Labels) || to.Annotations[cutLabels] != "" {
				t.Errorf("%d of %d labels are kept, annotations %v", len(to.Labels), len(pod.Labels), to.Annotations)
			}
		})
	}
}

func TestManyLabelsAreCutAndThoseThatAreNamedAreKept(t *testing.T) {
	for name, pod := range map[string]*corev1.Pod{"many": podWith(8800, 63), "one more": podWith(63, 1), "large": podWith(50, 190)} {
		t.Run(name, func(t *testing.T) {
			to := &corev1.Pod{}
			Copy(to, pod, sets.New("zone", "l000049", "missing"))
			size := 0
			for key, value := range to.Labels {
				size += len(key) + len(value)
			}
			if len(to.Labels) > maxCount+2 || size > maxBytes+512 {
				t.Errorf("%d labels of %d bytes are kept", len(to.Labels), size)
			}
			if to.Labels["zone"] != "a" || to.Labels["l000049"] == "" {
				t.Error("labels that are named are cut")
			}
			again := &corev1.Pod{}
			if Copy(again, to, sets.New("zone", "l000049", "missing")); !equality.Semantic.DeepEqual(to, again) {
				t.Errorf("a copy of the copy is another one: %v", again)
			}
			if to.Labels["app"] != "web" {
				t.Error("the first label by key is cut")
			}
		})
	}
}

func TestWhatASelectorSaysOfAPodWhoseLabelsAreCut(t *testing.T) {
	fat := &corev1.Pod{}
	Copy(fat, podWith(8800, 63), sets.New("zone", "missing"))
	for text, want := range map[string]struct{ matches, known bool }{
		"":                       {true, true},
		"app=web":                {true, true},
		"app=db":                 {false, true},
		"zone in (a, b)":         {true, true},
		"zone notin (a)":         {false, true},
		"!zone":                  {false, true},
		"l008000":                {false, false},
		"!l008000":               {false, false},
		"l008000=x,app=web":      {false, false},
		"l008000=x,app=db":       {false, true},
		"l008000!=x":             {false, false},
		"missing":                {false, true},
		"!missing":               {true, true},
		"zone=a,app=web,l000000": {true, true},
	} {
		t.Run(text, func(t *testing.T) {
			selector, err := labels.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if matches, known := Match(selector, fat); matches != want.matches || known != want.known {
				t.Errorf("matches %t, known %t; want %t and %t", matches, known, want.matches, want.known)
			}
		})
	}
	if matches, known := Match(labels.Nothing(), fat); matches || !known {
		t.Error("a selector of nothing may select it")
	}
}

func TestAnnotationsAreCutLikeLabels(t *testing.T) {
	pod := &corev1.Pod{}
	pod.Annotations = map[string]string{"named": "x", "zz": "x", "long": strings.Repeat("x", 300), cutLabels: "forged"}
	for i := range 2000 {
		pod.Annotations[fmt.Sprintf("a%06d", i)] = "v"
	}
	fat := &corev1.Pod{}
	Copy(fat, pod, sets.New("named", "missing"))
	if len(fat.Annotations) > maxCount+3 {
		t.Errorf("%d annotations are kept", len(fat.Annotations))
	}
	again := &corev1.Pod{}
	if Copy(again, fat, sets.New("named", "missing")); !equality.Semantic.DeepEqual(fat, again) {
		t.Errorf("a copy of the copy is another one: %v", again)
	}
	for text, want := range map[string]struct{ matches, known bool }{
		"named=x": {true, true}, "named=y": {false, true}, "missing=x": {false, true}, "zz=x": {false, false}, "a000000=v": {true, true},
	} {
		key, value, _ := strings.Cut(text, "=")
		selector, err := selectors.ForPods(&v1alpha1.PodSelector{
			MatchAnnotations: map[string]v1alpha1.AnnotationValue{key: v1alpha1.AnnotationValue(value)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if matches, known := MatchPod(selector, fat); matches != want.matches || known != want.known {
			t.Errorf("%s matches %t, known %t; want %t and %t", text, matches, known, want.matches, want.known)
		}
	}
}
