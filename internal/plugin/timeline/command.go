// Package timeline is the command that shows what happened: as bars in the terminal, as an SVG or as JSON.
package timeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/dashboard"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

const (
	about = `Show what happened to nodes, and what is expected: as bars on a time axis, by zone.

Without a name it shows all nodes. A name is the name of a node, a RebootPolicy or a NodeReboot. For a single node each of its
NodeReboots has a line, and what happened follows in sentences, with the Events that can be read.

If a NodeReboot has several attempts, only the last one is recorded in full. A timeline that ends in the future (--until +4h) has the
forecast of "kubectl reboots plan".`

	examples = `  # the last 24 hours
  kubectl reboots timeline

  # what happened to a node in the last week
  kubectl reboots timeline worker-17 --since 7d

  # the last hour and the next four
  kubectl reboots timeline --since 1h --until +4h

  # a night, as a picture
  kubectl reboots timeline all-nodes --since 22:00 --until 06:00 -o svg > night.svg

  # the last week, as a page to click through
  kubectl reboots timeline --since 7d -o html > week.html`

	defaultSince = "24h"
	// eventPage and eventPages bound how many Events are read.
	eventPage, eventPages = 500, 40
)

// options of the command line.
type options struct {
	since, until, output string
}

// shown is a chart, and what it was made of.
type shown struct {
	*app.App
	cluster client.Reader
	fleet   *app.Fleet
	in      *history.Input
	chart   *history.Chart
}

// writers write a chart, by the value of -o.
var writers = map[string]func(context.Context, *shown, io.Writer) error{
	"text": func(_ context.Context, s *shown, w io.Writer) error { return writeText(s.App, w, s.chart) },
	"json": func(_ context.Context, s *shown, w io.Writer) error { return writeJSON(w, s.chart) },
	"svg":  func(_ context.Context, s *shown, w io.Writer) error { return writeSVG(s.App, w, s.chart) },
	"html": writeHTML,
}

const outputs = "text, json, svg or html"

// Command is the command.
func Command(a *app.App) *cobra.Command {
	var o options
	command := &cobra.Command{
		Use: "timeline [NODE|POLICY]...", Short: "Show what happened, on a time axis", Long: about, Example: examples,
		ValidArgsFunction: a.Complete(app.NodeKind, app.RebootKind, app.PolicyKind),
		RunE:              func(command *cobra.Command, args []string) error { return run(command.Context(), a, &o, args) },
	}
	flags := command.Flags()
	flags.StringVar(&o.since, "since", "", "Where to start: how long ago (90m, 24h, 7d) or a time (22:00, 2026-03-01, 2026-03-01T22:00:00Z); "+
		"without it the last "+defaultSince+", or from the first thing that happened in them")
	flags.StringVar(&o.until, "until", "now", "Where to end, written as for --since, or how long from now (+4h)")
	flags.StringVarP(&o.output, "output", "o", "text", "What to write: "+outputs)
	return command
}

func run(ctx context.Context, a *app.App, o *options, args []string) error {
	write, known := writers[o.output]
	if !known {
		return app.UsageError{Err: fmt.Errorf("--output %q: write %s", o.output, outputs)}
	}
	in := &history.Input{Now: a.Clock.Now(), Zone: a.Zone}
	if err := o.times(in); err != nil {
		return app.UsageError{Err: err}
	}
	c, err := a.Connect()
	if err != nil {
		return err
	}
	fleet, err := app.ReadFleet(ctx, c)
	if err != nil {
		return err
	}
	found, err := knownNames(fleet).find(args)
	if err != nil {
		return err
	}
	in.Policies, in.Reboots, in.Nodes = fleet.Policies, fleet.Reboots, fleet.Nodes
	in.OnlyNodes, in.OnlyPolicies = found.nodes, found.policies
	in.Stories = o.output == "json" || o.output == "text" && len(found.nodes) == 1 && len(found.policies) == 0
	var notes []string
	if in.To.After(in.Now) && o.output != "html" { // a page expects by itself
		in.Forecast, notes = dashboard.Expect(ctx, a, c, fleet)
	}
	chart, err := o.chart(ctx, c, fleet, in)
	if err != nil {
		return err
	}
	chart.Notes = append(chart.Notes, notes...)
	return write(ctx, &shown{App: a, cluster: c, fleet: fleet, in: in, chart: chart}, a.Out)
}

// chart makes the chart, with the Events that it needs.
func (o *options) chart(ctx context.Context, c client.Reader, fleet *app.Fleet, in *history.Input) (*history.Chart, error) {
	lack := ""
	if in.Stories || repeated(fleet) {
		var err error
		if in.Events, lack, err = readEvents(ctx, c); err != nil {
			return nil, err
		}
	}
	chart := history.Build(in)
	if from := beginning(chart); o.since == "" && from.After(in.From) {
		in.From = from
		chart = history.Build(in)
	}
	if lack != "" && in.Stories {
		chart.Notes = append(chart.Notes, lack)
	}
	return chart, nil
}

// repeated says that there are NodeReboots of several attempts. When earlier ones were made only Events tell.
func repeated(fleet *app.Fleet) bool {
	return slices.ContainsFunc(fleet.Reboots, func(r v1alpha1.NodeReboot) bool {
		return r.Status.Attempt != nil && r.Status.Attempt.Number > 1
	})
}

// times reads from when to when.
func (o *options) times(in *history.Input) (err error) {
	if in.To, err = parseTime("until", o.until, in.Now, in.Zone); err != nil {
		return err
	}
	since := o.since
	if since == "" {
		in.From = in.To.Add(-24 * time.Hour)
		if in.To.After(in.Now) {
			in.From = in.Now.Add(-24 * time.Hour)
		}
		return nil
	}
	if in.From, err = parseTime("since", since, in.Now, in.Zone); err != nil {
		return err
	}
	if !in.From.Before(in.To) {
		return fmt.Errorf("--since %s is not before --until %s", since, o.until)
	}
	return nil
}

// beginning is when the first thing happened that is in a chart, and a little before.
func beginning(chart *history.Chart) time.Time {
	begin := chart.To
	for i := range chart.Lanes {
		for j := range chart.Lanes[i].Rows {
			row := &chart.Lanes[i].Rows[j]
			for k := range row.Bars {
				if row.Bars[k].Start.Before(begin) {
					begin = row.Bars[k].Start
				}
			}
			for k := range row.Marks {
				if row.Marks[k].Time.Before(begin) {
					begin = row.Marks[k].Time
				}
			}
		}
	}
	const before = 20
	if begin.Equal(chart.To) {
		return chart.From
	}
	return begin.Add(-chart.To.Sub(begin) / before).Truncate(time.Second)
}

// readEvents reads the Events about objects without a namespace. What cannot be read is not an error: it returns a sentence about it.
func readEvents(ctx context.Context, c client.Reader) (events []eventsv1.Event, lack string, err error) {
	next := ""
	for range eventPages {
		var list eventsv1.EventList
		if err := c.List(ctx, &list, client.InNamespace(corev1.NamespaceDefault), client.Limit(eventPage), client.Continue(next)); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return nil, "", errors.Join(cause, err)
			}
			return nil, "Events are left out: " + strings.TrimSuffix(app.ReadError("Events", err).Error(), ".") + ".", nil
		}
		events = append(events, list.Items...)
		if next = list.Continue; next == "" {
			return events, "", nil
		}
	}
	return events, fmt.Sprintf("There are more than %d Events; the rest is left out.", eventPage*eventPages), nil
}

// writeHTML writes the page of the dashboard, as a file.
func writeHTML(ctx context.Context, s *shown, w io.Writer) error {
	return dashboard.WriteFile(ctx, s.App, s.cluster, w, s.fleet, s.in)
}

func writeJSON(w io.Writer, chart *history.Chart) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(chart); err != nil {
		return fmt.Errorf("write the timeline: %w", err)
	}
	return nil
}
