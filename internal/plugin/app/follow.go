package app

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Change is something that happened to the objects of one list that is followed.
type Change struct {
	// List is what is followed, as it was given to Follow.
	List client.ObjectList
	// Reset has all objects: what is not in it is gone. It comes first, and again when changes may have been missed.
	Reset []client.Object
	// Set was created or changed, and Gone was deleted.
	Set, Gone client.Object
	// Trouble says why nothing is heard at the moment; it is tried again.
	Trouble error
}

// The time until a request that failed is made again doubles from the one to the other.
const (
	firstPause = 200 * time.Millisecond
	longPause  = 10 * time.Second
	// longRefused is how long a login that is not accepted may be tried again: it may be renewed in the meantime.
	longRefused = time.Minute
)

// Follow reads lists and watches them until the context ends. A watch that ends continues where it was; when the API server no longer knows
// that place, the list is read again. What a person may not read or watch ends it with an error, and so do kinds that the cluster lacks and
// a login that is not accepted, before anything was read; later, a login that is not accepted for a minute. The lists say what kinds are
// followed; they stay as they are.
func Follow(ctx context.Context, c client.WithWatch, see func(Change) (done bool), lists ...client.ObjectList) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, ended := make(chan Change), make(chan error)
	for _, list := range lists {
		f := &follower{Client: c, list: list, changes: changes}
		go func() {
			select {
			case ended <- f.run(ctx):
			case <-ctx.Done():
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-ended:
			return err
		case change := <-changes:
			if see(change) {
				return nil
			}
		}
	}
}

// follower follows one list.
type follower struct {
	Client  client.WithWatch
	list    client.ObjectList
	changes chan<- Change
	// version is the place in the history up to which everything was seen; empty if the list has to be read.
	version string
	// pause until the next try.
	pause time.Duration
	// known says that the list was read once.
	known bool
	// refused is how long the login has not been accepted.
	refused time.Duration
}

func (f *follower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		var err error
		if f.version == "" {
			err = f.read(ctx)
		} else {
			err = f.watch(ctx)
		}
		switch {
		case err == nil:
			f.pause, f.refused = 0, 0
			continue
		case apierrors.IsGone(err) || apierrors.IsResourceExpired(err):
			f.version = ""
		case f.final(err):
			return ReadError(kindOf(f.list), err)
		case errors.Is(err, errEnded):
			f.refused = 0
		case ctx.Err() == nil:
			f.tell(ctx, Change{Trouble: err})
		}
		f.wait(ctx)
		if apierrors.IsUnauthorized(err) {
			f.refused += f.pause
		}
	}
	return context.Cause(ctx)
}

// final says that it is of no use to try again.
func (f *follower) final(err error) bool {
	switch {
	case apierrors.IsForbidden(err):
		return true
	case apierrors.IsUnauthorized(err):
		return !f.known || f.refused >= longRefused
	}
	return !f.known && meta.IsNoMatchError(err)
}

// wait until the next try; longer each time.
func (f *follower) wait(ctx context.Context) {
	f.pause = min(max(firstPause, 2*f.pause), longPause)
	pause, cancel := context.WithTimeout(ctx, f.pause)
	defer cancel()
	<-pause.Done()
}

func (f *follower) tell(ctx context.Context, change Change) {
	change.List = f.list
	select {
	case f.changes <- change:
	case <-ctx.Done():
	}
}

func (f *follower) empty() client.ObjectList { return f.list.DeepCopyObject().(client.ObjectList) }

func (f *follower) read(ctx context.Context) error {
	list := f.empty()
	if err := f.Client.List(ctx, list); err != nil {
		return err
	}
	reset := []client.Object{}
	err := meta.EachListItem(list, func(item runtime.Object) error {
		reset = append(reset, item.(client.Object))
		return nil
	})
	if err != nil {
		return err
	}
	f.known, f.version = true, list.GetResourceVersion()
	if f.version == "" {
		f.version = "0"
	}
	f.tell(ctx, Change{Reset: reset})
	return nil
}

// errEnded says that a watch ended before it brought anything, as it does when the API server stops.
var errEnded = errors.New("the watch ended")

// watch returns no error if the watch ended as watches do.
func (f *follower) watch(ctx context.Context) error {
	options := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: f.version, AllowWatchBookmarks: true}}
	watching, err := f.Client.Watch(ctx, f.empty(), options)
	if err != nil {
		return err
	}
	defer watching.Stop()
	ended := errEnded
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, open := <-watching.ResultChan():
			if !open {
				return ended
			}
			if event.Type == watch.Error {
				return apierrors.FromObject(event.Object)
			}
			ended = nil
			f.event(ctx, event)
		}
	}
}

func (f *follower) event(ctx context.Context, event watch.Event) {
	object, is := event.Object.(client.Object)
	if !is {
		return
	}
	if version := object.GetResourceVersion(); version != "" {
		f.version = version
	}
	switch event.Type {
	case watch.Added, watch.Modified:
		f.tell(ctx, Change{Set: object})
	case watch.Deleted:
		f.tell(ctx, Change{Gone: object})
	}
}

// kindOf names what a list has, for people.
func kindOf(list client.ObjectList) string {
	scheme, err := Scheme()
	if err != nil {
		return "objects"
	}
	kinds, _, err := scheme.ObjectKinds(list)
	if err != nil {
		return "objects"
	}
	return kinds[0].Kind[:len(kinds[0].Kind)-len("List")] + "s"
}
