package helper

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	kubectldrain "k8s.io/kubectl/pkg/drain"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// existing is a podAPI that knows DaemonSets only.
type existing struct {
	podAPI
	daemonSets map[string]bool
}

func (e existing) DaemonSetExists(_ context.Context, _, name string) (bool, error) {
	return e.daemonSets[name], nil
}

// kubectl drain says what a drain is. Its package is too large to run on every node, so what the helper has instead must agree with it.
func TestADrainRemovesThePodsThatKubectlDrainRemoves(t *testing.T) {
	const podSelector = "tier!=keep"
	random := rand.New(rand.NewPCG(1, 2))
	api := existing{daemonSets: map[string]bool{"agent": true}}
	objects := []runtime.Object{&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "agent", UID: "agent"}}}
	var pods []*corev1.Pod
	for i := range 1500 {
		pods = append(pods, randomPod(random, fmt.Sprintf("pod-%d", i)))
		objects = append(objects, pods[i])
	}
	kubectl := kubectldrain.Helper{
		Ctx: t.Context(), Client: fake.NewClientset(objects...), Force: true, IgnoreAllDaemonSets: true, DeleteEmptyDirData: true,
		GracePeriodSeconds: -1, PodSelector: podSelector, Out: io.Discard, ErrOut: io.Discard,
	}
	list, errs := kubectl.GetPodsForDeletion("n1")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var want []string
	for _, pod := range list.Pods() {
		if pod.Labels["tier"] != "keep" { // the fake API server does not filter
			want = append(want, pod.Name)
		}
	}
	filter, err := newPodFilter(&v1alpha1.DrainOrder{Selector: selector.Of(podSelector)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, pod := range pods {
		goes, err := filter.mustGo(t.Context(), api, pod, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if goes {
			got = append(got, pod.Name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(got) == 0 || len(got) == len(pods) {
		t.Fatalf("%d of %d pods go: the pods are too much alike", len(got), len(pods))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pods to remove (-kubectl drain +helper):\n%s", diff)
	}
}

// Without --force and --delete-emptydir-data kubectl drain refuses pods that the policy can refuse. Those that are going already are no
// reason for a refusal here.
func TestADrainRefusesThePodsThatKubectlDrainRefuses(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	api := existing{daemonSets: map[string]bool{"agent": true}}
	objects := []runtime.Object{&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "agent", UID: "agent"}}}
	var pods []*corev1.Pod
	for i := range 1500 {
		pods = append(pods, randomPod(random, fmt.Sprintf("pod-%d", i)))
		objects = append(objects, pods[i])
	}
	for name, test := range map[string]struct {
		order   v1alpha1.DrainOrder
		kubectl kubectldrain.Helper
	}{
		"unmanaged": {v1alpha1.DrainOrder{Unmanaged: v1alpha1.UnmanagedRefuse}, kubectldrain.Helper{DeleteEmptyDirData: true}},
		"emptyDir":  {v1alpha1.DrainOrder{EmptyDir: v1alpha1.EmptyDirRefuse}, kubectldrain.Helper{Force: true}},
	} {
		t.Run(name, func(t *testing.T) {
			kubectl := test.kubectl
			kubectl.Ctx, kubectl.Client, kubectl.IgnoreAllDaemonSets = t.Context(), fake.NewClientset(objects...), true
			kubectl.GracePeriodSeconds, kubectl.Out, kubectl.ErrOut = -1, io.Discard, io.Discard
			_, errs := kubectl.GetPodsForDeletion("n1")
			refused := regexp.MustCompile(`default/(pod-[0-9]+)`).FindAllStringSubmatch(fmt.Sprint(errs), -1)
			var want, got []string
			for _, match := range refused {
				want = append(want, match[1])
			}
			filter, err := newPodFilter(&test.order)
			if err != nil {
				t.Fatal(err)
			}
			for _, pod := range pods {
				_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey] // of a DaemonSet there is none
				if pod.DeletionTimestamp != nil || mirror {
					want = slices.DeleteFunc(want, func(name string) bool { return name == pod.Name })
					continue
				}
				goes, err := filter.mustGo(t.Context(), api, pod, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				if goes && forbidden(&test.order, pod) != "" {
					got = append(got, pod.Name)
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if len(got) < 50 {
				t.Fatalf("only %d pods are refused", len(got))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("refused pods (-kubectl drain +helper):\n%s", diff)
			}
		})
	}
}

// randomPod has any combination of what the filters of a drain look at.
func randomPod(random *rand.Rand, name string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{}}}
	pod.Spec.NodeName = "n1"
	pod.Status.Phase = []corev1.PodPhase{corev1.PodRunning, corev1.PodPending, corev1.PodSucceeded, corev1.PodFailed}[random.IntN(4)]
	if random.IntN(4) == 0 {
		pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	}
	if random.IntN(4) == 0 {
		pod.Labels["tier"] = "keep"
	}
	if random.IntN(3) == 0 {
		pod.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	}
	if random.IntN(5) == 0 {
		pod.DeletionTimestamp, pod.Finalizers = &metav1.Time{Time: time.Unix(1e9, 0)}, []string{"x/y"}
	}
	owners := []*metav1.OwnerReference{
		nil,
		{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "agent", UID: "agent", Controller: ptr.To(true)},
		{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "gone", UID: "gone", Controller: ptr.To(true)},
		{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web", Controller: ptr.To(true)},
		{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "agent", UID: "agent"},
	}
	if owner := owners[random.IntN(len(owners))]; owner != nil {
		pod.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	return pod
}
