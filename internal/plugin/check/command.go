// Package check says what an installation of the operator lacks, and what to type.
package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

const about = `Check versions, kinds, admission policies, your permissions, the manager, its leader, helpers and policies.

Each line is OK, WARN or FAIL, and says what to type. The exit code is 3 if a line is FAIL.`

// Command is kubectl reboots check.
func Command(a *app.App) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use: "check", Short: "Check whether the installation is complete", Long: about, Args: cobra.NoArgs,
		Example: "  # What does the installation lack?\n  kubectl reboots check",
		RunE: func(command *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return app.UsageError{Err: fmt.Errorf("-o %s is unknown: write -o json", output)}
			}
			c, err := a.Connect()
			if err != nil {
				return err
			}
			facts, err := Read(command.Context(), a, c)
			if err != nil {
				return err
			}
			return write(a, Judge(facts), output)
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "Write json instead of a text")
	return command
}

func write(a *app.App, lines []Line, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(a.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(lines); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(a.Out, text(lines, a.Columns(), a.Paint)); err != nil {
		return err
	}
	if slices.ContainsFunc(lines, func(line Line) bool { return line.Status == Fail }) {
		return app.SilentError{Code: app.ExitNo}
	}
	return nil
}

// colors of statuses.
var colors = map[Status]app.Color{OK: app.Good, Warn: app.Warning, Fail: app.Bad}

// text has a line of its own for each check; messages continue below themselves.
func text(lines []Line, columns int, paint func(app.Color, string) string) string {
	const status, gap = 4, 2
	wide := 0
	for i := range lines {
		wide = max(wide, ansi.StringWidth(lines[i].Check))
	}
	wide = min(wide, columns/3)
	indent := strings.Repeat(" ", status+gap+wide+gap)
	var out strings.Builder
	for i := range lines {
		line := &lines[i]
		name := ansi.Truncate(cells.Clean(line.Check), wide, "…")
		out.WriteString(paint(colors[line.Status], fmt.Sprintf("%-*s", status, line.Status)) + "  " + name +
			strings.Repeat(" ", wide-ansi.StringWidth(name)+gap))
		message := ansi.Wordwrap(cells.Clean(line.Message), max(columns-len(indent), columns/3), "")
		out.WriteString(strings.ReplaceAll(message, "\n", "\n"+indent) + "\n")
		for _, command := range line.Type {
			out.WriteString(indent + paint(app.Strong, cells.Clean(command)) + "\n")
		}
	}
	return out.String()
}
