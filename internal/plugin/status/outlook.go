package status

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

// outlook asks the forecast. It reads more of the cluster than the rest of the command does. What may not be read is no error: then nothing
// is known.
func (c *command) outlook(ctx context.Context, cluster client.Reader, now time.Time) *overview.Outlook {
	namespace := ""
	if c.Config != nil && c.Config.Namespace != nil {
		namespace = *c.Config.Namespace
	}
	found, err := objects.Read(ctx, cluster, namespace, now)
	if err != nil {
		return nil
	}
	return outlookOf(forecast.Compute(forecast.Input{Snapshot: found.Snapshot(now), Now: now}))
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
