package controllers

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes/fake"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
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

// timedPods are those of no node yet.
func timedPods(t *testing.T) (p *nodePods, clock *clocktesting.FakeClock) {
	t.Helper()
	client := listedPods{fake.NewClientset().CoreV1()}
	p, clock = newNodePods(client), clocktesting.NewFakeClock(testNow)
	p.ctx, p.changed, p.clock, p.listPods = t.Context(), func() {}, clock, fatpods.Lister(client)
	return p, clock
}

func (p *nodePods) mustWatch(t *testing.T, nodes ...string) {
	t.Helper()
	if err := p.watch(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
}

// lateClock has timers that have fired, and whose functions have not run yet.
type lateClock struct {
	*clocktesting.FakeClock
	fired []func()
}

type lateTimer struct{ clock.Timer }

func (c *lateClock) AfterFunc(_ time.Duration, f func()) clock.Timer {
	c.fired = append(c.fired, f)
	return lateTimer{}
}

func (lateTimer) Stop() bool { return false }

func TestAWatchIsOpenedAgainIfItIsNeededWhileItEnds(t *testing.T) {
	p, fake := timedPods(t)
	late := &lateClock{FakeClock: fake}
	p.clock = late
	p.mustWatch(t, "n1")
	p.keep(nil)
	p.mustWatch(t, "n1")
	for _, end := range late.fired {
		end()
	}
	if err := p.watches["n1"].ctx.Err(); err != nil {
		t.Errorf("a watch that is needed has ended: %v", err)
	}
}

// Each plan that compares nodes needs their pods, and the plans between two of those do not.
func TestTheWatchOfANodeThatIsNeededAgainSoonIsNotOpenedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		between func(p *nodePods, clock *clocktesting.FakeClock)
		again   bool
	}{
		"it stays needed": {between: func(p *nodePods, clock *clocktesting.FakeClock) {
			p.keep(sets.New("n1"))
			clock.Step(time.Hour)
		}},
		"a moment later": {between: func(p *nodePods, clock *clocktesting.FakeClock) {
			p.keep(nil)
			clock.Step(lingering - time.Second)
		}},
		"a moment later, twice": {between: func(p *nodePods, clock *clocktesting.FakeClock) {
			for range 2 {
				p.keep(nil)
				clock.Step(lingering - time.Second)
				_ = p.watch(p.ctx, []string{"n1"})
			}
			clock.Step(time.Hour)
		}},
		"after a while": {again: true, between: func(p *nodePods, clock *clocktesting.FakeClock) {
			p.keep(nil)
			p.keep(nil)
			clock.Step(lingering)
		}},
		"with others that are not needed": {again: true, between: func(p *nodePods, _ *clocktesting.FakeClock) {
			p.keep(nil)
			for i := range maxLingering {
				_ = p.watch(p.ctx, []string{fmt.Sprint("other-", i)})
				p.keep(nil)
			}
		}},
		"when another label matters": {again: true, between: func(p *nodePods, _ *clocktesting.FakeClock) {
			p.keep(nil)
			p.nameKeys(sets.New("another"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p, clock := timedPods(t)
			p.mustWatch(t, "n1")
			first := p.watches["n1"]
			test.between(p, clock)
			p.mustWatch(t, "n1")
			if again := p.watches["n1"] != first; again != test.again || p.watches["n1"].ctx.Err() != nil || first.ctx.Err() != nil != again {
				t.Errorf("opened again: %t, want %t; the first one ended: %t", again, test.again, first.ctx.Err() != nil)
			}
			p.keep(nil)
			p.keep(nil)
			if len(p.watches) > maxLingering || len(p.unneeded) != len(p.watches) {
				t.Errorf("%d watches, %d of which no plan needs", len(p.watches), len(p.unneeded))
			}
			clock.Step(lingering)
			p.keep(nil)
			if len(p.watches)+len(p.unneeded) > 0 {
				t.Errorf("%d watches go on for good", len(p.watches))
			}
		})
	}
}

// What is read ahead is there when it is needed, ends if it is not, and asks for no pass.
func TestPodsThatAreReadAheadAreThereWhenTheyAreNeeded(t *testing.T) {
	pod := newPod("p", func(p *corev1.Pod) { p.Spec.NodeName = "n1" })
	client := listedPods{fake.NewClientset(pod).CoreV1()}
	p, clock := timedPods(t)
	var asked atomic.Bool
	p.client, p.listPods, p.changed = client, fatpods.Lister(client), func() { asked.Store(true) }
	p.ahead([]string{"n1", "n2"})
	first := p.watches["n1"]
	await.True(t, "the pods are read", func() bool { _, known := p.list("n1"); return known })
	clock.Step(lingering - time.Second)
	p.ahead([]string{"n1"})
	p.keep(nil)
	clock.Step(lingering - time.Second)
	if second := p.watches["n2"]; first.ctx.Err() != nil || second.ctx.Err() == nil {
		t.Errorf("ended: n1: %t, n2: %t", first.ctx.Err() != nil, second.ctx.Err() != nil)
	}
	p.mustWatch(t, "n1")
	pods, known := p.list("n1")
	if p.watches["n1"] != first || !known || len(pods) != 1 || asked.Load() {
		t.Errorf("read again: %t, %d pods, known: %t, asked for a pass: %t", p.watches["n1"] != first, len(pods), known, asked.Load())
	}
	p.keep(nil)
	clock.Step(lingering)
	p.keep(nil)
	if len(p.watches)+len(p.unneeded) > 0 {
		t.Errorf("%d watches go on for good", len(p.watches))
	}
}

func TestAWatchThatIsDroppedLeavesNoTimer(t *testing.T) {
	p, clock := timedPods(t)
	p.ahead([]string{"n1"})
	w := p.watches["n1"]
	p.drop("n1")
	if clock.HasWaiters() || w.ctx.Err() == nil {
		t.Errorf("a timer goes on: %t, the watch: %t", clock.HasWaiters(), w.ctx.Err() == nil)
	}
}

func TestAWatchThatReadsAheadIsNeverNeeded(t *testing.T) {
	clientset := fake.NewClientset(newPod("p", func(p *corev1.Pod) { p.Spec.NodeName = "n1" }))
	client := listedPods{clientset.CoreV1()}
	p, _ := timedPods(t)
	var asked atomic.Bool
	p.client, p.listPods, p.changed = client, fatpods.Lister(client), func() { asked.Store(true) }
	p.open("n1", false)
	await.True(t, "the pods are read", func() bool { _, known := p.list("n1"); return known })
	if asked.Load() || p.watches["n1"].needed.Load() {
		t.Error("a watch that reads ahead asks for a pass")
	}
	p.linger("n1")
	p.open("n1", false)
	if p.watches["n1"].needed.Load() {
		t.Error("it is needed when it is prolonged")
	}
}

func TestAWatchThatNoPlanNeedsAsksForNoPassAndIsUpToDate(t *testing.T) {
	pod := newPod("p", func(p *corev1.Pod) { p.Spec.NodeName = "n1" })
	clientset := fake.NewClientset(pod)
	p, _ := timedPods(t)
	client := listedPods{clientset.CoreV1()}
	passes := make(chan struct{}, 100)
	p.client, p.listPods, p.changed = client, fatpods.Lister(client), func() { passes <- struct{}{} }
	label := func(text string) {
		t.Helper()
		pod.Labels = map[string]string{"app": text}
		if _, err := clientset.CoreV1().Pods(pod.Namespace).Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		await.True(t, "the change is seen", func() bool {
			pods, known := p.list("n1")
			return known && len(pods) == 1 && pods[0].Labels["app"] == text
		})
	}
	p.mustWatch(t, "n1")
	await.Receive(t, "the first pod asks for a pass", passes)
	p.keep(nil)
	label("one")
	label("two") // by now the first change was handled
	if len(passes) > 0 {
		t.Error("a change on a node that no plan looks at asks for a pass")
	}
	p.mustWatch(t, "n1")
	label("three")
	await.Receive(t, "a change asks for a pass", passes)
}

func TestAChangeThatNoPlanSeesAsksForNoPass(t *testing.T) {
	pod := newPod("p", func(p *corev1.Pod) { p.Spec.NodeName = "n1" })
	clientset := fake.NewClientset(pod)
	p, _ := timedPods(t)
	client := listedPods{clientset.CoreV1()}
	var watch atomic.Pointer[nodePodWatch]
	passes := make(chan string, 100)
	p.client, p.listPods = client, fatpods.Lister(client)
	p.changed = func() { // with what is known at that moment
		if w := watch.Load(); w != nil {
			for _, object := range w.store.List() {
				if pod, is := object.(*corev1.Pod); is {
					passes <- pod.Labels["app"]
				}
			}
		}
	}
	p.mustWatch(t, "n1")
	update := func(change func()) {
		t.Helper()
		change()
		if _, err := clientset.CoreV1().Pods(pod.Namespace).Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	watch.Store(p.watches["n1"])
	update(func() { pod.Labels = map[string]string{"app": "one"} })
	for label := ""; label != "one"; { // the first pod may ask for a pass as well
		label = await.Receive(t, "a change asks for a pass", passes)
	}
	update(func() { pod.Status.HostIP = "192.0.2.1" })
	for _, next := range []string{"two", "three"} {
		update(func() { pod.Labels = map[string]string{"app": next} })
		if label := await.Receive(t, "another change asks for a pass", passes); label != next {
			t.Errorf("a change that no plan could see asks for a pass, while the label is %s", label)
		}
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
			if got := podChanged(projection.StripPod(before, alwaysNamed), projection.StripPod(after, alwaysNamed)); got != test.want {
				t.Errorf("changed: %t", got)
			}
		})
	}
	if !podChanged(nil, newPod("p")) {
		t.Error("what is no pod did not change")
	}
}
