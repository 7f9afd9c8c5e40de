package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes/fake"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/reboot-operator/reboot-operator/internal/podlabels"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/fatpods"
)

// listedPods can list pods and cannot stream the first list.
type listedPods struct{ typedcorev1.CoreV1Interface }

// IsWatchListSemanticsUnSupported is what client-go asks.
func (listedPods) IsWatchListSemanticsUnSupported() bool { return true }

// A policy that changes may select by a label that was cut off while nothing looked at it.
func TestPodsAreReadAgainWhenAnotherOfTheirLabelsMatters(t *testing.T) {
	fat := newPod("fat", labeled("zz-first", "x"), labeled("zz-second", "x"), func(p *corev1.Pod) { p.Spec.NodeName = "n1" })
	for key, value := range fatLabels() {
		fat.Labels[key] = value
	}
	client := listedPods{fake.NewClientset(fat).CoreV1()}
	p := newNodePods(client)
	p.ctx, p.changed = t.Context(), func() {}
	p.listPods = fatpods.Lister(client)
	list := func(keys ...string) *corev1.Pod {
		t.Helper()
		p.nameKeys(sets.New(keys...))
		if err := p.watch(t.Context(), []string{"n1"}); err != nil {
			t.Fatal(err)
		}
		pods, known := p.list("n1")
		if !known || len(pods) != 1 {
			t.Fatalf("%d pods, known: %t; want the one of the node", len(pods), known)
		}
		return pods[0]
	}
	is := func(pod *corev1.Pod, text string) bool {
		selector, err := metav1.ParseToLabelSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		var parsed labels.Selector
		if parsed, err = metav1.LabelSelectorAsSelector(selector); err != nil {
			t.Fatal(err)
		}
		matches, known := podlabels.Match(parsed, pod)
		return matches && known
	}
	before := list("zz-first")
	if !is(before, "zz-first=x") || is(before, "zz-second=x") {
		t.Errorf("labels are %v", before.Labels)
	}
	if again := list("zz-first"); again != before {
		t.Error("the pods were read again although nothing else matters")
	}
	if after := list("zz-second"); !is(after, "zz-second=x") {
		t.Error("the label that matters now is not there")
	}
}

// What a server sends first are all pods of a node, in one piece or one at a time. The manager watches many nodes.
func TestTheFatPodsOfANodeAreNotHeldAllAtOnce(t *testing.T) {
	const limit = 16 // MiB
	for name, server := range map[string]*fatpods.Server{
		"of a server that streams lists":           {Streams: true},
		"of a server that sends them in one piece": {},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := typedcorev1.NewForConfig(server.Start(t))
			if err != nil {
				t.Fatal(err)
			}
			p := newNodePods(client)
			p.ctx, p.changed = t.Context(), func() {}
			peak, strip := fatpods.NewPeak(), p.strip
			p.strip = func(pod *corev1.Pod, named sets.Set[string]) *corev1.Pod {
				peak.Measure()
				return strip(pod, named)
			}
			await.True(t, "the pods are known", func() bool {
				_ = p.watch(t.Context(), []string{"n1"}) // A busy machine takes longer than a pass waits.
				pods, known := p.list("n1")
				return known && len(pods) == fatpods.Pods
			})
			t.Logf("%d MiB, %d lists", peak.MiB(), server.Listed.Load())
			if peak.MiB() > limit {
				t.Errorf("the pods of one node take %d MiB, want at most %d", peak.MiB(), limit)
			}
		})
	}
}

// An API server says once a second which of the streams that begin with all pods are complete. A slot that is free would wait for that
// before the next order.
func TestThePodsOfANodeAreListedAndNotAwaitedFromAStream(t *testing.T) {
	server := &fatpods.Server{Streams: true}
	client, err := typedcorev1.NewForConfig(server.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	p := newNodePods(client)
	p.ctx, p.changed = t.Context(), func() {}
	await.True(t, "the pods are known", func() bool {
		_ = p.watch(t.Context(), []string{"n1"}) // A busy machine takes longer than a pass waits.
		_, known := p.list("n1")
		return known
	})
	got := []int32{server.Streamed.Load(), server.Listed.Load(), server.Latest.Load()}
	if diff := cmp.Diff([]int32{0, 1, 1}, got); diff != "" {
		t.Errorf("streams, lists, and those of the latest state in one piece (-want +got):\n%s", diff)
	}
}

// The kubelet writes the statuses of pods all the time, and a hundred nodes may be watched.
func TestAPodAsksForAPassOnlyWhenAPlanCouldSeeTheChange(t *testing.T) {
	now := metav1.NewTime(testNow)
	for name, test := range map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"it is ready":            {func(p *corev1.Pod) { ready(corev1.ConditionTrue, testNow)(p) }, true},
		"it ends":                {func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, true},
		"it is deleted":          {func(p *corev1.Pod) { p.DeletionTimestamp = &now }, true},
		"a container runs":       {func(p *corev1.Pod) { p.Status.ContainerStatuses = running("containerd://another") }, true},
		"it has a label":         {func(p *corev1.Pod) { labeled("app", "web")(p) }, true},
		"it has an owner":        {func(p *corev1.Pod) { ownedBy("StatefulSet", "db")(p) }, true},
		"it is another one":      {func(p *corev1.Pod) { p.UID = "another" }, true},
		"a message":              {func(p *corev1.Pod) { p.Status.Message = "text" }, false},
		"a container that waits": {func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: 7}} }, false},
		"only its version":       {func(*corev1.Pod) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := newPod("p"), newPod("p")
			before.ResourceVersion, after.ResourceVersion = "1", "2"
			test.change(after)
			if got := podChanged(stripPod(before, alwaysNamed), stripPod(after, alwaysNamed)); got != test.want {
				t.Errorf("changed: %t", got)
			}
		})
	}
	if !podChanged(nil, newPod("p")) {
		t.Error("what is no pod did not change")
	}
}
