package dashboard

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

const (
	// gather is how long changes are gathered before they are shown together. A large fleet takes longer to draw, and waits for four times
	// as long as that takes.
	gather = 100 * time.Millisecond
	// again is after how long the page is made again although nothing changed: the time that it is about moves.
	again = time.Minute
	// forecastPause is between two forecasts, and nine times as long as one took.
	forecastPause = 5 * time.Second
	// installedLife is for how long what was read of the installation is taken for true.
	installedLife = 15 * time.Second
)

// feed makes documents of what the watcher sees, and hands them to the hub.
type feed struct {
	parts
	app     *app.App
	client  client.WithWatch
	watcher *watcher
	hub     *hub
	cluster string
	since   time.Duration

	mu       sync.Mutex
	expected expectation
	// found is what of the operator runs, and looked when that was read.
	installation sync.Mutex
	found        *install.Installation
	looked       time.Time
	// ask has an element if the forecast is out of date, and made if there is another one.
	ask, made chan struct{}
}

func newFeed(a *app.App, c client.WithWatch, since time.Duration, p parts) *feed {
	return &feed{
		parts: p, app: a, client: c, since: since, watcher: newWatcher(c, p.clock), hub: newHub(), cluster: a.ContextName(),
		ask: make(chan struct{}, 1), made: make(chan struct{}, 1),
	}
}

// run works until the context ends.
func (f *feed) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { f.watcher.run(ctx) })
	all.Go(func() { f.publishAll(ctx) })
	all.Go(func() { f.forecastAll(ctx) })
	all.Wait()
}

// publishAll makes a document after each burst of changes.
func (f *feed) publishAll(ctx context.Context) {
	for ctx.Err() == nil {
		var stale bool
		select {
		case <-ctx.Done():
			return
		case <-f.watcher.changed:
			stale = true
		case <-f.made: // The forecast is not out of date.
		case <-f.clock.After(again):
			stale = true
		}
		began := f.clock.Now()
		if waits := f.publish(); waits && stale {
			signal(f.ask)
		}
		select {
		case <-ctx.Done():
		case <-f.clock.After(max(gather, 4*f.clock.Since(began))):
		}
	}
}

// publish shows what is known, and returns whether a forecast has something to say about it.
func (f *feed) publish() (waits bool) {
	fleet, notes, complete := f.watcher.fleet()
	if complete {
		f.mu.Lock()
		if waits = anyOpen(fleet); !waits {
			f.expected = expectation{}
		}
		expected := f.expected.forecast
		notes = append(notes, f.expected.notes()...)
		f.mu.Unlock()
		now := f.app.Clock.Now()
		in := &Input{
			Cluster: f.cluster, Fleet: fleet, Forecast: expected, Notes: notes, Zone: f.app.Zone,
			Chart: MakeChart(fleet, expected, now.Add(-f.since), now, f.app.Zone),
		}
		f.hub.publish(in)
	}
	f.hub.setServer(f.watcher.state())
	return waits
}

// anyOpen says whether there is a NodeReboot that has not ended.
func anyOpen(fleet *app.Fleet) bool {
	return slices.ContainsFunc(fleet.Reboots, func(r v1alpha1.NodeReboot) bool { return r.Status.CompletionTime == nil })
}

// namespace that the person named; empty if none.
func (f *feed) namespace() string { return ptr.Deref(f.app.Config.Namespace, "") }

// installed is what of the operator runs. It is read when someone asks for a node, and not more often than every few seconds.
func (f *feed) installed(ctx context.Context) *install.Installation {
	f.installation.Lock()
	defer f.installation.Unlock()
	if f.clock.Since(f.looked) > installedLife {
		// The next request gets this, too, even if the first client has gone in the meantime.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), installedLife)
		defer cancel()
		f.found, f.looked = install.Read(ctx, f.client, f.namespace()), f.clock.Now()
	}
	return f.found
}
