// Package why explains in one paragraph what a node waits for or does, which object is in the way, until when, and what to type.
package why

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

const about = `Explain in one paragraph what a node waits for or does, which object is in the way, until when, and what to type.

A node without a request for a reboot is explained, too: whether its helper runs, what the helper checks, and which policy owns the node.
Instead of a node, name nodereboot/NAME or rebootpolicy/NAME.`

const examples = `  # Why does worker-7 not reboot?
  kubectl reboots why worker-7

  # Why does nothing start under a policy?
  kubectl reboots why rebootpolicy/linux`

// Command is kubectl reboots why.
func Command(a *app.App) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use: "why NODE...", Short: "Explain what a node waits for, and what to type", Long: about, Example: examples,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.Complete(app.NodeKind, app.RebootKind, app.PolicyKind),
		RunE: func(command *cobra.Command, args []string) error {
			if output != "" && output != "json" && output != "yaml" {
				return app.UsageError{Err: fmt.Errorf("-o %s is unknown: write -o json or -o yaml", output)}
			}
			return run(command.Context(), a, args, output)
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "Write json or yaml instead of a text")
	return command
}

func run(ctx context.Context, a *app.App, asked []string, output string) error {
	c, err := a.Connect()
	if err != nil {
		return err
	}
	fleet, err := readAbout(ctx, c, asked)
	if err != nil {
		return err
	}
	facts := &Facts{Now: a.Clock.Now(), Zone: a.Zone, Installed: install.Read(ctx, c, ptr.Deref(a.Config.Namespace, ""))}
	answers, known := facts.explainAll(fleet, asked)
	if !known { // which names there are
		if fleet, err = app.ReadFleet(ctx, c); err != nil {
			return err
		}
		answers, known = facts.explainAll(fleet, asked)
	}
	if err := write(a, answers, output); err != nil {
		return err
	}
	if !known {
		return app.SilentError{Code: app.ExitFailed}
	}
	return nil
}

// explainAll that was asked for. It says whether all of it is known.
func (f *Facts) explainAll(fleet *app.Fleet, asked []string) (answers []Answer, known bool) {
	f.Policies, f.Reboots, f.Nodes = fleet.Policies, fleet.Reboots, fleet.Nodes
	known = true
	for _, name := range asked {
		answer := Explain(f, name)
		known = known && answer.Found
		answers = append(answers, answer)
	}
	return answers, known
}

func write(a *app.App, answers []Answer, output string) error {
	switch output {
	case "json":
		encoder := json.NewEncoder(a.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(answers)
	case "yaml":
		text, err := yaml.Marshal(answers)
		if err != nil {
			return fmt.Errorf("write YAML: %w", err)
		}
		_, err = a.Out.Write(text)
		return err
	}
	for i := range answers {
		if i > 0 {
			_, _ = fmt.Fprintln(a.Out)
		}
		out := a.Out
		if !answers[i].Found {
			out = a.ErrOut
		}
		if _, err := fmt.Fprint(out, Text(&answers[i], a.Columns(), a.Paint)); err != nil {
			return err
		}
	}
	return nil
}

// Text is an answer as a paragraph of lines that are no longer than a number of columns, and the commands to type below it.
func Text(answer *Answer, columns int, paint func(app.Color, string) string) string {
	var text strings.Builder
	text.WriteString(wrap(cells.Clean(answer.Explanation), columns) + "\n")
	for _, command := range answer.Type {
		text.WriteString("  " + paint(app.Strong, cells.Clean(command)) + "\n")
	}
	return text.String()
}
