package gates

import (
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/test/await"
)

// A reflector calls one after the other, and others take the lock in between.
func TestTheStoreOfAReflectorHoldsItsLockOnlyWhileItChangesSomething(t *testing.T) {
	var mu sync.Mutex
	var did []string
	store := roomStore[*corev1.Node, *corev1.Node]{
		project: func(node *corev1.Node) *corev1.Node { return node },
		set:     func(node *corev1.Node) { did = append(did, "set "+node.Name) },
		remove:  func(_, name string) { did = append(did, "remove "+name) },
		replace: func(nodes []*corev1.Node) { did = append(did, "replace "+nodes[0].Name) },
		mu:      &mu, synced: func() {},
	}
	node := &corev1.Node{}
	node.Name = "a"
	done := make(chan error, 1)
	for name, step := range map[string]func() error{
		"Add": func() error { return store.Add(node) }, "Update": func() error { return store.Update(node) },
		"Delete": func() error { return store.Delete(node) }, "Replace": func() error { return store.Replace([]any{node}, "1") },
	} {
		go func() {
			err := step()
			mu.Lock()
			defer mu.Unlock()
			done <- err
		}()
		if err := await.Receive(t, name+" gives the lock back", done); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(did) != 4 {
		t.Errorf("it did %q", did)
	}
}
