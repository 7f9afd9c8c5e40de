// Package plugin is the kubectl plugin: the tree of commands. Each command has a package of its own below this one.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reboot-operator/reboot-operator/internal/plugin/act"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/check"
	"github.com/reboot-operator/reboot-operator/internal/plugin/completion"
	"github.com/reboot-operator/reboot-operator/internal/plugin/dashboard"
	"github.com/reboot-operator/reboot-operator/internal/plugin/fromkured"
	"github.com/reboot-operator/reboot-operator/internal/plugin/lint"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plan"
	"github.com/reboot-operator/reboot-operator/internal/plugin/snapshot"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status"
	"github.com/reboot-operator/reboot-operator/internal/plugin/timeline"
	"github.com/reboot-operator/reboot-operator/internal/plugin/versions"
	"github.com/reboot-operator/reboot-operator/internal/plugin/wait"
	"github.com/reboot-operator/reboot-operator/internal/plugin/why"
	"github.com/reboot-operator/reboot-operator/internal/plugin/windows"
)

// about is the help text of the plugin.
const about = `See what reboot-operator does, why, and what it does next.

Exit codes:
  0  it worked
  1  something failed: the cluster could not be reached, or refused a request
  2  the command line is wrong
  3  the answer is no: an obstacle, a failed reboot, a finding of lint or check`

// Command is the root of all commands.
func Command(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use: "reboots", Short: "See and control reboots of nodes", Long: about,
		SilenceErrors: true, SilenceUsage: true,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl reboots"},
	}
	a.AddFlags(root.PersistentFlags())
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.ErrOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return app.UsageError{Err: err} })
	add(root, "Look:", status.Command(a), why.Command(a), plan.Command(a), timeline.Command(a), windows.Command(a), dashboard.Command(a),
		wait.Command(a))
	add(root, "Act:", act.Commands(a)...)
	add(root, "Prepare:", check.Command(a), lint.Command(a), snapshot.Command(a), fromkured.Command(a), versions.Command(a),
		completion.Command(a))
	return root
}

// add adds a group of commands.
func add(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, command := range commands {
		command.GroupID = title
		root.AddCommand(command)
	}
}

// Run executes a command line and returns the exit code.
func Run(ctx context.Context, a *app.App, args []string) int {
	root := Command(a)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return app.ExitOK
	}
	code := app.ExitCode(err)
	if isUsage(err) {
		code, err = app.ExitUsage, fmt.Errorf("%w: write %s", err, usage(command))
	}
	var silent app.SilentError
	if !errors.As(err, &silent) {
		printError(a.ErrOut, err)
	}
	return code
}

// usage of a command, or what lists them all.
func usage(command *cobra.Command) string {
	if command.HasSubCommands() {
		return command.CommandPath() + " --help"
	}
	return strings.TrimSuffix(command.UseLine(), " [flags]")
}

// printError writes an error. What others wrote in it is harmless on a terminal.
func printError(out io.Writer, err error) {
	lines := strings.Split("error: "+err.Error(), "\n")
	for i := range lines {
		lines[i] = cells.Line(lines[i])
	}
	_, _ = fmt.Fprintln(out, strings.Join(lines, "\n"))
}

// isUsage says that cobra refused the command line. Its errors have no type.
func isUsage(err error) bool {
	text := err.Error()
	for _, start := range []string{"unknown command", "accepts ", "requires at least", "required flag", "if any flags in the group"} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}
