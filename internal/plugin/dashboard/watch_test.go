package dashboard

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// watching runs a watcher on a client of tests.
func watching(t *testing.T, c client.WithWatch) *watcher {
	t.Helper()
	w := newWatcher(c, clock.RealClock{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx) }()
	t.Cleanup(func() { cancel(); await.Receive(t, "the watcher ends", done) })
	return w
}

// until waits for changes until something holds.
func until(t *testing.T, w *watcher, what string, holds func(fleet *app.Fleet, notes []string, complete bool) bool) {
	t.Helper()
	for !holds(w.fleet()) {
		await.Receive(t, what, w.changed)
	}
}

func TestChangesOfObjectsAreSeen(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}})
	var watches atomic.Int32
	c := interceptor.NewClient(terminal.Client, interceptor.Funcs{
		Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
			defer watches.Add(1)
			return c.Watch(ctx, list, options...)
		},
	})
	w := watching(t, c)
	until(t, w, "the node is read", func(fleet *app.Fleet, _ []string, complete bool) bool { return complete && len(fleet.Nodes) == 1 })
	for watches.Load() < 3 {
		time.Sleep(time.Millisecond) // The client of tests forgets what happens between a list and a watch.
	}
	if err := terminal.Client.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "b"}}); err != nil {
		t.Fatal(err)
	}
	until(t, w, "the other node is seen", func(fleet *app.Fleet, _ []string, _ bool) bool { return len(fleet.Nodes) == 2 })
	if err := terminal.Client.Delete(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	until(t, w, "the first node is gone", func(fleet *app.Fleet, _ []string, _ bool) bool {
		return len(fleet.Nodes) == 1 && fleet.Nodes[0].Name == "b"
	})
	if !w.state().Live {
		t.Error("it is not live")
	}
}

func TestWhatMayNotBeReadIsSaidAndTheRestIsShown(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0)
	c := interceptor.NewClient(terminal.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, nodes := list.(*corev1.NodeList); nodes {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", errors.New("no"))
			}
			return c.List(ctx, list, options...)
		},
	})
	w := watching(t, c)
	until(t, w, "everything that may be read is", func(_ *app.Fleet, notes []string, complete bool) bool {
		return complete && len(notes) == 1 && strings.HasPrefix(notes[0], "You may not read Nodes;") &&
			strings.Contains(notes[0], "On this page, nodes to which nothing happened are missing")
	})
	if !w.state().Live {
		t.Error("it is not live, although everything that may be read is up to date")
	}
}

func TestARefusalOfAnAPIServerThatHasJustStartedEmptiesNothing(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", errors.New("no"))
	clocks := clocktesting.NewFakeClock(noon)
	w := newWatcher(plugintest.New(t, 0, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}).Client, clocks)
	nodes := w.kinds[2]
	read := func() {
		nodes.listed = false
		if _, err := w.readAll(t.Context(), nodes); err != nil {
			t.Fatal(err)
		}
		nodes.listed = true
	}
	read()
	nodes.listed = false
	if w.fail(nodes, forbidden) || w.state().Live || nodes.denied != "" || len(nodes.objects) != 1 {
		t.Errorf("the first refusal is no outage: %+v", nodes)
	}
	clocks.Step(doubt)
	if !w.fail(nodes, forbidden) || !w.state().Live || !strings.Contains(nodes.denied, "may not read Nodes") || nodes.read {
		t.Errorf("a refusal that lasts is an outage: %+v", nodes)
	}
	read()
	if w.allow(nodes); nodes.denied != "" || len(nodes.objects) != 1 {
		t.Errorf("it is not read again: %+v", nodes)
	}
	w.fail(nodes, forbidden)
	clocks.Step(doubt)
	read()
	if !w.fail(nodes, forbidden) || !strings.HasPrefix(nodes.denied, "You may list Nodes, but not watch them") || len(nodes.objects) != 1 {
		t.Errorf("what may be listed only is not kept: %+v", nodes)
	}
	if read(); nodes.denied == "" {
		t.Error("the note about it comes and goes")
	}
}

func TestAnAPIServerThatIsGoneIsSaidUntilItIsBack(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0)
	var gone atomic.Bool
	gone.Store(true)
	c := interceptor.NewClient(terminal.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if gone.Load() {
				return errors.New("connection refused")
			}
			return c.List(ctx, list, options...)
		},
	})
	w := watching(t, c)
	until(t, w, "the outage is seen", func(*app.Fleet, []string, bool) bool {
		state := w.state()
		return !state.Live && state.Since > 0 && strings.Contains(state.Why, "connection refused")
	})
	gone.Store(false)
	until(t, w, "the outage is over", func(_ *app.Fleet, _ []string, complete bool) bool { return complete && w.state().Live })
}

func TestAWatchThatExpiredIsReadAgain(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0)
	var lists atomic.Int32
	c := interceptor.NewClient(terminal.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, nodes := list.(*corev1.NodeList); nodes {
				lists.Add(1)
			}
			return c.List(ctx, list, options...)
		},
		Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
			if _, nodes := list.(*corev1.NodeList); nodes && lists.Load() == 1 {
				expired := watch.NewFake()
				status := apierrors.NewResourceExpired("too old").Status()
				go expired.Error(&status)
				return expired, nil
			}
			return c.Watch(ctx, list, options...)
		},
	})
	w := watching(t, c)
	until(t, w, "nodes are read twice", func(*app.Fleet, []string, bool) bool { return lists.Load() == 2 })
	if state := w.state(); !state.Live {
		t.Errorf("an expired watch is no outage: %+v", state)
	}
}
