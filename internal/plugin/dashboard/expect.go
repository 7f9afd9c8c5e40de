package dashboard

import (
	"context"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
)

// Forecast computes what is expected, and says in sentences what it could not read.
type Forecast func(ctx context.Context, c client.Reader, namespace string, now time.Time) (*forecast.Forecast, []string, error)

// expect computes what is expected of a cluster as it is.
func expect(ctx context.Context, c client.Reader, namespace string, now time.Time) (f *forecast.Forecast, unknown []string, err error) {
	cluster, err := objects.Read(ctx, c, namespace, now)
	if err != nil {
		return nil, nil, err
	}
	return forecast.Compute(forecast.Input{Snapshot: cluster.Snapshot(now), Now: now}), cluster.Unknown, nil
}

// Expect is what is expected of a fleet, as a chart takes it, and sentences about what is not known of that.
func Expect(ctx context.Context, a *app.App, c client.Reader, fleet *app.Fleet) ([]history.Expected, []string) {
	e := expectAny(ctx, a, c, fleet)
	return Expected(e.forecast), e.notes()
}

// expectAny makes a forecast if any node needs a reboot.
func expectAny(ctx context.Context, a *app.App, c client.Reader, fleet *app.Fleet) (e expectation) {
	if anyOpen(fleet) {
		e.forecast, e.unknown, e.err = expect(ctx, c, ptr.Deref(a.Config.Namespace, ""), a.Clock.Now())
	}
	return e
}

// expectation is what a forecast came to.
type expectation struct {
	forecast *forecast.Forecast
	unknown  []string
	err      error
}

// notes say what is wrong with it.
func (e *expectation) notes() []string {
	if e.err != nil {
		return []string{"There is no forecast: " + sentence(e.err.Error())}
	}
	return e.unknown
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
		// A forecast of a large cluster cannot be stopped. Nobody waits for it when the command ends.
		result := make(chan expectation, 1)
		go func() {
			var e expectation
			e.forecast, e.unknown, e.err = f.forecast(ctx, f.client, f.namespace(), f.app.Clock.Now())
			result <- e
		}()
		select {
		case <-ctx.Done():
			return
		case e := <-result:
			f.expect(e)
		}
		select {
		case <-ctx.Done():
			return
		case <-f.clock.After(max(forecastPause, 9*f.clock.Since(began))):
		}
	}
}

// expect takes a forecast. One that failed leaves none: an old one would be wrong.
func (f *feed) expect(e expectation) {
	f.mu.Lock()
	f.expected = e
	f.mu.Unlock()
	signal(f.made)
}
