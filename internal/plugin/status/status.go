// Package status is the command that shows how policies and their nodes stand, once or live.
package status

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/live"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

const about = `Show the status of RebootPolicies and their nodes: what is under way, what waits for what, and until when.

NodeReboots that have finished are hidden; --all shows them. Times are in your time zone. Unknown values stay blank.
With --watch it is a live view on a terminal, and a line for every change elsewhere.`

const examples = `  # All policies
  kubectl reboots status

  # One policy, with messages
  kubectl reboots status workers -o wide

  # Live
  kubectl reboots status --watch`

// next is how many waiting nodes of a policy are shown.
const next = 10

type command struct {
	*app.App
	output string
	all    bool
	watch  bool
	next   int
	// forecast looks ahead.
	forecast bool
}

// Command shows how policies and their nodes stand.
func Command(a *app.App) *cobra.Command {
	c := &command{App: a}
	cmd := &cobra.Command{
		Use: "status [POLICY...]", Short: "Show the status of policies and their nodes", Long: about, Example: examples,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
		ValidArgsFunction: a.CompleteNames(app.PolicyKind),
	}
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "Output format: json, yaml, name or wide")
	cmd.Flags().BoolVar(&c.all, "all", false, "Also show NodeReboots that have finished")
	cmd.Flags().BoolVarP(&c.watch, "watch", "w", false, "Keep running, and show changes")
	cmd.Flags().IntVar(&c.next, "next", next, "How many waiting nodes of each policy are shown; 0 for all")
	cmd.Flags().BoolVar(&c.forecast, "forecast", true,
		"Show when nodes are expected to reboot; false reads less from the cluster, and leaves out the columns QUEUE and EXPECTED")
	return cmd
}

func (c *command) run(ctx context.Context, names []string) error {
	if err := c.check(); err != nil {
		return err
	}
	cluster, err := c.Connect()
	if err != nil {
		return err
	}
	if c.watch {
		options := live.Options{Policies: names, Check: func(o *overview.Overview) error { return Known(o, names) }}
		if c.forecast {
			options.Forecast = c.outlook()
		}
		return live.Run(ctx, c.App, cluster, options)
	}
	o, err := c.read(ctx, cluster, names)
	if err != nil {
		return err
	}
	return c.write(o)
}

func (c *command) check() error {
	switch {
	case !slices.Contains([]string{"", "json", "yaml", "name", "wide"}, c.output):
		return app.UsageError{Err: fmt.Errorf("-o %s: write json, yaml, name or wide", c.output)}
	case c.watch && c.output != "":
		return app.UsageError{Err: fmt.Errorf("--watch and -o %s cannot be combined: remove one of them", c.output)}
	case c.watch && c.all:
		return app.UsageError{Err: fmt.Errorf("--watch and --all cannot be combined: remove one of them")}
	case c.next < 0:
		return app.UsageError{Err: fmt.Errorf("--next %d: write how many waiting nodes to show, or 0 for all", c.next)}
	}
	return nil
}

// read reads what the overview is made of.
func (c *command) read(ctx context.Context, cluster client.Reader, names []string) (*overview.Overview, error) {
	var policies v1alpha1.RebootPolicyList
	if err := cluster.List(ctx, &policies); err != nil {
		return nil, app.ReadError("RebootPolicies", err)
	}
	var reboots v1alpha1.NodeRebootList
	if err := cluster.List(ctx, &reboots); err != nil {
		return nil, app.ReadError("NodeReboots", err)
	}
	now := c.Clock.Now()
	var outlook *overview.Outlook
	if c.forecast && slices.ContainsFunc(reboots.Items, func(r v1alpha1.NodeReboot) bool { return !overview.Over(&r) }) {
		outlook = c.outlook()(ctx, cluster, now)
	}
	o := overview.Of(pointers(policies.Items), pointers(reboots.Items), outlook, now)
	if err := Known(o, names); err != nil {
		return nil, err
	}
	o.Only(names)
	return o, nil
}

// Known says which of the names are no RebootPolicies.
func Known(o *overview.Overview, names []string) error {
	var known, unknown []string
	for i := range o.Policies {
		if !o.Policies[i].Missing {
			known = append(known, o.Policies[i].Name)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	switch {
	case len(unknown) == 0:
		return nil
	case len(known) == 0:
		return fmt.Errorf("there is no RebootPolicy %s: there are none", strings.Join(unknown, ", "))
	}
	slices.Sort(known)
	const most = 10
	if more := len(known) - most; more > 0 {
		known = append(known[:most:most], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("there is no RebootPolicy %s; there are %s", strings.Join(unknown, ", "), strings.Join(known, ", "))
}

func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}
