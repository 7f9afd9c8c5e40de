// Package plan is the command that looks ahead: the forecast for a cluster as it is, or with policies of a file.
package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
	"github.com/reboot-operator/reboot-operator/internal/plugin/policyfile"
)

const about = `Look ahead: when each node reboots, when the rollout ends, and what is in the way.

The forecast runs the planner of the manager itself ahead of time, over a model of the cluster. How long things take comes from the
NodeReboots that are finished.

  kubectl reboots plan                              the cluster as it is
  kubectl reboots plan -f policy.yaml               with that policy, and what it changes
  kubectl reboots plan --at "2026-03-07 22:00"      from that time on
  kubectl reboots plan --from cluster.yaml          without a cluster, see kubectl reboots snapshot

Exit codes:
  0  every node that needs a reboot gets it, as far as can be known
  1  something failed: the cluster or a file could not be read, or a policy of the file is not valid
  2  the command line is wrong
  3  there is an obstacle that time alone does not end`

// options of the command.
type options struct {
	files  []string
	at     string
	from   string
	output string
	all    bool
}

// Command looks ahead.
func Command(a *app.App) *cobra.Command {
	o := &options{}
	command := &cobra.Command{
		Use: "plan", Short: "Look ahead: when each node reboots, and what is in the way", Long: about, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command.Context(), a) },
	}
	flags := command.Flags()
	flags.StringArrayVarP(&o.files, "filename", "f", nil, "A file with RebootPolicies to look ahead with; - is the standard input")
	flags.StringVar(&o.at, "at", "", `The time from which to look ahead: "2026-03-07 22:00", "22:00", 2h, or 2026-03-07T22:00:00Z`)
	flags.StringVar(&o.from, "from", "", "A file from kubectl reboots snapshot to read instead of a cluster; - is the standard input")
	flags.StringVarP(&o.output, "output", "o", "", "json or yaml; empty is text")
	flags.BoolVar(&o.all, "all", false, "Show all nodes, not only the first of each policy")
	return command
}

func (o *options) run(ctx context.Context, a *app.App) error {
	if !slices.Contains([]string{"", "json", "yaml"}, o.output) {
		return app.UsageError{Err: fmt.Errorf("--output=%s: write json or yaml", o.output)}
	}
	if n := countOf(append(slices.Clone(o.files), o.from), "-"); n > 1 {
		return app.UsageError{Err: errors.New("the standard input can be read once: only one of -f and --from can be -")}
	}
	added, err := o.policies(a)
	if err != nil {
		return err
	}
	cluster, err := o.cluster(ctx, a)
	if err != nil {
		return err
	}
	answer, err := o.answer(a, cluster, added)
	if err != nil {
		return err
	}
	if err := o.write(a, answer); err != nil {
		return err
	}
	if blocked(answer.Forecast) {
		return app.SilentError{Code: app.ExitNo}
	}
	return nil
}

// blocked says whether there is an obstacle that time alone does not end, for a policy or for a node that no policy owns.
func blocked(f *forecast.Forecast) bool {
	return f.Permanent() || slices.ContainsFunc(unowned(f), func(o forecast.Obstacle) bool { return o.Permanent })
}

func countOf(all []string, wanted string) int {
	n := 0
	for _, s := range all {
		if s == wanted {
			n++
		}
	}
	return n
}

// policies reads those of the files. All of them have to be valid.
func (o *options) policies(a *app.App) ([]*v1alpha1.RebootPolicy, error) {
	var (
		all  []*v1alpha1.RebootPolicy
		errs []error
	)
	names := map[string]string{}
	for _, file := range o.files {
		found, err := readFile(a, file, policyfile.Read)
		if err != nil {
			return nil, err
		}
		for i := range found {
			if other, twice := names[found[i].Name]; twice {
				return nil, fmt.Errorf("RebootPolicy %s is in %s and in %s", found[i].Name, other, file)
			}
			names[found[i].Name] = file
			all, errs = append(all, found[i].Object), append(errs, found[i].Err(file))
		}
	}
	return all, errors.Join(errs...)
}

// readFile opens a file, or the standard input, for a function that reads it.
func readFile[T any](a *app.App, file string, read func(io.Reader, string) (T, error)) (T, error) {
	if file == "-" {
		return read(a.In, "standard input")
	}
	in, err := os.Open(file)
	if err != nil {
		var none T
		return none, fmt.Errorf("read a file: %w", err)
	}
	found, err := read(in, file)
	return found, errors.Join(err, in.Close())
}

func (o *options) cluster(ctx context.Context, a *app.App) (*objects.Cluster, error) {
	if o.from != "" {
		return readFile(a, o.from, objects.Load)
	}
	c, err := a.Connect()
	if err != nil {
		return nil, err
	}
	return objects.Read(ctx, c, *a.Config.Namespace, a.Clock.Now())
}

// answer makes the forecasts.
func (o *options) answer(a *app.App, cluster *objects.Cluster, added []*v1alpha1.RebootPolicy) (*Answer, error) {
	answer := &Answer{From: "cluster", Taken: cluster.Taken, Nodes: len(cluster.Nodes), Assumptions: slices.Clone(cluster.Unknown)}
	if o.from != "" {
		answer.From = o.from
	}
	if answer.Taken.IsZero() {
		answer.Taken = a.Clock.Now().Truncate(time.Second)
		answer.Assumptions = append(answer.Assumptions, o.from+" does not say when it was written: it is assumed to be current.")
	}
	at, err := startAt(o.at, answer.Taken, a.Zone)
	if err != nil {
		return nil, app.UsageError{Err: err}
	}
	if o.at != "" {
		answer.Assumptions = append(answer.Assumptions,
			"Until the time of --at nothing is assumed to change: no node starts, ends or asks for a reboot before it, and what is under way goes "+
				"on from there.")
		cluster = later(cluster, at.Sub(answer.Taken))
	}
	snapshot := cluster.Snapshot(at)
	answer.Forecast = forecast.Compute(forecast.Input{Snapshot: snapshot, Now: at})
	if len(added) == 0 {
		return answer, nil
	}
	answer.Assumptions = append(answer.Assumptions, cluster.Missing(added)...)
	changed, kinds := withPolicies(cluster, added, at)
	with := changed.Snapshot(at)
	before := answer.Forecast
	answer.Forecast = forecast.Compute(forecast.Input{Snapshot: with, Now: at})
	answer.Changes = compare(before, answer.Forecast, plan.Owners(snapshot, at), plan.Owners(with, at), kinds)
	return answer, nil
}

func (o *options) write(a *app.App, answer *Answer) error {
	var (
		encoded []byte
		err     error
	)
	switch o.output {
	case "json":
		if encoded, err = json.MarshalIndent(answer, "", "  "); err == nil {
			encoded = append(encoded, '\n')
		}
	case "yaml":
		encoded, err = yaml.Marshal(answer)
	default:
		encoded = []byte(text(a, answer, o.all))
	}
	if err != nil {
		return fmt.Errorf("write the forecast: %w", err)
	}
	_, err = a.Out.Write(encoded)
	return err
}
