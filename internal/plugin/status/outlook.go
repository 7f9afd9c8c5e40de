package status

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

// Forecast asks the forecast. It reads more of the cluster than the rest of the command does. What may not be read is not an error: then
// nothing is known. A namespace says where the operator runs; without one it is looked for.
func Forecast(namespace string) overview.Forecast {
	return func(ctx context.Context, cluster client.Reader, now time.Time) *overview.Outlook {
		found, err := objects.Read(ctx, cluster, namespace, now)
		if err != nil {
			return nil
		}
		return outlookOf(forecast.Compute(forecast.Input{Snapshot: found.Snapshot(now), Now: now}))
	}
}

func (c *command) outlook() overview.Forecast {
	if c.Config == nil || c.Config.Namespace == nil {
		return Forecast("")
	}
	return Forecast(*c.Config.Namespace)
}

// outlookOf is what a forecast says about nodes that wait, and about the end.
func outlookOf(f *forecast.Forecast) *overview.Outlook {
	o := &overview.Outlook{Turns: map[string]overview.Turn{}, Finish: map[string]time.Time{}, Unknown: map[string]int{}}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		if n.State != forecast.Waiting || n.Position == 0 {
			continue
		}
		o.Turns[n.Name] = overview.Turn{
			Position: n.Position, Of: n.Of, Start: overview.At(n.Start.Median()), Back: overview.At(n.Back.Median()),
		}
	}
	for i := range f.Policies {
		p := &f.Policies[i]
		o.Finish[p.Name], o.Unknown[p.Name] = p.Finish.Median(), p.Unknown
	}
	return o
}
