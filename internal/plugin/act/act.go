// Package act has the commands of the plugin that change something. Each command decides with pure functions what to do with one object,
// and says what it did and what happens next. It decides on one version of an object; if the object changed in the meantime, the API server
// refuses the write, and the command decides again.
package act

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// FieldManager owns the fields that the plugin writes.
const FieldManager = "kubectl-reboots"

// The values of --dry-run.
const (
	dryRunNone   = "none"
	dryRunClient = "client"
	dryRunServer = "server"
)

// defaultPatience is how long the manager has to say what happens next.
const defaultPatience = 5 * time.Second

// Commands are all that change something.
func Commands(a *app.App) []*cobra.Command {
	return []*cobra.Command{
		nowCommand(a), cancelCommand(a), approveCommand(a), denyCommand(a), pauseCommand(a), resumeCommand(a),
		skipCommand(a), unskipCommand(a), retryCommand(a),
	}
}

// options are the flags that all these commands have.
type options struct {
	*app.App
	selector string
	// selects is the selector, read.
	selects  labels.Selector
	all      bool
	policies []string
	dryRun   string
	patience time.Duration
	format   *app.Format
}

// addOptions adds the common flags to a command. What says what is chosen, such as "nodes".
func addOptions(a *app.App, cmd *cobra.Command, what string) *options {
	o := &options{App: a, format: app.NewFormat(cmd)}
	flags := cmd.Flags()
	of := "nodes"
	if what == ofPolicies {
		of = what
	}
	flags.StringVarP(&o.selector, "selector", "l", "", "Choose by the labels of "+of+", such as -l pool=blue")
	flags.BoolVar(&o.all, "all", false, "Choose all "+what)
	if what != ofPolicies {
		flags.StringSliceVar(&o.policies, "policy", nil, "Choose the "+what+" of a RebootPolicy")
		cobra.CheckErr(cmd.RegisterFlagCompletionFunc("policy", a.Complete(app.PolicyKind)))
	}
	flags.StringVar(&o.dryRun, "dry-run", dryRunNone,
		`"client" only shows what would be done; "server" also asks the API server whether it would accept it`)
	flags.Lookup("dry-run").NoOptDefVal = dryRunClient
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("dry-run",
		cobra.FixedCompletions([]string{dryRunNone, dryRunClient, dryRunServer}, cobra.ShellCompDirectiveNoFileComp)))
	flags.DurationVar(&o.patience, "answer-timeout", defaultPatience,
		"How long to wait for the manager to say what happens next; 0s does not wait")
	cmd.Args = func(_ *cobra.Command, args []string) error { return o.check(args, what) }
	return o
}

// check finds what is wrong with the command line.
func (o *options) check(args []string, what string) error {
	if err := o.checkValues(args, what); err != nil {
		return err
	}
	chosen := o.selector != "" || len(o.policies) > 0
	switch {
	case len(args) > 0 && (chosen || o.all):
		return app.UsageError{Err: errors.New("names cannot be combined with --selector, --policy or --all: write one or the other")}
	case o.all && chosen:
		return app.UsageError{Err: errors.New("--all cannot be combined with --selector or --policy")}
	case len(args) == 0 && !chosen && !o.all:
		return app.UsageError{Err: fmt.Errorf("which %s? Write names, or choose by --selector; --all takes all %[1]s", what)}
	}
	return nil
}

// checkValues finds what is wrong with single arguments and flags.
func (o *options) checkValues(args []string, what string) error {
	if !slices.Contains([]string{dryRunNone, dryRunClient, dryRunServer}, o.dryRun) {
		return app.UsageError{Err: fmt.Errorf("--dry-run is %q; write none, client or server", o.dryRun)}
	}
	var err error
	if o.selects, err = labels.Parse(o.selector); err != nil {
		return app.UsageError{Err: fmt.Errorf("--selector: %w", err)}
	}
	if err := checkNames(args, taken[what]); err != nil {
		return err
	}
	return checkNames(o.policies, taken[ofPolicies])
}

// named says that objects were named one by one: each gets an answer.
func (o *options) named(args []string) bool { return len(args) > 0 }

// dry is what follows an answer about something that was not done.
func (o *options) dry() string {
	switch o.dryRun {
	case dryRunClient:
		return " (dry run)"
	case dryRunServer:
		return " (server dry run)"
	}
	return ""
}

// at writes a time for the person who reads it.
func (o *options) at(t time.Time) string {
	now, t := o.Clock.Now().In(o.Zone), t.In(o.Zone)
	switch hours := t.Sub(now); {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return t.Format("15:04 MST")
	case hours < 6*24*time.Hour && hours > -6*24*time.Hour:
		return t.Format("Mon 15:04 MST")
	}
	return t.Format("Mon Jan 2 2006 15:04 MST")
}

// list joins names: one, two and three.
func list(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return strings.Join(names, "")
}
