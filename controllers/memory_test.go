package controllers

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// fatLabels are as many as an object may have: 8,800 of them are 1.1 MB.
func fatLabels() map[string]string {
	labels := make(map[string]string, 8800)
	for i := range 8800 {
		labels[fmt.Sprintf("label-with-a-long-name-to-take-room-%06d", i)] = fmt.Sprintf("%063d", i)
	}
	return labels
}

// large makes strings of a megabyte, each another one.
func large(i int) string { return strings.Repeat("x", 1<<20) + fmt.Sprint(i) }

// fatPods are all the ways in which anyone who may create pods can make them large.
func fatPods() map[string]func(i int) *corev1.Pod {
	pod := func(change func(*corev1.Pod, int)) func(int) *corev1.Pod {
		return func(i int) *corev1.Pod {
			pod := newPod(fmt.Sprintf("p%d", i), labeled("app", "web"))
			change(pod, i)
			return pod
		}
	}
	return map[string]func(int) *corev1.Pod{
		"labels": pod(func(p *corev1.Pod, _ int) { p.Labels = fatLabels() }),
		"many annotations": pod(func(p *corev1.Pod, i int) {
			p.Annotations = map[string]string{}
			for a := range 2600 { // as many as take 256 KiB, which is the limit
				p.Annotations[fmt.Sprintf("annotation-with-a-long-name-to-take-room-%06d", a)] = fmt.Sprintf("%050d", i)
			}
		}),
		"annotations":   pod(func(p *corev1.Pod, i int) { p.Annotations = map[string]string{"a": large(i)} }),
		"a mirror pod":  pod(func(p *corev1.Pod, i int) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: large(i)} }),
		"its owner":     pod(func(p *corev1.Pod, i int) { ownedBy(large(i), "web")(p) }),
		"finalizers":    pod(func(p *corev1.Pod, i int) { p.Finalizers = []string{large(i)} }),
		"generate name": pod(func(p *corev1.Pod, i int) { p.GenerateName = large(i) }),
		"environment": pod(func(p *corev1.Pod, i int) {
			p.Spec.Containers = []corev1.Container{{Name: "c", Env: []corev1.EnvVar{{Name: "A", Value: large(i)}}}}
		}),
		"volumes": pod(func(p *corev1.Pod, _ int) {
			for v := range 8000 {
				p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{
					Name: fmt.Sprintf("%063d", v), VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
				})
			}
		}),
	}
}

// retained is how many bytes the heap grows by when n objects are kept as the cache keeps them.
func retained[T any](t *testing.T, n int, one func(i int) T) int64 {
	t.Helper()
	kept := []any{}
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before := heap()
	for i := range n {
		kept = append(kept, one(i))
	}
	grown := heap() - before
	runtime.KeepAlive(kept)
	return grown
}

func TestPodsOfAnySizeTakeLittleMemory(t *testing.T) {
	const (
		pods  = 60 // on one node
		limit = 2 << 20
	)
	for name, fat := range fatPods() {
		t.Run(name, func(t *testing.T) {
			grown := retained(t, pods, func(i int) *corev1.Pod { return projection.StripPod(fat(i), sets.New("app")) })
			t.Logf("%d pods: %d KiB", pods, grown>>10)
			if grown > limit {
				t.Errorf("%d pods take %d KiB, want less than %d", pods, grown>>10, limit>>10)
			}
		})
	}
}

// What else is written by people who may not touch nodes.
func TestOtherObjectsOfAnySizeTakeLittleMemory(t *testing.T) {
	selector := func(i int) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{large(i)},
		}}}
	}
	meta := func(i int) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: "o", Labels: fatLabels(), Annotations: map[string]string{"a": large(i)}}
	}
	for name, one := range map[string]func(i int) client.Object{
		"PodDisruptionBudget": func(i int) client.Object {
			return projection.StripBudget(&policyv1.PodDisruptionBudget{
				ObjectMeta: meta(i), Spec: policyv1.PodDisruptionBudgetSpec{Selector: selector(i)},
			})
		},
		"Lease": func(i int) client.Object {
			return projection.StripLease(&coordinationv1.Lease{
				ObjectMeta: meta(i), Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To(large(i))},
			})
		},
		"VolumeAttachment": func(i int) client.Object {
			return projection.StripVolumeAttachment(&storagev1.VolumeAttachment{
				ObjectMeta: meta(i), Spec: storagev1.VolumeAttachmentSpec{Attacher: large(i)},
			})
		},
		"NodeMaintenance": func(i int) client.Object {
			object := nodeMaintenance("n1")
			object.SetLabels(fatLabels())
			object.Object["spec"].(map[string]any)["reason"] = large(i)
			stripped, err := CacheOptions(testNamespace).DefaultTransform(object)
			if err != nil {
				t.Fatal(err)
			}
			return stripped.(*unstructured.Unstructured)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if grown := retained(t, 20, one); grown > 1<<20 {
				t.Errorf("20 objects take %d KiB", grown>>10)
			}
		})
	}
}

// What is not known of a pod counts as what has to be waited for.
func TestABudgetMayCoverAPodWhoseLabelsWereCut(t *testing.T) {
	budget := func(name, key string) *policyv1.PodDisruptionBudget {
		return &policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name},
			Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{key: "x"}}},
		}
	}
	w := newWorld(t, budget("cut", "zzz"), budget("other", "app"))
	pod := newPod("fat", labeled("app", "web"))
	for key, value := range fatLabels() {
		pod.Labels[key] = value
	}
	got, err := projectPods(t.Context(), w, &projection.KnownBudgets{}).Project([]*corev1.Pod{projection.StripPod(pod, sets.New("app"))})
	if err != nil {
		t.Fatal(err)
	}
	if keys := got[0].Workloads; len(keys) != 1 || keys[0].Name != "cut" {
		t.Errorf("it belongs to %v, want the budget whose label may have been cut", keys)
	}
}
