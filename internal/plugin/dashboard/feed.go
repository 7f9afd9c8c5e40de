package dashboard

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/forecast"
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
	expected *forecast.Forecast
	trouble  string
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
	if f.forecast != nil {
		all.Go(func() { f.forecastAll(ctx) })
	}
	all.Wait()
}

// publishAll makes a document after each burst of changes.
func (f *feed) publishAll(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-f.watcher.changed:
			signal(f.ask)
		case <-f.made:
		case <-f.clock.After(again):
			signal(f.ask)
		}
		began := f.clock.Now()
		f.publish()
		select {
		case <-ctx.Done():
		case <-f.clock.After(max(gather, 4*f.clock.Since(began))):
		}
	}
}

func (f *feed) publish() {
	fleet, notes, complete := f.watcher.fleet()
	if complete {
		f.mu.Lock()
		expected, trouble := f.expected, f.trouble
		f.mu.Unlock()
		if trouble != "" {
			notes = append(notes, trouble)
		}
		now := f.app.Clock.Now()
		in := &Input{
			Cluster: f.cluster, Fleet: fleet, Forecast: expected, Notes: notes, Zone: f.app.Zone,
			Chart: MakeChart(fleet, expected, now.Add(-f.since), now, f.app.Zone),
		}
		if err := f.hub.publish(in); err != nil {
			f.hub.setServer(Server{Since: now.UnixMilli(), Why: err.Error()})
			return
		}
	}
	f.hub.setServer(f.watcher.state())
}

// forecastAll makes a forecast after changes, and spends a tenth of the time on that at most.
func (f *feed) forecastAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.ask:
		}
		began := f.clock.Now()
		expected, err := f.forecast(ctx, f.client, f.app.Clock.Now())
		if ctx.Err() != nil {
			return
		}
		f.keep(expected, err)
		signal(f.made)
		select {
		case <-ctx.Done():
			return
		case <-f.clock.After(max(forecastPause, 9*f.clock.Since(began))):
		}
	}
}

// keep takes a forecast. One that failed leaves none: an old one would be wrong.
func (f *feed) keep(expected *forecast.Forecast, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expected, f.trouble = expected, ""
	if err != nil {
		f.expected, f.trouble = nil, "There is no forecast: "+err.Error()+"."
	}
}

// installed is what of the operator runs. It is read when someone asks for a node, and not more often than every few seconds.
func (f *feed) installed(ctx context.Context) *install.Installation {
	f.installation.Lock()
	defer f.installation.Unlock()
	if f.found == nil || f.clock.Since(f.looked) > installedLife {
		// Whoever asks next gets this, too, also if the first one has gone meanwhile.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), installedLife)
		defer cancel()
		f.found, f.looked = install.Read(ctx, f.client, ptr.Deref(f.app.Config.Namespace, "")), f.clock.Now()
	}
	return f.found
}
