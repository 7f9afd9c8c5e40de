package helper

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// fatPods are all the ways in which anyone who may create pods can make them large.
func fatPods() map[string]podOption {
	large := func() string { return strings.Repeat("x", 1<<20) }
	return map[string]podOption{
		"labels": func(p *corev1.Pod) {
			p.Labels = map[string]string{}
			for i := range 8800 {
				p.Labels[fmt.Sprintf("label-with-a-long-name-to-take-room-%06d", i)] = fmt.Sprintf("%063d", i)
			}
		},
		"many annotations": func(p *corev1.Pod) {
			p.Annotations = map[string]string{}
			for i := range 2600 {
				p.Annotations[fmt.Sprintf("annotation-with-a-long-name-to-take-room-%06d", i)] = fmt.Sprintf("%050d", i)
			}
		},
		"annotations":   func(p *corev1.Pod) { p.Annotations = map[string]string{"a": large()} },
		"a mirror pod":  func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: large()} },
		"its owner":     func(p *corev1.Pod) { ownedBy(large(), "web")(p) },
		"generate name": func(p *corev1.Pod) { p.GenerateName = large() },
		"finalizers": func(p *corev1.Pod) {
			for i := range 8000 {
				p.Finalizers = append(p.Finalizers, fmt.Sprintf("example.com/%0100d", i))
			}
		},
		"managed fields": func(p *corev1.Pod) {
			p.ManagedFields = []metav1.ManagedFieldsEntry{{FieldsV1: metav1.NewFieldsV1(large())}}
		},
		"environment": func(p *corev1.Pod) {
			p.Spec.Containers = []corev1.Container{{Name: "c", Env: []corev1.EnvVar{{Name: "A", Value: large()}}}}
		},
	}
}

func TestADrainOfPodsOfAnySizeTakesLittleMemory(t *testing.T) {
	const (
		pods  = 60
		limit = 2 << 20
	)
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	for name, fat := range fatPods() {
		t.Run(name, func(t *testing.T) {
			d, err := newDrain(drainOptions{amendment: amendment{order: v1alpha1.DrainOrder{Selector: selector.Of("app=web")}}})
			if err != nil {
				t.Fatal(err)
			}
			before := heap()
			for i := range pods {
				if err := d.mirror.Add(newPod(fmt.Sprintf("p%d", i), fat)); err != nil {
					t.Fatal(err)
				}
			}
			grown := heap() - before
			runtime.KeepAlive(d)
			t.Logf("%d pods: %d KiB", pods, grown>>10)
			if grown > limit {
				t.Errorf("%d pods take %d KiB, want less than %d", pods, grown>>10, limit>>10)
			}
		})
	}
}

// A first list goes through the transformer and then into the mirror.
func TestWhatIsKeptOfAPodStaysTheSame(t *testing.T) {
	for name, fat := range fatPods() {
		t.Run(name, func(t *testing.T) {
			order := v1alpha1.DrainOrder{Selector: selector.Of("app=web"), Stages: selector.List("tier")}
			d, err := newDrain(drainOptions{amendment: amendment{order: order}})
			if err != nil {
				t.Fatal(err)
			}
			once, err := d.mirror.Transformer()(newPod("p", fat, isDraining))
			if err != nil {
				t.Fatal(err)
			}
			twice := d.mirror.keep(once.(*corev1.Pod))
			if diff := cmp.Diff(once, twice); diff != "" {
				t.Errorf("once (-) and twice (+):\n%s", diff)
			}
		})
	}
}

func TestWhateverTheOrderLooksAtIsKeptOfAPod(t *testing.T) {
	order := v1alpha1.DrainOrder{
		Selector: selector.Of("app=web"), Stages: selector.List("tier", "rank"),
		Leave: v1alpha1.PodsOfNamespace{Namespace: "system", Selector: *selector.Of("manager")},
	}
	d, err := newDrain(drainOptions{amendment: amendment{order: order}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"app", "manager", "pod-template-hash", "rank", "tier"}
	if diff := cmp.Diff(want, sets.List(d.filter.keys())); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func isDraining(p *corev1.Pod) {
	terminating(testNow)(p)
	p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
}

// An order that is changed looks at labels that were cut: then it is not known whether the pod has to go.
func TestAPodOfWhichALabelWasCutHoldsUpTheDrainThatLooksAtIt(t *testing.T) {
	d, err := newDrain(drainOptions{amendment: amendment{order: v1alpha1.DrainOrder{Selector: selector.Of("zz-first")}}})
	if err != nil {
		t.Fatal(err)
	}
	pod := newPod("fat", fatPods()["labels"])
	pod.Labels["zz-first"], pod.Labels["zz-second"] = "x", "x"
	kept := d.mirror.keep(pod)
	for text, want := range map[string]struct{ goes, unknown bool }{
		"zz-first": {goes: true}, "zz-first=y": {}, "zz-second": {unknown: true}, "zz-second,zz-first=y": {},
	} {
		filter, err := newPodFilter(&v1alpha1.DrainOrder{Selector: selector.Of(text)})
		if err != nil {
			t.Fatal(err)
		}
		goes, err := filter.mustGo(t.Context(), newFakePods(), kept, testNow)
		if goes != want.goes || (err != nil) != want.unknown {
			t.Errorf("selected by %s it goes: %t, %v", text, goes, err)
		}
	}
}

func TestOfALongNameWholeCharactersAreKept(t *testing.T) {
	text := strings.Repeat("x", maxText-1)
	for long, want := range map[string]string{text + "xy": text + "x", text + "é": text, text: text} {
		if got := beginning(long); got != want {
			t.Errorf("of %q is kept %q, want %q", long, got, want)
		}
	}
}
