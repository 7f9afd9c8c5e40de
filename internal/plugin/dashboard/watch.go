package dashboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 10 * time.Second
	// forbiddenRetry is after how long something is asked for again that may not be read.
	forbiddenRetry = 30 * time.Second
	// doubt is for how long a refusal is taken for an outage of what was read before: an API server that has just started may refuse everyone.
	doubt = 5 * time.Second
	chunk = 500
)

// errClosed is a watch that ended at once.
var errClosed = errors.New("the API server ended the watch at once")

// watcher keeps the objects of the cluster up to date, as far as the person may read them.
type watcher struct {
	client client.WithWatch
	clock  clock.WithTicker
	kinds  []*kind
	// changed has an element if something changed since it was taken out.
	changed chan struct{}
	mu      sync.Mutex
}

// kind is one kind of objects that is watched.
type kind struct {
	// plural is what the kind is called, and lacks is what the page lacks without it.
	plural, lacks string
	list          func() client.ObjectList
	// The rest changes.
	objects map[string]client.Object
	// read says that the objects are known. denied is why they may not be read; failing is since when they cannot be, and why.
	read    bool
	denied  string
	failing time.Time
	why     string
	// listed says that the last list worked, and refused since when a list or a watch has not been allowed.
	listed  bool
	refused time.Time
}

func newWatcher(c client.WithWatch, clocks clock.WithTicker) *watcher {
	return &watcher{client: c, clock: clocks, changed: make(chan struct{}, 1), kinds: []*kind{
		{
			plural: "RebootPolicies", lacks: "policies and windows are missing",
			list: func() client.ObjectList { return &v1alpha1.RebootPolicyList{} },
		},
		{plural: "NodeReboots", lacks: "all reboots are missing", list: func() client.ObjectList { return &v1alpha1.NodeRebootList{} }},
		{
			plural: "Nodes", lacks: "nodes to which nothing happened are missing, and zones are those of NodeReboots",
			list: func() client.ObjectList { return &corev1.NodeList{} },
		},
	}}
}

// run watches until the context ends.
func (w *watcher) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, k := range w.kinds {
		all.Go(func() { w.follow(ctx, k) })
	}
	all.Wait()
}

func (w *watcher) follow(ctx context.Context, k *kind) {
	retry := firstRetry
	for ctx.Err() == nil {
		began := w.clock.Now()
		err := w.listAndWatch(ctx, k)
		if err == nil || ctx.Err() != nil {
			continue
		}
		if w.clock.Since(began) > lastRetry {
			retry = firstRetry
		}
		if denied := w.fail(k, err); denied {
			retry = forbiddenRetry
		}
		select {
		case <-ctx.Done():
		case <-w.clock.After(retry):
		}
		retry = min(2*retry, lastRetry)
	}
}

// fail notes why a kind cannot be read. It returns whether that is a matter of permissions, or the kind is not there.
func (w *watcher) fail(k *kind, err error) (denied bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer signal(w.changed)
	if apierrors.IsForbidden(err) || meta.IsNoMatchError(err) {
		if k.refused.IsZero() {
			k.refused = w.clock.Now()
		}
		if !k.read || w.clock.Since(k.refused) >= doubt {
			k.deny(err)
			return true
		}
	}
	if k.failing.IsZero() {
		k.failing = w.clock.Now()
	}
	k.why = app.ReadError(k.plural, err).Error()
	return false
}

// deny notes that a kind may not be read, or only be listed.
func (k *kind) deny(err error) {
	k.failing = time.Time{}
	if k.listed {
		k.denied = fmt.Sprintf("You may list %s, but not watch them: changes are shown every %s.", k.plural, forbiddenRetry)
		return
	}
	k.objects, k.read = nil, false
	k.denied = sentence(app.ReadError(k.plural, err).Error()) + " On this page, " + k.lacks + "."
}

// allow notes that a kind may be read and watched.
func (w *watcher) allow(k *kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k.refused = (time.Time{}); k.denied != "" {
		k.denied = ""
		signal(w.changed)
	}
}

func sentence(text string) string {
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// listAndWatch reads a kind, and follows its changes. It returns nil if it has to be read again.
func (w *watcher) listAndWatch(ctx context.Context, k *kind) error {
	k.listed = false
	version, err := w.readAll(ctx, k)
	if err != nil {
		return err
	}
	k.listed = true
	for {
		began := w.clock.Now()
		changes, err := w.client.Watch(ctx, k.list(), &client.ListOptions{Raw: &metav1.ListOptions{
			ResourceVersion: version, AllowWatchBookmarks: true,
		}})
		if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		w.allow(k)
		next, err := w.take(ctx, k, changes, version)
		changes.Stop()
		switch {
		case ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
			return nil
		case err != nil:
			return err
		case next == version && w.clock.Since(began) < firstRetry:
			return errClosed
		}
		version = next
	}
}

// readAll reads a kind, in chunks.
func (w *watcher) readAll(ctx context.Context, k *kind) (version string, err error) {
	objects, next := map[string]client.Object{}, ""
	for {
		list := k.list()
		if err := w.client.List(ctx, list, &client.ListOptions{Limit: chunk, Continue: next}); err != nil {
			return "", err
		}
		if err := meta.EachListItem(list, func(item runtime.Object) error {
			object, is := item.(client.Object)
			if !is {
				return fmt.Errorf("a list has a %T", item)
			}
			objects[object.GetName()] = slim(object)
			return nil
		}); err != nil {
			return "", err
		}
		if version, next = list.GetResourceVersion(), list.GetContinue(); next == "" {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	k.objects, k.read, k.failing, k.why = objects, true, time.Time{}, ""
	signal(w.changed)
	return version, nil
}

// take takes the changes of a watch until it ends, and returns the version of the last one.
func (w *watcher) take(ctx context.Context, k *kind, changes watch.Interface, version string) (string, error) {
	for {
		select {
		case <-ctx.Done():
			return version, nil
		case change, open := <-changes.ResultChan():
			if !open {
				return version, nil
			}
			if change.Type == watch.Error {
				return version, apierrors.FromObject(change.Object)
			}
			object, is := change.Object.(client.Object)
			if !is {
				return version, fmt.Errorf("a watch sent a %T", change.Object)
			}
			version = object.GetResourceVersion()
			w.change(k, change.Type, object)
		}
	}
}

func (w *watcher) change(k *kind, of watch.EventType, object client.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch of {
	case watch.Added, watch.Modified:
		k.objects[object.GetName()] = slim(object)
	case watch.Deleted:
		delete(k.objects, object.GetName())
	default:
		return
	}
	signal(w.changed)
}

// slim drops what no page shows and is large.
func slim(object client.Object) client.Object {
	object.SetManagedFields(nil)
	if node, is := object.(*corev1.Node); is {
		node.Status.Images, node.Status.VolumesInUse, node.Status.VolumesAttached = nil, nil, nil
	}
	return object
}

// signal puts an element into a channel that has none.
func signal(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

// fleet is everything that is known, in the order of names, what may not be read, and whether all that may be has been.
func (w *watcher) fleet() (fleet *app.Fleet, notes []string, complete bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fleet, complete = &app.Fleet{}, true
	for _, k := range w.kinds {
		if k.denied != "" {
			notes = append(notes, k.denied)
		}
		complete = complete && (k.read || k.denied != "")
		for _, object := range k.objects {
			switch o := object.(type) {
			case *v1alpha1.RebootPolicy:
				fleet.Policies = append(fleet.Policies, *o)
			case *v1alpha1.NodeReboot:
				fleet.Reboots = append(fleet.Reboots, *o)
			case *corev1.Node:
				fleet.Nodes = append(fleet.Nodes, *o)
			}
		}
	}
	slices.SortFunc(fleet.Policies, func(a, b v1alpha1.RebootPolicy) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(fleet.Reboots, func(a, b v1alpha1.NodeReboot) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(fleet.Nodes, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	return fleet, slices.Compact(notes), complete
}

// state says whether everything that may be read is up to date.
func (w *watcher) state() Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := Server{Live: true}
	for _, k := range w.kinds {
		if k.failing.IsZero() {
			continue
		}
		if since := k.failing.UnixMilli(); state.Live || since < state.Since {
			state = Server{Since: since, Why: k.why}
		}
	}
	return state
}
