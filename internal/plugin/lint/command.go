// Package lint finds what is wrong with policies before they are applied: what the API server would refuse, what the manager would, and
// what does not do what it was written for.
package lint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

const about = `Find mistakes in RebootPolicies and NodeReboots before you apply them.

The schema with its rules, unknown fields, cron, time zones, selectors, expressions of gates, and windows that are too short are checked
without a cluster. With a cluster, policies are also compared with its nodes, its other policies and its PodDisruptionBudgets.

Objects of other kinds are skipped and counted. Exit codes: 0 there are no errors, 1 a file or the cluster could not be read,
2 the command line is wrong, 3 there are errors, or warnings with --strict.`

const examples = `  # Check the policies of a folder against the cluster
  kubectl reboots lint -f policies/

  # Check them in a pull request, where there is no cluster
  kubectl reboots lint --offline --strict -o github -f policies/`

type options struct {
	files              []string
	recursive, offline bool
	strict             bool
	output             string
}

// Command is kubectl reboots lint.
func Command(a *app.App) *cobra.Command {
	o := &options{}
	command := &cobra.Command{
		Use: "lint -f FILE...", Short: "Find mistakes in policies before you apply them", Long: about, Example: examples,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command.Context(), a) },
	}
	flags := command.Flags()
	flags.StringSliceVarP(&o.files, "filename", "f", nil, "A file, a folder, or - for the standard input")
	flags.BoolVarP(&o.recursive, "recursive", "R", false, "Read folders recursively")
	flags.BoolVar(&o.offline, "offline", false, "Check without a cluster")
	flags.BoolVar(&o.strict, "strict", false, "Exit with code 3 on warnings, too")
	flags.StringVarP(&o.output, "output", "o", "", "Write json, or github for annotations in a workflow")
	return command
}

func (o *options) run(ctx context.Context, a *app.App) error {
	if err := o.validate(); err != nil {
		return err
	}
	c, err := o.checkFiles(ctx, a)
	if err != nil {
		return err
	}
	if !o.offline && len(c.policies)+len(c.reboots) > 0 {
		if err := o.compare(ctx, a, c); err != nil {
			return err
		}
	}
	c.report.sort()
	if err := c.report.write(a, o.output); err != nil {
		return err
	}
	if c.report.count(Error) > 0 || o.strict && c.report.count(Warning) > 0 {
		return app.SilentError{Code: app.ExitNo}
	}
	return nil
}

func (o *options) validate() error {
	if len(o.files) == 0 {
		return app.UsageError{Err: errors.New("no file to lint: write -f FILE, or -f - for the standard input")}
	}
	if !slices.Contains([]string{"", "json", "github"}, o.output) {
		return app.UsageError{Err: fmt.Errorf("-o %s is unknown: write -o json or -o github", o.output)}
	}
	return nil
}

// checkFiles without a cluster.
func (o *options) checkFiles(ctx context.Context, a *app.App) (*checker, error) {
	contents, order, err := readFiles(o.files, o.recursive, a.In)
	if err != nil {
		return nil, err
	}
	c, err := newChecker(a.Clock.Now())
	if err != nil {
		return nil, err
	}
	for _, name := range order {
		c.checkFile(ctx, name, contents[name])
	}
	c.checkTogether()
	return c, nil
}

func (o *options) compare(ctx context.Context, a *app.App, c *checker) error {
	cluster, err := a.Connect()
	if err != nil {
		return fmt.Errorf("%w; to lint without a cluster, add --offline", err)
	}
	k, err := readCluster(ctx, cluster)
	if err != nil {
		return err
	}
	c.checkCluster(ctx, k)
	return nil
}

func (r *Report) write(a *app.App, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(a.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	for i := range r.Findings {
		line := r.Findings[i].text(a)
		if output == "github" {
			line = r.Findings[i].annotation()
		}
		if _, err := fmt.Fprintln(a.Out, line); err != nil {
			return err
		}
	}
	_, err := io.WriteString(a.ErrOut, r.summary()+"\n")
	return err
}

func (r *Report) summary() string {
	text := fmt.Sprintf("%s and %s: %s, %s",
		model.Counted(r.Policies, "RebootPolicy", "RebootPolicies"), model.Counted(r.NodeReboots, "NodeReboot", "NodeReboots"),
		model.Counted(r.count(Error), "error", "errors"), model.Counted(r.count(Warning), "warning", "warnings"))
	if r.Skipped > 0 {
		text += fmt.Sprintf("; %s skipped", model.Counted(r.Skipped, "object of another kind was", "objects of other kinds were"))
	}
	return text
}

// text is the finding in one line, with colors on a terminal.
func (f *Finding) text(a *app.App) string {
	color := app.Warning
	if f.Severity == Error {
		color = app.Bad
	}
	return strings.Replace(f.String(), ": "+string(f.Severity)+":", ": "+a.Paint(color, string(f.Severity))+":", 1)
}

// escapes of what annotations of GitHub take for their own.
var (
	escapeMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// annotation of a workflow of GitHub Actions.
func (f *Finding) annotation() string {
	message := f.Message
	if f.Path != "" {
		message = f.Path + ": " + message
	}
	return fmt.Sprintf("::%s file=%s,line=%d,title=%s::%s", f.Severity, escapeProperty.Replace(f.File), f.Line,
		escapeProperty.Replace(strings.TrimSpace("kubectl reboots lint "+f.Object)), escapeMessage.Replace(message))
}
