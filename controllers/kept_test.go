package controllers

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// TestKeptListIsTheOneFromNothing changes, adds and deletes objects at random: what is kept is what there is, by name.
func TestKeptListIsTheOneFromNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	names := map[string]*corev1.Node{}
	var kept inOrder[corev1.Node]
	for range 500 {
		for range random.IntN(4) {
			name := strconv.Itoa(random.IntN(30))
			if random.IntN(3) == 0 {
				delete(names, name)
			} else {
				node := newNode(name)
				names[name] = node
			}
		}
		var objects []*corev1.Node
		for _, node := range names { // in any order
			objects = append(objects, node)
		}
		before := kept.list
		gone, come := kept.update(objects, nameOfNode)
		for _, node := range gone {
			if !slices.Contains(before, node) || names[node.Name] == node {
				t.Fatalf("%s is reported as gone", node.Name)
			}
		}
		for _, node := range come {
			if slices.Contains(before, node) {
				t.Fatalf("%s is reported as new", node.Name)
			}
		}
		if want := len(before) - len(gone) + len(come); want != len(kept.list) {
			t.Fatalf("%d objects, want %d", len(kept.list), want)
		}
		if len(kept.list) != len(names) || len(kept.has) != len(names) || !slices.IsSortedFunc(kept.list, func(a, b *corev1.Node) int {
			return slices.Compare([]byte(a.Name), []byte(b.Name))
		}) {
			t.Fatal("what is kept is not what there is, by name")
		}
		for name, node := range names {
			if find(kept.list, name, nameOfNode) != node {
				t.Fatalf("%s is not the one that there is", name)
			}
		}
	}
}

func TestKeptViewChangesOnlyWithWhatItSays(t *testing.T) {
	var k kept
	node := newNode("a")
	first := k.view(node, &projection.Outside{Helper: projection.Helper{Ready: true}})
	if again := k.view(node.DeepCopy(), &projection.Outside{Helper: projection.Helper{Ready: true}}); again != first {
		t.Error("a Node that says the same has another view")
	}
	changes := map[string]func(*corev1.Node, *projection.Outside){
		"Node":        func(n *corev1.Node, _ *projection.Outside) { n.Spec.Unschedulable = true },
		"helper":      func(_ *corev1.Node, b *projection.Outside) { b.Helper.Ready = false },
		"problem":     func(_ *corev1.Node, b *projection.Outside) { b.Problem = "why" },
		"not meant":   func(_ *corev1.Node, b *projection.Outside) { b.NotMeant = true },
		"no detector": func(_ *corev1.Node, b *projection.Outside) { b.NoDetector = "what to install" },
		"since":       func(_ *corev1.Node, b *projection.Outside) { b.Since = testNow },
		"conditions":  func(_ *corev1.Node, b *projection.Outside) { b.Conditions = []model.NodeCondition{{Type: "A"}} },
		"maintenance": func(_ *corev1.Node, b *projection.Outside) { b.Foreign = []model.OtherMaintenance{{Object: "x"}} },
		"volumes":     func(_ *corev1.Node, b *projection.Outside) { b.Volumes = []string{"v"} },
	}
	for what, change := range changes {
		var k kept
		before := k.view(node, &projection.Outside{Helper: projection.Helper{Ready: true}})
		changed, outside := node.DeepCopy(), projection.Outside{Helper: projection.Helper{Ready: true}}
		change(changed, &outside)
		if what != "Node" {
			changed = node
		}
		if k.view(changed, &outside) == before {
			t.Errorf("%s: the view is the old one", what)
		}
	}
}
