package dashboard

import (
	"context"
	"fmt"
	"io"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

// WriteFile writes the page of a cluster as one file. The input says from when to when, and about which nodes and policies. One that ends
// now also has what is expected, as the served page has it.
func WriteFile(ctx context.Context, a *app.App, c client.Reader, w io.Writer, fleet *app.Fleet, about *history.Input) error {
	installed := install.Read(ctx, c, ptr.Deref(a.Config.Namespace, ""))
	in := &Input{Cluster: a.ContextName(), Fleet: fleet, Zone: a.Zone, Installed: installed}
	if about.To.Before(about.Now) {
		in.Chart = history.Build(about)
		in.Notes = []string{fmt.Sprintf("The timeline ends at %s: what is expected, and nodes to which nothing happened, are left out.",
			about.To.In(a.Zone).Format(time.DateTime+" MST"))}
		return WritePage(w, in)
	}
	e := expectAny(ctx, a, c, fleet)
	of := chartInput(fleet, e.forecast, about.From, about.Now, a.Zone)
	of.Events, of.OnlyNodes, of.OnlyPolicies = about.Events, about.OnlyNodes, about.OnlyPolicies
	in.Forecast, in.Notes, in.Chart = e.forecast, e.notes(), history.Build(of)
	return WritePage(w, in)
}
