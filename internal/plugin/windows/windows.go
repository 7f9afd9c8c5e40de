// Package windows is the command that shows when policies let nodes start.
package windows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/policyfile"
)

const about = `Show the coming windows and freezes of RebootPolicies, in the time zone of the policy and in yours: how long they are,
what is open now, what a freeze cuts, and where clocks are set forward or back. A policy without windows is always open.

With -f the policies come from a file, and no cluster is needed. The exit code is 3 if a policy is not valid.`

const examples = `  # The next windows of a policy
  kubectl reboots windows workers

  # Of a policy that is not applied yet
  kubectl reboots windows -f policy.yaml --next 20`

// next is how many windows are shown, and limit how many may be.
const (
	next  = 10
	limit = 1000
)

type command struct {
	*app.App
	output, file string
	next         int
}

// Command shows when policies let nodes start.
func Command(a *app.App) *cobra.Command {
	c := &command{App: a}
	cmd := &cobra.Command{
		Use: "windows POLICY...", Short: "Show when policies let nodes start", Long: about, Example: examples,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
		ValidArgsFunction: c.complete,
	}
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "Output format: json or yaml")
	cmd.Flags().StringVarP(&c.file, "filename", "f", "", "File with RebootPolicies; - for the standard input")
	cmd.Flags().IntVar(&c.next, "next", next, "How many windows of each policy are shown")
	return cmd
}

func (c *command) run(ctx context.Context, names []string) error {
	switch {
	case !slices.Contains([]string{"", "json", "yaml"}, c.output):
		return app.UsageError{Err: fmt.Errorf("-o %s: write json or yaml", c.output)}
	case c.next < 1 || c.next > limit:
		return app.UsageError{Err: fmt.Errorf("--next %d: write 1 to %d", c.next, limit)}
	case len(names) == 0 && c.file == "":
		return app.UsageError{Err: errors.New("name one or more RebootPolicies, or a file with -f")}
	}
	policies, err := c.policies(ctx)
	if err != nil {
		return err
	}
	policies, err = chosen(policies, names)
	if err != nil {
		return err
	}
	now := c.Clock.Now()
	schedules := make([]*Schedule, len(policies))
	wrong := false
	for i := range policies {
		schedules[i] = Of(&policies[i], now, c.next)
		wrong = wrong || len(schedules[i].Problems) > 0
	}
	if err := c.write(schedules); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	if wrong {
		return app.SilentError{Code: app.ExitNo}
	}
	return nil
}

// policies are those of the file, or those of the cluster.
func (c *command) policies(ctx context.Context) ([]v1alpha1.RebootPolicy, error) {
	if c.file != "" {
		return c.fromFile()
	}
	cluster, err := c.Connect()
	if err != nil {
		return nil, err
	}
	var list v1alpha1.RebootPolicyList
	if err := cluster.List(ctx, &list); err != nil {
		return nil, app.ReadError("RebootPolicies", err)
	}
	return list.Items, nil
}

func (c *command) fromFile() ([]v1alpha1.RebootPolicy, error) {
	source, name := c.In, "the standard input"
	if c.file != "-" {
		file, err := os.Open(c.file)
		if err != nil {
			return nil, fmt.Errorf("read the policies: %w", err)
		}
		defer func() { _ = file.Close() }()
		source, name = file, c.file
	}
	found, err := policyfile.Read(source, name)
	if err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	policies := make([]v1alpha1.RebootPolicy, len(found))
	for i := range found {
		if found[i].Object != nil {
			policies[i] = *found[i].Object
			continue
		}
		// A policy that does not match the schema counts as unreadable here.
		policies[i].Name = found[i].Name
		for _, problem := range found[i].Problems {
			policies[i].Unreadable = append(policies[i].Unreadable, decode.Problem{Path: problem.Path, Description: problem.Message})
		}
	}
	return policies, nil
}

// chosen are the policies of these names, in their order; without names all.
func chosen(policies []v1alpha1.RebootPolicy, names []string) ([]v1alpha1.RebootPolicy, error) {
	if len(names) == 0 {
		return policies, nil
	}
	var found []v1alpha1.RebootPolicy
	for _, name := range names {
		i := slices.IndexFunc(policies, func(p v1alpha1.RebootPolicy) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no RebootPolicy %s; there %s", name, known(policies))
		}
		found = append(found, policies[i])
	}
	return found, nil
}

func known(policies []v1alpha1.RebootPolicy) string {
	if len(policies) == 0 {
		return "are none"
	}
	var names []string
	for i := range policies {
		names = append(names, policies[i].Name)
	}
	return "are " + strings.Join(names, ", ")
}

func (c *command) write(schedules []*Schedule) error {
	switch c.output {
	case "json":
		encoder := json.NewEncoder(c.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"policies": schedules})
	case "yaml":
		text, err := yaml.Marshal(map[string]any{"policies": schedules})
		if err != nil {
			return err
		}
		_, err = c.Out.Write(text)
		return err
	}
	style := &Style{Now: c.Clock.Now(), Zone: c.Zone, Columns: c.Columns(), Paint: c.Paint}
	for i, schedule := range schedules {
		text := strings.Join(schedule.Lines(style), "\n") + "\n"
		if i > 0 {
			text = "\n" + text
		}
		if _, err := io.WriteString(c.Out, text); err != nil {
			return err
		}
	}
	return nil
}

// complete offers the names of policies.
func (c *command) complete(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	policies, err := c.policies(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for i := range policies {
		if name := policies[i].Name; strings.HasPrefix(name, start) && !slices.Contains(args, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
