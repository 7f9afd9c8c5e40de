package gates

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// roomNode is Ready and has room for 10 pods.
func roomNode(name, cpu, memory string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}}}
	node.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		corev1.ResourcePods: resource.MustParse("10"),
	}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return node
}

// roomPod belongs to a ReplicaSet.
func roomPod(name, node, cpu, memory string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name, Labels: map[string]string{"app": name}}}
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "rs", Controller: ptr.To(true)}}
	pod.Spec.NodeName, pod.Status.Phase = node, corev1.PodRunning
	pod.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}}}
	for _, c := range change {
		c(pod)
	}
	return pod
}

// roomBench is a bench in a bubble, with a clock that is that of the bubble and a policy that requires room.
func roomBench(t *testing.T, test func(b *bench), objects ...client.Object) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, objects...)
		b.inRealTime()
		b.policy.Spec.Gates.Capacity = v1alpha1.Require
		test(b)
	})
}

func (b *bench) roomFor(nodes ...string) model.GateQuery {
	return model.GateQuery{GateKey: b.question(model.GateCapacity, ""), Nodes: nodes}
}

// noRoom is what is said about a pod of node a.
const noRoomForWeb = "Pod apps/web of node a would find no room: there is no other node."

func TestWhatADrainEvictsHasToFitOnTheOthers(t *testing.T) {
	a, b := roomNode("a", "4", "8Gi"), roomNode("b", "4", "8Gi")
	annotated := roomPod("web", "a", "1", "1Gi", func(p *corev1.Pod) { p.Annotations = map[string]string{"move": "yes"} })
	moves := &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{"move": "yes"}}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "data"}}
	claim.Spec.VolumeName = "pv"
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv", Labels: map[string]string{corev1.LabelTopologyZone: "x"}}}
	zoned := roomNode("b", "4", "8Gi")
	zoned.Labels[corev1.LabelTopologyZone] = "y"
	bound := roomPod("web", "a", "1", "1Gi", func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
		}}}
	})
	for name, tc := range map[string]struct {
		objects  []client.Object
		leaving  string
		selector *v1alpha1.PodSelector
		want     string
	}{
		"room":                               {objects: []client.Object{a, b, roomPod("web", "a", "1", "1Gi")}},
		"no other node":                      {objects: []client.Object{a, roomPod("web", "a", "1", "1Gi")}, want: noRoomForWeb},
		"a pod that stays":                   {objects: []client.Object{a, roomPod("web", "a", "1", "1Gi")}, selector: selector.Of("app!=web")},
		"a pod that goes by its label":       {objects: []client.Object{a, roomPod("web", "a", "1", "1Gi")}, selector: selector.Of("app=web"), want: noRoomForWeb},
		"a pod that stays by its annotation": {objects: []client.Object{a, roomPod("web", "a", "1", "1Gi")}, selector: moves},
		"a pod that goes by its annotation":  {objects: []client.Object{a, annotated}, selector: moves, want: noRoomForWeb},
		"a node that leaves": {
			objects: []client.Object{a, b, roomPod("web", "a", "1", "1Gi")}, leaving: "b",
			want: "Pod apps/web of node a would find no room: a cordon, a reboot or no readiness on 1 node.",
		},
		"all pods of one that leaves": {
			objects: []client.Object{a, b, roomPod("db", "b", "1", "1Gi")}, leaving: "b", selector: selector.Of("app=web"),
			want: "Pod apps/db of node b would find no room: a cordon, a reboot or no readiness on 1 node.",
		},
		"a volume of another zone": {
			objects: []client.Object{a, zoned, bound, claim, volume},
			want:    "Pod apps/web of node a would find no room: its volume out of reach on 1 node.",
		},
		"a node that is not there": {objects: []client.Object{b}},
	} {
		t.Run(name, func(t *testing.T) {
			roomBench(t, func(b *bench) {
				b.policy.Spec.Drain.Selector = tc.selector
				q := b.roomFor("a")
				q.About = tc.leaving
				answer, known := b.ask(q)[q.GateKey]
				if !known || answer.Failure != "" || answer.Nodes["a"] != tc.want {
					t.Errorf("got %+v, want %q", answer, tc.want)
				}
			}, tc.objects...)
		})
	}
}

func TestRoomIsLookedForInOrderUntilANodeMayGoAndReadOnceForAll(t *testing.T) {
	objects := []client.Object{
		roomNode("a", "4", "8Gi"), roomNode("b", "4", "8Gi"), roomNode("c", "4", "8Gi"), roomNode("d", "2", "8Gi"),
		roomPod("large", "a", "4", "1Gi"), roomPod("small", "b", "1", "1Gi"), roomPod("other", "c", "1", "1Gi"),
	}
	roomBench(t, func(b *bench) {
		first, after, further := b.roomFor("a", "b", "c"), b.roomFor("c"), b.roomFor("c")
		after.About = "b"
		answers := b.ask(first, after)
		noRoom := "Pod apps/large of node a would find no room: too little cpu (it needs 4) on 3 nodes."
		if diff := cmp.Diff(map[string]string{"a": noRoom, "b": ""}, answers[first.GateKey].Nodes); diff != "" {
			t.Errorf("first (-want +got):\n%s", diff)
		}
		if got := answers[after.GateKey].Nodes; len(got) != 1 || got["c"] != "" {
			t.Errorf("after node b has started: %v", got)
		}
		// The same question about nodes further down the line.
		answers = b.ask(further, after)
		if diff := cmp.Diff(map[string]string{"a": noRoom, "b": "", "c": ""}, answers[first.GateKey].Nodes); diff != "" {
			t.Errorf("further (-want +got):\n%s", diff)
		}
		// That does not make what is known of the others any better: when it is over, everything is asked again.
		time.Sleep(Interval)
		b.has(roomNode("e", "4", "8Gi"))
		synctest.Wait()
		if diff := cmp.Diff(map[string]string{"a": ""}, b.ask(first)[first.GateKey].Nodes); diff != "" {
			t.Errorf("with another node (-want +got):\n%s", diff)
		}
		if reads := b.reads(); reads["list nodes"] != 1 || reads["list pods"] != 1 {
			t.Errorf("reads %v, want each kind once", reads)
		}
	}, objects...)
}

// reads counts what was asked of the API server.
func (b *bench) reads() map[string]int {
	reads := map[string]int{}
	for _, action := range b.pods.Actions() {
		reads[action.GetVerb()+" "+action.GetResource().Resource]++
	}
	return reads
}

// watching says whether nodes and pods are watched.
func (b *bench) watching() bool {
	b.stock.mu.Lock()
	defer b.stock.mu.Unlock()
	return b.stock.watch != nil
}

func TestNothingIsWatchedUntilSomeoneAsksNorLongAfter(t *testing.T) {
	roomBench(t, func(b *bench) {
		b.pass()
		if reads := b.reads(); len(reads) > 0 || b.watching() {
			t.Fatalf("reads %v, and nobody asks", reads)
		}
		for range 3 {
			b.ask(b.roomFor("a"))
			time.Sleep(linger - time.Second)
		}
		if reads := b.reads(); !b.watching() || reads["list pods"] != 1 {
			t.Errorf("watching: %t, reads %v; want one watch, because someone asks now and then", b.watching(), reads)
		}
		// No pass follows anymore.
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if b.watching() {
			t.Error("nodes and pods are watched, and nobody asks")
		}
		b.ask(b.roomFor("a"))
		if reads := b.reads(); !b.watching() || reads["list pods"] != 2 {
			t.Errorf("reads %v, want another list", reads)
		}
	}, roomNode("a", "4", "8Gi"))
}

func TestDrainsThatLookAtAnAnnotationThatWasNotReadReadAgain(t *testing.T) {
	roomBench(t, func(b *bench) {
		if answer := b.ask(b.roomFor("a")); answer[b.roomFor().GateKey].Nodes["a"] == "" {
			t.Fatalf("%+v, want no room", answer)
		}
		b.policy.Spec.Drain.Selector = &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{"move": "yes"}}
		b.policy.Generation++
		q := b.roomFor("a")
		if answer := b.ask(q)[q.GateKey]; answer.Nodes == nil || answer.Nodes["a"] != "" {
			t.Errorf("%+v, want room: the pod is not evicted", answer)
		}
	}, roomNode("a", "4", "8Gi"), roomPod("web", "a", "1", "1Gi"))
}

// Each policy's drains look at an annotation of their own, and they are asked about by turns.
func TestPoliciesThatTakeTurnsShareOneWatch(t *testing.T) {
	roomBench(t, func(b *bench) {
		other := b.policy.DeepCopy()
		other.Name, other.UID = "other", "uid-other"
		for _, p := range []*v1alpha1.RebootPolicy{b.policy, other} {
			p.Spec.Drain.Selector = &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{p.Name: "yes"}}
		}
		policies := []*v1alpha1.RebootPolicy{b.policy, other}
		for i := range 10 {
			q := b.roomFor("a")
			q.Policy = policies[i%2].Name
			b.Answer(b.t.Context(), policies, []model.GateQuery{q})
			b.Keep(policies, []model.GateQuery{q})
			b.settle()
		}
		if reads := b.reads(); reads["list pods"] != 1 {
			t.Errorf("reads %v, want one list of pods", reads)
		}
	}, roomNode("a", "4", "8Gi"))
}

func TestRoomThatCannotBeReadBlocks(t *testing.T) {
	for kind, want := range map[string]string{
		"pods":                   "Pods cannot be listed: the manager lacks the right to list them.",
		"nodes":                  "Nodes cannot be listed: the manager lacks the right to list them.",
		"namespaces":             "Namespaces cannot be listed: the manager lacks the right to list them.",
		"persistentvolumes":      "PersistentVolumes cannot be listed: the manager lacks the right to list them.",
		"persistentvolumeclaims": "PersistentVolumeClaims cannot be listed: the manager lacks the right to list them.",
		"csinodes":               "CSINodes cannot be listed: the manager lacks the right to list them.",
	} {
		t.Run(kind, func(t *testing.T) {
			roomBench(t, func(b *bench) {
				var refused atomic.Bool
				refused.Store(true)
				b.pods.PrependReactor("list", kind, func(clienttesting.Action) (bool, runtime.Object, error) {
					return refused.Load(), nil, apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", errors.New("no such right"))
				})
				q := b.roomFor("a")
				if answer, known := b.ask(q)[q.GateKey]; !known || answer.Failure != want {
					t.Errorf("got %+v, want %q", answer, want)
				}
				refused.Store(false)
				time.Sleep(time.Minute)
				synctest.Wait()
				if answer, known := b.ask(q)[q.GateKey]; !known || answer.Failure != "" {
					t.Errorf("got %+v, want an answer now that all can be read", answer)
				}
			}, roomNode("a", "4", "8Gi"))
		})
	}
}

// What is known from before an outage is good for as long as any other answer.
func TestAnOutageLaterOnBlocksAfterAWhile(t *testing.T) {
	roomBench(t, func(b *bench) {
		q := b.roomFor("a")
		b.ask(q)
		b.stock.mu.Lock()
		watch := b.stock.watch
		b.stock.mu.Unlock()
		watch.note("Pods", apierrors.NewServiceUnavailable("down"))
		time.Sleep(Interval - time.Second)
		if answer := b.ask(q)[q.GateKey]; answer.Failure != "" {
			t.Errorf("%+v, want what is known from before", answer)
		}
		time.Sleep(Interval + time.Second)
		if answer := b.ask(q)[q.GateKey]; !strings.HasPrefix(answer.Failure, "Pods cannot be listed") {
			t.Errorf("%+v, want the failure", answer)
		}
		watch.note("Pods", nil)
		time.Sleep(Interval)
		if answer := b.ask(q)[q.GateKey]; answer.Failure != "" {
			t.Errorf("%+v, want an answer again", answer)
		}
	}, roomNode("a", "4", "8Gi"))
}

func TestAQuestionWhoseWatchIsStoppedEnds(t *testing.T) {
	roomBench(t, func(b *bench) {
		b.options.ListPods = func(ctx context.Context, _ string, _ metav1.ListOptions, _ func(*corev1.Pod) *corev1.Pod) (*corev1.PodList, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		watch := b.roomWatch()
		go func() {
			time.Sleep(time.Second)
			watch.stop()
		}()
		if err := watch.wait(b.t.Context()); !errors.Is(err, errNobodyAsks) {
			t.Errorf("got %v", err)
		}
	})
}
