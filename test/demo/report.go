package demo

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// print writes the summary for people.
func (r *result) print(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(table, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	_, _ = fmt.Fprintln(out, "\nSummary")
	row("Nodes rebooted and proved", "%d of %d (another boot ID, Ready, sentinel gone)", r.proved(), len(r.summary.Reboots))
	for _, policy := range slices.Sorted(maps.Keys(r.summary.DownByPolicy)) {
		row("Most nodes down at once", "%d of policy %s, which allows %d", r.summary.DownByPolicy[policy].Count, policy, r.maxUnavailable)
	}
	for _, zone := range slices.Sorted(maps.Keys(r.summary.DownByZone)) {
		row("", "%d in zone %s", r.summary.DownByZone[zone].Count, zone)
	}
	row("Order of zones", "%s", r.order())
	row("Zones under way at once", "%d", r.summary.ZonesUnderWay.Count)
	r.printTimes(row)
	for _, app := range r.summary.Apps {
		r.printApp(row, app)
	}
	row("Makespan", "%s; no scheduler needs less than %s under the same policy and budgets (%.2f times that)",
		round(r.summary.Makespan), round(r.bound), r.summary.Makespan.Seconds()/max(r.bound.Seconds(), 0.001))
	row("Forecast", "%s", r.forecast)
	r.printWrites(row)
	row("Writes while idle", "%d in %s", len(r.idleWrites), idleTime)
	_ = table.Flush()
	if broken := r.broken(); len(broken) > 0 {
		_, _ = fmt.Fprintf(out, "\nBroken promises:\n  %s\n", strings.Join(broken, "\n  "))
		return
	}
	_, _ = fmt.Fprintln(out, "\nEvery promise was kept.")
}

func (r *result) printTimes(row func(name, format string, args ...any)) {
	for _, column := range []struct {
		name string
		of   func(testbed.RebootSummary) *time.Duration
	}{
		{"Sentinel to taint", func(s testbed.RebootSummary) *time.Duration { return s.SentinelToTaint }},
		{"Taint lead (taint to drain)", func(s testbed.RebootSummary) *time.Duration { return s.TaintLead }},
		{"Drain", func(s testbed.RebootSummary) *time.Duration { return s.Drain }},
		{"Host down", func(s testbed.RebootSummary) *time.Duration { return s.Downtime }},
		{"Recovery (host up to slot free)", func(s testbed.RebootSummary) *time.Duration { return s.Recovery }},
	} {
		var times []time.Duration
		for _, reboot := range r.summary.Reboots {
			if t := column.of(reboot); t != nil {
				times = append(times, *t)
			}
		}
		if len(times) == 0 {
			row(column.name, "never seen")
			continue
		}
		slices.Sort(times)
		row(column.name, "median %s, longest %s", round(times[len(times)/2]), round(times[len(times)-1]))
	}
}

func (r *result) printApp(row func(name, format string, args ...any), app testbed.AppSummary) {
	least, judged := r.minAvailable[app.App.Name]
	if !judged {
		return
	}
	row(app.App.String(), "least ready %d of %d (at least %d promised); %d evictions, at most %d of one replica",
		app.LeastReady, app.Replicas, least, app.Evictions, app.MostEvictions)
}

func (r *result) printWrites(row func(name, format string, args ...any)) {
	total, events := 0, 0
	for kind, count := range r.writes {
		total += count
		if strings.HasSuffix(kind, " events") {
			events += count
		}
	}
	reboots := float64(max(len(r.summary.Reboots), 1))
	row("API writes per reboot", "%.1f, and %.1f events (without evictions, with what says why nodes wait while paused)",
		float64(total-events)/reboots, float64(events)/reboots)
	for _, kind := range slices.Sorted(maps.Keys(r.writes)) {
		row("", "%.1f %s", float64(r.writes[kind])/reboots, kind)
	}
}

func (r *result) proved() int {
	count := 0
	for _, reboot := range r.summary.Reboots {
		if reboot.Outcome == v1alpha1.OutcomeSucceeded && reboot.Reason == v1alpha1.ReasonProved && reboot.Before.BootID != reboot.After.BootID {
			count++
		}
	}
	return count
}

func (r *result) order() string {
	var parts []string
	for _, visit := range r.summary.Visits {
		name := visit.Zone
		if visit.ControlPlane {
			name += " (control plane)"
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}
