//go:build linux

package controllers

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// viewBed changes a cluster at random.
type viewBed struct {
	*testing.T
	random *rand.Rand
	cache  *heldCache
	reader *reader
	policy *v1alpha1.RebootPolicy
	// copies counts objects, so that each has another UID.
	copies int
	clock  *countingClock
}

// countingClock counts looks at the helpers of nodes, each of which asks for the time.
type countingClock struct {
	*clocktesting.FakePassiveClock
	asked int
}

func (c *countingClock) Now() time.Time {
	c.asked++
	return c.FakePassiveClock.Now()
}

func newViewBed(t *testing.T, seed uint64) *viewBed {
	t.Helper()
	b := &viewBed{T: t, random: rand.New(rand.NewPCG(seed, 1)), cache: bigHeldCluster(8, false)}
	b.reader, b.clock = readerOf(b.cache), &countingClock{FakePassiveClock: clocktesting.NewFakePassiveClock(testNow)}
	b.reader.observed.clock = b.clock
	held, _, _ := b.cache.stores["*v1alpha1.RebootPolicy"].GetByKey("p")
	b.policy, _ = held.(*v1alpha1.RebootPolicy)
	b.cache.add(newHelperSet("helper", func(*corev1.PodSpec) {}))
	return b
}

func (b *viewBed) name() string { return fmt.Sprintf("node-%05d", b.random.IntN(8)) }

func (b *viewBed) one(of int) bool { return b.random.IntN(of) == 0 }

// remove an object of a kind, by its key.
func (b *viewBed) remove(kind, key string) {
	if held, exists, _ := b.cache.stores[kind].GetByKey(key); exists {
		_ = b.cache.stores[kind].Delete(held)
	}
}

func (b *viewBed) changeNode() {
	name := b.name()
	held, exists, _ := b.cache.stores["*v1.Node"].GetByKey(name)
	node, _ := held.(*corev1.Node)
	switch {
	case !exists:
		b.copies++
		node = newNode(name)
		node.UID = types.UID(fmt.Sprint("node-", b.copies))
	case b.one(4):
		b.remove("*v1.Node", name)
		return
	default: // at times it says the same as before
		node = node.DeepCopy()
		node.Spec.Unschedulable = b.one(2)
		condition := &node.Status.Conditions[b.random.IntN(len(node.Status.Conditions))]
		condition.Status = []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse}[b.random.IntN(2)]
		condition.LastTransitionTime.Time = b.clock.FakePassiveClock.Now()
	}
	b.cache.add(node)
}

func (b *viewBed) changeHelper() {
	name := "helper-" + b.name()
	if b.one(5) {
		name = "second"
	}
	held, exists, _ := b.cache.stores["*v1.Pod"].GetByKey(testNamespace + "/" + name)
	before, _ := held.(*corev1.Pod)
	if exists && b.one(3) {
		b.remove("*v1.Pod", testNamespace+"/"+name)
		b.reader.interest.ownPods.note(before)
		return
	}
	after := ownPod(name, b.name(), helperComponent, []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionFalse}[b.random.IntN(2)])
	b.cache.add(after)
	switch {
	case b.one(5):
		b.reader.kept.ownPods = nil // the pass that took what was noted failed
	case exists && b.one(3):
		b.reader.interest.ownPods.note(before) // the watch is behind the cache
	case exists:
		b.reader.interest.ownPods.note(before, after)
	default:
		b.reader.interest.ownPods.note(after)
	}
}

func (b *viewBed) changeSurroundings() {
	switch b.random.IntN(5) {
	case 0:
		b.remove("*v1.DaemonSet", testNamespace+"/helper")
		if selector := map[string]string{corev1.LabelTopologyZone: "zone-1"}; b.one(2) {
			b.cache.add(newHelperSet("helper", func(spec *corev1.PodSpec) { spec.NodeSelector = selector }))
		}
	case 1:
		b.policy = b.policy.DeepCopy()
		b.policy.Spec.Triggers = nil
		if b.one(2) {
			b.policy.Spec.Triggers = &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{{Type: "DiskPressure"}}}
		}
		b.cache.add(b.policy)
	case 2:
		b.reader.maintenances = fakeMaintenances{objects: []unstructured.Unstructured{*nodeMaintenance(b.name())}}
	case 3:
		b.reader.maintenances = fakeMaintenances{unknown: []schema.GroupVersionKind{{Kind: "NodeMaintenance"}}}
	case 4:
		b.reader.maintenances = fakeMaintenances{}
	}
}

// changeVolumes lets a volume of a node that is drained be attached or detached.
func (b *viewBed) changeVolumes() {
	b.policy = b.policy.DeepCopy()
	b.policy.Spec.Drain.VolumeDetachSeconds = ptr.To[int32](60)
	b.cache.add(b.policy)
	drained := neededOf(b.name())
	drained.Status.Attempt = &v1alpha1.Attempt{Number: 1, DrainOrderedTime: ptr.To(metav1.NewMicroTime(testNow))}
	attached := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "volume"}}
	attached.Spec.NodeName = drained.Spec.NodeName
	for _, object := range []client.Object{drained, attached} {
		b.cache.add(object)
		if b.one(2) {
			b.remove(kindOf(object), object.GetName())
		}
	}
}

func (b *viewBed) views() []*model.Node {
	b.Helper()
	s, err := b.reader.read(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return s.Nodes
}

// What a pass takes from the last one is what it would find if it looked at everything again.
func TestViewsOfNodesAreThoseOfAPassThatLooksAtAllOfThem(t *testing.T) {
	for seed := range uint64(20) {
		b := newViewBed(t, seed)
		for step := range 200 {
			change := b.random.IntN(4)
			[]func(){b.changeNode, b.changeHelper, b.changeSurroundings, b.changeVolumes}[change]()
			if b.one(3) {
				continue // more than one thing changed
			}
			b.clock.SetTime(b.clock.FakePassiveClock.Now().Add(time.Minute))
			got := b.views()
			kept := b.reader.kept.nodeViews
			b.reader.kept.nodeViews = nodeViews{}
			want := b.views()
			b.reader.kept.nodeViews = kept // the next pass goes on from the one that did not look at all of them
			if len(got) != len(want) {
				t.Fatalf("seed %d, step %d, change %d: %d nodes, want %d", seed, step, change, len(got), len(want))
			}
			for i := range want {
				if got[i] != want[i] { // one that would say the same is the very same one
					t.Fatalf("seed %d, step %d, change %d: an old view of %s", seed, step, change, want[i].Name)
				}
			}
		}
	}
}

func TestAPassLooksAgainOnlyAtNodesThatChanged(t *testing.T) {
	b := newViewBed(t, 1)
	helper := ownPod("helper-node-00003", "node-00003", helperComponent, corev1.ConditionTrue)
	for _, step := range []struct {
		what   string
		change func()
		looks  int
	}{
		{"the first pass", func() {}, 8},
		{"nothing changed", func() {}, 0},
		{"one helper changed", func() { b.reader.interest.ownPods.note(helper, helper) }, 1},
		{"nothing changed since", func() {}, 0},
		{"there is another DaemonSet", func() { b.cache.add(newHelperSet("other", func(*corev1.PodSpec) {})) }, 8},
		{"all helpers are listed again", func() { b.reader.kept.ownPods = nil }, 8},
		{"nothing changed after that", func() {}, 0},
	} {
		step.change()
		b.clock.asked = 0
		b.views()
		conditions := 0
		if step.what == "the first pass" {
			conditions = 8 // their times are looked up once for each Node
		}
		if looks := b.clock.asked - conditions; looks != step.looks {
			t.Errorf("%s: the pass looked at %d nodes, want %d", step.what, looks, step.looks)
		}
	}
}

// Clusters that grow and shrink have had many more Nodes than they have.
func TestNothingIsKeptOfANodeThatIsGone(t *testing.T) {
	b := newViewBed(t, 1)
	before := len(b.views())
	b.remove("*v1.Node", "node-00003")
	after := len(b.views())
	if _, known := b.reader.kept.views["node-00003"]; known || after != before-1 || len(b.reader.kept.views) != after {
		t.Errorf("%d views are kept of %d nodes", len(b.reader.kept.views), after)
	}
}

// A pass that fails half way leaves to the next one which helpers changed.
func TestHelpersThatChangedAreNotForgottenByAPassThatFails(t *testing.T) {
	b := newViewBed(t, 1)
	b.views()
	before, after := ownPod("helper-node-00001", "node-00001", helperComponent, corev1.ConditionTrue),
		ownPod("helper-node-00001", "node-00001", helperComponent, corev1.ConditionFalse)
	b.cache.add(after)
	b.reader.interest.ownPods.note(before, after)
	for _, kind := range []string{"*v1.DaemonSetList", "*v1.NodeList"} {
		b.cache.unreadable = kind
		if _, err := b.reader.read(t.Context()); err == nil {
			t.Fatalf("a pass that cannot read the %s does not fail", kind)
		}
	}
	b.cache.unreadable = ""
	if view := b.views()[1]; view.HelperReady {
		t.Error("the view is from before the helper changed")
	}
}
