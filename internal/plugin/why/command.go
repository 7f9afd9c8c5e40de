// Package why explains in one paragraph what a node waits for or does, which object is in the way, until when, and what to type.
package why

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
		Args: cobra.MinimumNArgs(1),
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
	facts, err := read(ctx, c, a)
	if err != nil {
		return err
	}
	answers, known := make([]Answer, 0, len(asked)), true
	for _, name := range asked {
		answer := Explain(facts, name)
		known = known && answer.Found
		answers = append(answers, answer)
	}
	if err := write(a, answers, output); err != nil {
		return err
	}
	if !known {
		return app.SilentError{Code: app.ExitFailed}
	}
	return nil
}

func read(ctx context.Context, c client.Reader, a *app.App) (*Facts, error) {
	fleet, err := app.ReadFleet(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Facts{
		Now: a.Clock.Now(), Zone: a.Zone, Policies: fleet.Policies, Reboots: fleet.Reboots, Nodes: fleet.Nodes,
		Installed: install.Read(ctx, c, ptr.Deref(a.Config.Namespace, "")),
	}, nil
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
