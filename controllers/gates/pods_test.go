package gates

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

func jobPod(namespace, name, node string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: map[string]string{"app": "job"}, CreationTimestamp: metav1.NewTime(testNow),
	}}
	pod.Spec.NodeName, pod.Status.Phase = node, corev1.PodRunning
	for _, c := range change {
		c(pod)
	}
	return pod
}

func in(phase corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func (b *bench) podGate(namespaces ...string) {
	b.policy.Spec.Gates.Pods = []v1alpha1.PodGate{{
		Name: "g", Namespaces: namespaces, Selector: selector.Of("app=job"),
	}}
}

func (b *bench) create(pods ...*corev1.Pod) {
	b.t.Helper()
	for _, pod := range pods {
		if _, err := b.pods.CoreV1().Pods(pod.Namespace).Create(b.t.Context(), pod, metav1.CreateOptions{}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// forgetChanges waits, in a bubble, until the watches have seen all that has happened, and forgets that passes were asked for.
func (b *bench) forgetChanges() {
	synctest.Wait()
	for len(b.changes) > 0 {
		<-b.changes
	}
}

// wantPods checks what the gate says, in a bubble, when the watches have seen all that has happened.
func (b *bench) wantPods(want map[string]string) {
	b.t.Helper()
	synctest.Wait()
	answer := b.answer(model.GatePods, "g")
	if answer == nil {
		b.t.Fatal("no answer")
	}
	if diff := cmp.Diff(&model.GateAnswer{Nodes: want}, answer); diff != "" {
		b.t.Errorf("pods (-want +got):\n%s", diff)
	}
}

func TestAPodBlocksItsNodeUntilItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.podGate()
		older := func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(testNow.Add(-time.Hour)) }
		now := metav1.NewTime(testNow)
		b.create(
			jobPod("ci", "a-younger", "n1"), jobPod("ci", "z-older", "n1", older), jobPod("other", "job", "n2"),
			jobPod("ci", "succeeded", "n3", in(corev1.PodSucceeded)), jobPod("ci", "failed", "n3", in(corev1.PodFailed)),
			jobPod("ci", "pending", "n4", in(corev1.PodPending)), jobPod("ci", "unscheduled", ""),
			jobPod("ci", "terminating", "n5", func(p *corev1.Pod) { p.DeletionTimestamp, p.Finalizers = &now, []string{"a/b"} }),
			jobPod("ci", "no-job", "n6", func(p *corev1.Pod) { p.Labels = nil }),
		)
		says := func(pod, node string) string {
			return "Pod " + pod + " runs on node " + node + ": gate g waits for it to end."
		}
		b.wantPods(map[string]string{
			"n1": says("ci/z-older", "n1"), "n2": says("other/job", "n2"), "n4": says("ci/pending", "n4"), "n5": says("ci/terminating", "n5"),
		})
		b.forgetChanges()
		done := jobPod("ci", "z-older", "n1", older, in(corev1.PodSucceeded))
		if _, err := b.pods.CoreV1().Pods("ci").Update(t.Context(), done, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.awaitChange()
		b.wantPods(map[string]string{
			"n1": says("ci/a-younger", "n1"), "n2": says("other/job", "n2"), "n4": says("ci/pending", "n4"), "n5": says("ci/terminating", "n5"),
		})
	})
}

func TestPodsOfSomeNamespacesBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.podGate("ci", "batch")
		b.create(jobPod("ci", "one", "n1"), jobPod("batch", "two", "n2"), jobPod("other", "three", "n3"))
		b.wantPods(map[string]string{
			"n1": "Pod ci/one runs on node n1: gate g waits for it to end.", "n2": "Pod batch/two runs on node n2: gate g waits for it to end.",
		})
		if len(b.Asker.pods) != 2 {
			t.Errorf("%d watches, want one of each namespace", len(b.Asker.pods))
		}
	})
}

func TestPodsBlockByTheirAnnotations(t *testing.T) {
	const key = "cluster-autoscaler.kubernetes.io/safe-to-evict"
	says := func(pod, node string) string {
		return "Pod " + pod + " runs on node " + node + ": gate g waits for it to end."
	}
	annotated := func(key, value string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Annotations, p.UID = map[string]string{key: value, "other": "x"}, types.UID(p.Name)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.policy.Spec.Gates.Pods = []v1alpha1.PodGate{{
			Name: "g", Selector: &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{key: "false"}},
		}}
		b.create(jobPod("ci", "one", "n1", annotated(key, "false")), jobPod("ci", "two", "n2", annotated(key, "true")),
			jobPod("ci", "three", "n3", func(p *corev1.Pod) { p.UID = "three" }), jobPod("ci", "four", "n4", annotated(key, "false")))
		b.wantPods(map[string]string{"n1": says("ci/one", "n1"), "n4": says("ci/four", "n4")})
		for source, w := range b.Asker.pods {
			if known, _ := w.pods(); len(known) != 2 {
				t.Errorf("%d pods of %v are kept, want those that block", len(known), source)
			}
		}
		b.forgetChanges()
		change := func(pod *corev1.Pod) {
			t.Helper()
			if _, err := b.pods.CoreV1().Pods("ci").Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		change(jobPod("ci", "two", "n2", annotated(key, "perhaps")))
		if b.forgetChanges(); len(b.changes) > 0 {
			t.Error("a pod that blocks nothing asks for a pass")
		}
		change(jobPod("ci", "one", "n1", annotated(key, "true")))
		b.awaitChange()
		change(jobPod("ci", "three", "n3", annotated(key, "false")))
		b.awaitChange()
		if err := b.pods.CoreV1().Pods("ci").Delete(t.Context(), "four", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.awaitChange()
		b.wantPods(map[string]string{"n3": says("ci/three", "n3")})
	})
}

func TestGatesThatDifferInAnnotationsOnlyWatchApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		gate := func(name string, value v1alpha1.AnnotationValue) v1alpha1.PodGate {
			annotations := map[string]v1alpha1.AnnotationValue{"a": value}
			return v1alpha1.PodGate{Name: name, Selector: &v1alpha1.PodSelector{MatchAnnotations: annotations}}
		}
		b.policy.Spec.Gates.Pods = []v1alpha1.PodGate{gate("g", "x"), gate("h", "y")}
		b.create(jobPod("ci", "one", "n1", func(p *corev1.Pod) { p.Annotations = map[string]string{"a": "y"} }))
		b.wantPods(map[string]string{})
		if answer := b.answer(model.GatePods, "h"); answer == nil || answer.Nodes["n1"] == "" {
			synctest.Wait()
			if answer = b.answer(model.GatePods, "h"); answer == nil || answer.Nodes["n1"] == "" {
				t.Errorf("the other gate says %+v", answer)
			}
		}
	})
}

func TestAllPodsOfANamespaceBlockWithoutASelector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.policy.Spec.Gates.Pods = []v1alpha1.PodGate{{Name: "g", Namespaces: []string{"ci"}}}
		b.create(jobPod("ci", "one", "n1", func(p *corev1.Pod) { p.Labels = nil }), jobPod("other", "three", "n3"))
		b.wantPods(map[string]string{"n1": "Pod ci/one runs on node n1: gate g waits for it to end."})
	})
}

func TestPodsAreWatchedOnlyWhileTheyAreAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.podGate()
		b.answer(model.GatePods, "g")
		if len(b.Asker.pods) != 1 {
			t.Fatalf("%d watches", len(b.Asker.pods))
		}
		b.ask()
		if len(b.Asker.pods) != 0 {
			t.Errorf("%d watches of pods that nobody asks for", len(b.Asker.pods))
		}
	})
}

func TestPodsThatCannotBeReadAreAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.podGate()
		b.pods.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no"))
		})
		const want = "Pods cannot be listed: the manager lacks the right to list them."
		answer := b.answer(model.GatePods, "g")
		if answer == nil || answer.Failure != want || !answer.Since.Equal(testNow) {
			t.Errorf("answer %+v", answer)
		}
	})
}

// If no pod blocks, no event says so.
func TestAPassIsAskedForWhenThePodsAreKnownAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.podGate()
		slow := make(chan struct{})
		b.pods.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			<-slow
			return false, nil, nil
		})
		if answer := b.answer(model.GatePods, "g"); answer != nil {
			t.Fatalf("answer %+v", answer)
		}
		close(slow)
		b.awaitChange()
		b.wantPods(map[string]string{})
	})
}

// TestPodsThatCanNoLongerBeReadAreAnError is about a watch that broke and does not come back: what it said last grows old.
func TestPodsThatCanNoLongerBeReadAreAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.podGate()
		broken := errors.New("broken")
		var refuses atomic.Bool
		watches := make(chan *watch.FakeWatcher, 100)
		b.pods.PrependWatchReactor("pods", func(clienttesting.Action) (bool, watch.Interface, error) {
			if refuses.Load() {
				return true, nil, broken
			}
			w := watch.NewFake()
			watches <- w
			return true, w, nil
		})
		b.pods.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			return refuses.Load(), nil, broken
		})
		b.wantPods(map[string]string{})
		synctest.Wait() // All pods are known before the watch of them opens.
		refuses.Store(true)
		since := testNow.Add(time.Minute)
		b.clock.SetTime(since)
		await.Receive(t, "the watch opens", watches).Stop()
		await.True(t, "the watch fails", func() bool {
			for _, w := range b.Asker.pods {
				failure, _ := w.failing()
				return failure != ""
			}
			return false
		})
		b.clock.SetTime(since.Add(Interval - time.Second))
		if answer := b.answer(model.GatePods, "g"); answer == nil || answer.Failure != "" {
			t.Errorf("answer %+v after less than %s", answer, Interval)
		}
		b.clock.SetTime(since.Add(Interval))
		const want = "Pods cannot be listed from the API server: there is no answer."
		if answer := b.answer(model.GatePods, "g"); answer == nil || answer.Failure != want || !answer.Since.Equal(since) {
			t.Errorf("answer %+v after %s", answer, Interval)
		}
		b.forgetChanges()
		refuses.Store(false)
		b.awaitChange()
		b.wantPods(map[string]string{})
	})
}
