// Package feed reports changes in a cluster: it lists RebootPolicies and NodeReboots, watches them, and continues whatever happens to the
// connection.
package feed

import (
	"context"
	"fmt"
	"time"

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

// Kind of objects.
type Kind string

// The kinds that are watched.
const (
	Policies Kind = "RebootPolicies"
	Reboots  Kind = "NodeReboots"
)

// Update is one thing that was seen.
type Update struct {
	Kind Kind
	// Listed says that Objects are all that there are. Otherwise they are those that are there or have changed.
	Listed  bool
	Objects []client.Object
	// Deleted are those that are gone.
	Deleted []client.Object
	// Lost says that nothing has been seen since Since; nil that the cluster is seen.
	Lost  error
	Since time.Time
}

const (
	// listTime bounds a list.
	listTime = 30 * time.Second
	// firstWait and lastWait are how long it waits before it tries again, at first and at most.
	firstWait = 500 * time.Millisecond
	lastWait  = 10 * time.Second
	// buffer is how many updates may wait for who reads them.
	buffer = 1024
)

// Feed follows a cluster.
type Feed struct {
	cluster client.WithWatch
	clock   clock.WithTicker
	updates chan Update
}

// New is a feed of a cluster.
func New(cluster client.WithWatch, c clock.WithTicker) *Feed {
	return &Feed{cluster: cluster, clock: c, updates: make(chan Update, buffer)}
}

// Updates are what is seen. The first two are lists.
func (f *Feed) Updates() <-chan Update { return f.updates }

// Start lists both kinds and follows them until the context ends. A cluster that cannot be listed at all is an error.
func (f *Feed) Start(ctx context.Context) error {
	lanes := []*lane{
		{Feed: f, kind: Policies, empty: func() client.ObjectList { return &v1alpha1.RebootPolicyList{} }},
		{Feed: f, kind: Reboots, empty: func() client.ObjectList { return &v1alpha1.NodeRebootList{} }},
	}
	for _, l := range lanes {
		if err := l.list(ctx); err != nil {
			return app.ReadError(string(l.kind), err)
		}
	}
	for _, l := range lanes {
		go l.follow(ctx)
	}
	return nil
}

// lane follows one kind.
type lane struct {
	*Feed
	kind  Kind
	empty func() client.ObjectList
	// version up to which changes were seen.
	version string
	// seen is when the cluster was seen last, and blind that it is not seen now.
	seen  time.Time
	blind bool
	// wait is how long it waited before it tried again last.
	wait time.Duration
}

func (l *lane) send(ctx context.Context, u Update) {
	u.Kind = l.kind
	select {
	case l.updates <- u:
	case <-ctx.Done():
	}
}

// list reads all objects.
func (l *lane) list(ctx context.Context) error {
	list := l.empty()
	// Only the list is bounded. The reader of the update may take longer.
	bounded, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	if err := l.cluster.List(bounded, list); err != nil {
		return err
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	l.version, l.seen = list.GetResourceVersion(), l.clock.Now()
	l.send(ctx, Update{Listed: true, Objects: objects(items)})
	return nil
}

func objects(items []runtime.Object) []client.Object {
	all := make([]client.Object, 0, len(items))
	for _, item := range items {
		if object, is := item.(client.Object); is {
			all = append(all, object)
		}
	}
	return all
}

// follow watches, and lists again whenever a watch fails.
func (l *lane) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.watch(ctx)
		// A watch that the API server ends continues from where it was.
		for err != nil && ctx.Err() == nil {
			if !expired(err) {
				l.lost(ctx, err)
				l.pause(ctx)
			}
			if err = l.list(ctx); expired(err) {
				l.pause(ctx)
			}
		}
	}
}

// expired says that the version is too old to be watched from.
func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// lost says so, and since when.
func (l *lane) lost(ctx context.Context, err error) {
	l.blind = true
	l.send(ctx, Update{Lost: err, Since: l.seen})
}

// found says that the cluster is seen.
func (l *lane) found(ctx context.Context) {
	l.seen = l.clock.Now()
	if l.blind {
		l.blind = false
		l.send(ctx, Update{})
	}
}

// pause waits before the next try, longer each time.
func (l *lane) pause(ctx context.Context) {
	l.wait = min(max(2*l.wait, firstWait), lastWait)
	timer := l.clock.NewTimer(l.wait)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}

// watch sends what changes, until the watch ends.
func (l *lane) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watcher, err := l.cluster.Watch(ctx, l.empty(), &client.ListOptions{
		Raw: &metav1.ListOptions{ResourceVersion: l.version, AllowWatchBookmarks: true},
	})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	l.found(ctx)
	begun := l.clock.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, more := <-watcher.ResultChan():
			if !more {
				return l.ended(ctx, begun)
			}
			if err := l.take(ctx, event); err != nil {
				return err
			}
		}
	}
}

// ended is the end of a watch that began then. One that ends at once would be asked for repeatedly.
func (l *lane) ended(ctx context.Context, begun time.Time) error {
	l.seen = l.clock.Now()
	if l.clock.Since(begun) < lastWait {
		l.pause(ctx)
		return nil
	}
	l.wait = 0
	return nil
}

func (l *lane) take(ctx context.Context, event watch.Event) error {
	l.seen = l.clock.Now()
	if event.Type == watch.Error {
		return apierrors.FromObject(event.Object)
	}
	object, is := event.Object.(client.Object)
	if !is {
		return fmt.Errorf("the API server sends a %T", event.Object)
	}
	if version := object.GetResourceVersion(); version != "" {
		l.version = version
	}
	l.wait = 0
	switch event.Type {
	case watch.Added, watch.Modified:
		l.send(ctx, Update{Objects: []client.Object{object}})
	case watch.Deleted:
		l.send(ctx, Update{Deleted: []client.Object{object}})
	}
	return nil
}
