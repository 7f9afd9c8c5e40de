package controllers

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// oneInformer is a cache with one informer.
type oneInformer struct {
	cache.Cache
	informer kindInformer
	err      error
	removed  []client.Object
}

func (c *oneInformer) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return &c.informer, c.err
}

func (c *oneInformer) RemoveInformer(_ context.Context, object client.Object) error {
	c.removed = append(c.removed, object)
	return errors.New("there is none")
}

// kindInformer has one handler at most.
type kindInformer struct {
	cache.Informer
	handler toolscache.ResourceEventHandler
	err     error
	behind  bool
}

func (i *kindInformer) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	if i.err != nil {
		return nil, i.err
	}
	i.handler = handler
	return i, nil
}

func (i *kindInformer) HasSynced() bool { return !i.behind }

func (i *kindInformer) RemoveEventHandler(toolscache.ResourceEventHandlerRegistration) error {
	i.handler = nil
	return nil
}

// watcherOf returns a watcher, and how many passes it has asked for.
func watcherOf(c cache.Cache) (w *maintenanceWatcher, passes *int) {
	w, passes = newMaintenanceWatcher(c, nil), new(int)
	w.changed = func() { *passes++ }
	return w, passes
}

func TestAKindOfMaintenanceIsKnownOnceItsObjectsAre(t *testing.T) {
	stopped := errors.New("it has stopped")
	over, end := context.WithCancel(t.Context())
	end()
	for name, tc := range map[string]struct {
		ctx    context.Context
		cache  *oneInformer
		want   error
		passes int
	}{
		"it can be watched":        {t.Context(), &oneInformer{}, nil, 1},
		"there is no informer":     {t.Context(), &oneInformer{err: stopped}, stopped, 0},
		"the informer has stopped": {t.Context(), &oneInformer{informer: kindInformer{err: stopped}}, stopped, 0},
		"its objects do not come":  {over, &oneInformer{informer: kindInformer{behind: true}}, context.Canceled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w, passes := watcherOf(tc.cache)
			kind := &maintenanceKind{gvk: medik8sMaintenance}
			if err := w.watch(tc.ctx, kind); !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if is := tc.want == nil; kind.known != is || *passes != tc.passes || (tc.cache.informer.handler != nil) != is {
				t.Errorf("it is known: %t, with a handler: %t, and %d passes are asked for", kind.known, tc.cache.informer.handler != nil, *passes)
			}
		})
	}
}

func TestAMaintenanceThatComesMovesOrGoesAsksForAPass(t *testing.T) {
	c := &oneInformer{}
	w, passes := watcherOf(c)
	if err := w.watch(t.Context(), &maintenanceKind{gvk: medik8sMaintenance}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		what  string
		event func(toolscache.ResourceEventHandler)
		want  int
	}{
		{"it comes", func(h toolscache.ResourceEventHandler) { h.OnAdd(nodeMaintenance("a"), false) }, 1},
		{"it stays", func(h toolscache.ResourceEventHandler) { h.OnUpdate(nodeMaintenance("a"), nodeMaintenance("a")) }, 0},
		{"it moves", func(h toolscache.ResourceEventHandler) { h.OnUpdate(nodeMaintenance("a"), nodeMaintenance("b")) }, 1},
		{"it was something else", func(h toolscache.ResourceEventHandler) { h.OnUpdate(newNode("a"), nodeMaintenance("a")) }, 0},
		{"it is something else", func(h toolscache.ResourceEventHandler) { h.OnUpdate(nodeMaintenance("a"), newNode("a")) }, 0},
		{"it goes", func(h toolscache.ResourceEventHandler) { h.OnDelete(nodeMaintenance("b")) }, 1},
	} {
		*passes = 0
		if tc.event(c.informer.handler); *passes != tc.want {
			t.Errorf("%s: %d passes are asked for, want %d", tc.what, *passes, tc.want)
		}
	}
}

func TestADefinitionThatWasMadeAgainIsAnotherKind(t *testing.T) {
	const name = "nodemaintenances.nodemaintenance.medik8s.io"
	for what, tc := range map[string]struct {
		before, after types.UID
		kept          bool
		passes        int
		removed       []client.Object
	}{
		"none, as before": {"", "", false, 0, nil},
		"a new one":       {"", "u1", false, 1, nil},
		"the same one":    {"u1", "u1", true, 0, nil},
		"another one":     {"u1", "u2", false, 1, []client.Object{objectOf(medik8sMaintenance)}},
		"none anymore":    {"u1", "", false, 1, []client.Object{objectOf(medik8sMaintenance)}},
	} {
		t.Run(what, func(t *testing.T) {
			c := &oneInformer{}
			w, passes := watcherOf(c)
			before := w.note(t.Context(), name, tc.before)
			*passes, c.removed = 0, nil
			after := w.note(t.Context(), name, tc.after)
			if (after == before && before != nil) != tc.kept || *passes != tc.passes || w.installed[name] != after {
				t.Errorf("before %v, after %v, installed %v, %d passes are asked for", before, after, w.installed[name], *passes)
			}
			var want *maintenanceKind
			if tc.after != "" {
				want = &maintenanceKind{gvk: medik8sMaintenance, uid: tc.after}
			}
			if diff := cmp.Diff(want, after, cmp.AllowUnexported(maintenanceKind{})); diff != "" {
				t.Errorf("the kind (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.removed, c.removed); diff != "" {
				t.Errorf("the informers that end (-want +got):\n%s", diff)
			}
		})
	}
}
