// Package fromkured is the command that turns a configuration of kured into a policy and values of the chart.
package fromkured

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/kured"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

const about = `Turn a configuration of kured into a RebootPolicy, values of the chart, and a list of what could not be carried over.

It reads the values of kured's chart, a Flux HelmRelease, an Argo CD Application, kured's DaemonSet, or the DaemonSet that runs in the
cluster. The policy is written to standard output, and what to know about it to standard error, line by line. Nothing in the cluster is
changed.

Each finding has a level:
  note    it behaves differently here, and needs no decision
  decide  it was left out, and a person has to decide
  wrong   its meaning is not certain, or kured itself refuses it: no policy is written until it is corrected

Exit codes:
  0  everything was carried over
  1  the file or the cluster cannot be read, or has no kured
  2  the command line is wrong
  3  something needs a decision, or there is no policy`

const examples = `  kubectl reboots from-kured -f values.yaml --values-out reboot-operator.yaml > policy.yaml
  helm -n kube-system get values kured --all -o yaml | kubectl reboots from-kured -f -
  kubectl reboots from-kured --from-cluster
  kubectl reboots from-kured --from-cluster --handover`

// defaultName of kured's DaemonSet.
const defaultName = "kured"

type options struct {
	app *app.App

	file, output, valuesOut, daemonSet, name, mode string
	fromCluster, handover                          bool
}

// Command is kubectl reboots from-kured.
func Command(a *app.App) *cobra.Command {
	o := &options{app: a}
	c := &cobra.Command{
		Use: "from-kured (-f FILE | --from-cluster)", Short: "Turn a configuration of kured into a policy and values of the chart",
		Long: about, Example: examples, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	f := c.Flags()
	f.StringVarP(&o.file, "filename", "f", "", "File with values of kured's chart, a HelmRelease, an Application or a DaemonSet; - is "+
		"standard input")
	f.BoolVar(&o.fromCluster, "from-cluster", false, "Read the DaemonSet that runs in the cluster, in the namespace of -n, or kube-system")
	f.StringVar(&o.daemonSet, "daemonset", defaultName, "Name of the DaemonSet in the cluster")
	f.StringVarP(&o.output, "output", "o", "policy", "What to write to standard output: policy, values or findings")
	f.StringVar(&o.valuesOut, "values-out", "", "File to write values of the chart to; only you may read it, because it can have a token "+
		"of a receiver")
	f.StringVar(&o.name, "name", "from-kured", "Name of the policy")
	f.StringVar(&o.mode, "mode", string(v1alpha1.ModeObserve), "Mode of the policy: Observe while kured still runs, later Enforce")
	f.BoolVar(&o.handover, "handover", false, "Print the commands for what kured left in the cluster: cordoned nodes, its lock, taint, "+
		"annotations and labels")
	return c
}

func usage(format string, args ...any) error {
	return app.UsageError{Err: fmt.Errorf(format, args...)}
}

// check the command line.
func (o *options) check() error {
	switch {
	case o.fromCluster == (o.file != ""):
		return usage("say what to read, either a file with -f or the cluster with --from-cluster")
	case o.output != "policy" && o.output != "values" && o.output != "findings":
		return usage("-o %s: write policy, values or findings", o.output)
	case o.mode != string(v1alpha1.ModeObserve) && o.mode != string(v1alpha1.ModeEnforce) && o.mode != string(v1alpha1.ModePaused):
		return usage("--mode %s: write Observe, Enforce or Paused", o.mode)
	}
	return nil
}

func (o *options) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	data, from, err := o.read(ctx)
	if err != nil {
		return err
	}
	result, err := kured.Convert(data, kured.Options{File: from, Object: o.fromCluster, Name: o.name, Mode: v1alpha1.Mode(o.mode)})
	if err != nil {
		return err //nolint:wrapcheck // the message is complete
	}
	if o.handover {
		return o.writeHandover(ctx, result)
	}
	return o.write(result)
}

// read the configuration, and say where it is from.
func (o *options) read(ctx context.Context) (data []byte, from string, err error) {
	switch {
	case o.fromCluster:
		return o.readCluster(ctx)
	case o.file == "-":
		data, err = io.ReadAll(o.app.In)
		from = "standard input"
	default:
		data, err = os.ReadFile(o.file)
		from = o.file
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the configuration of kured: %w", err)
	}
	return data, from, nil
}

func (o *options) namespace() string {
	if namespace := o.app.Config.Namespace; namespace != nil && *namespace != "" {
		return *namespace
	}
	return "kube-system"
}

func (o *options) readCluster(ctx context.Context) (data []byte, from string, err error) {
	c, err := o.app.Connect()
	if err != nil {
		return nil, "", err //nolint:wrapcheck // the message is complete
	}
	var set appsv1.DaemonSet
	key := client.ObjectKey{Namespace: o.namespace(), Name: o.daemonSet}
	switch err := c.Get(ctx, key, &set); {
	case apierrors.IsNotFound(err):
		return nil, "", o.elsewhere(ctx, c)
	case err != nil:
		return nil, "", app.ReadError("the DaemonSet "+key.String(), err) //nolint:wrapcheck // the message is complete
	}
	set.ManagedFields = nil
	set.APIVersion, set.Kind = appsv1.SchemeGroupVersion.String(), "DaemonSet"
	data, err = yaml.Marshal(&set)
	if err != nil {
		return nil, "", fmt.Errorf("read the DaemonSet %s: %w", key, err)
	}
	return data, "DaemonSet " + key.String(), nil
}

// elsewhere says that there is no such DaemonSet, and which others run kured.
func (o *options) elsewhere(ctx context.Context, c client.Client) error {
	var sets appsv1.DaemonSetList
	missing := fmt.Sprintf("there is no DaemonSet %s in the namespace %s", o.daemonSet, o.namespace())
	if err := c.List(ctx, &sets); err != nil {
		return fmt.Errorf("%s; name the right one with -n and --daemonset", missing)
	}
	var found []string
	for i := range sets.Items {
		for _, container := range sets.Items[i].Spec.Template.Spec.Containers {
			if strings.Contains(container.Image, "/kured:") {
				found = append(found, fmt.Sprintf("-n %s --daemonset %s", sets.Items[i].Namespace, sets.Items[i].Name))
			}
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("%s, and no other DaemonSet of this cluster runs kured: read its values with -f if they are in a file", missing)
	}
	return fmt.Errorf("%s; kured is at %s", missing, strings.Join(found, ", and at "))
}

func (o *options) write(result *kured.Result) error {
	findings := o.app.ErrOut
	if o.output == "findings" {
		findings = o.app.Out
	}
	for _, f := range result.Findings {
		if _, err := fmt.Fprintln(findings, f); err != nil {
			return fmt.Errorf("write the findings: %w", err)
		}
	}
	if err := o.writeObjects(result); err != nil {
		return err
	}
	return verdict(result)
}

func (o *options) writeObjects(result *kured.Result) error {
	values, err := result.ValuesYAML()
	if err != nil || result.Policy == nil {
		return err //nolint:wrapcheck // the message is complete
	}
	if o.valuesOut != "" {
		if err := os.WriteFile(o.valuesOut, values, 0o600); err != nil {
			return fmt.Errorf("write the values: %w", err)
		}
	}
	text := values
	switch o.output {
	case "findings":
		return nil
	case "policy":
		if text, err = result.PolicyYAML(); err != nil {
			return err //nolint:wrapcheck // the message is complete
		}
	}
	if _, err := o.app.Out.Write(text); err != nil {
		return fmt.Errorf("write the %s: %w", o.output, err)
	}
	return nil
}

// verdict is the end of the command: how many findings need a person.
func verdict(result *kured.Result) error {
	var decide, wrong int
	for _, f := range result.Findings {
		switch f.Level {
		case kured.Decide:
			decide++
		case kured.Wrong:
			wrong++
		case kured.Note:
		}
	}
	switch {
	case wrong > 0:
		return app.NoError{Err: fmt.Errorf("no policy is written: correct what is wrong (%d), and run this again", wrong)}
	case decide > 0:
		return app.NoError{Err: fmt.Errorf("the policy is written without what needs a decision (%d)", decide)}
	}
	return nil
}

var errHandover = errors.New("--handover needs the cluster, which could not be reached")

// marks of a file do not have the lock, which is in the cluster. There may be no DaemonSet any more.
func (o *options) marks(ctx context.Context, c client.Client, marks kured.Marks) (kured.Marks, error) {
	if o.fromCluster {
		return marks, nil
	}
	if namespace := o.app.Config.Namespace; namespace != nil && *namespace != "" {
		marks.Namespace = *namespace
	}
	if o.daemonSet != defaultName {
		marks.Name = o.daemonSet
	}
	var set appsv1.DaemonSet
	err := c.Get(ctx, client.ObjectKey{Namespace: marks.Namespace, Name: marks.Name}, &set)
	if client.IgnoreNotFound(err) != nil {
		return marks, app.ReadError("the DaemonSet "+marks.Namespace+"/"+marks.Name, err) //nolint:wrapcheck // the message is complete
	}
	if err != nil {
		marks.Gone = true
		return marks, nil
	}
	marks.Held = set.Annotations[marks.Lock]
	return marks, nil
}

// writeHandover prints what is left to do, as commands with the reason above each. Nothing is changed.
func (o *options) writeHandover(ctx context.Context, result *kured.Result) error {
	c, err := o.app.Connect()
	if err != nil {
		return fmt.Errorf("%w: %w", errHandover, err)
	}
	var nodes corev1.NodeList
	if err := c.List(ctx, &nodes); err != nil {
		return app.ReadError("Nodes", err) //nolint:wrapcheck // the message is complete
	}
	marks, err := o.marks(ctx, c, result.Handover)
	if err != nil {
		return err
	}
	steps, err := marks.Handover(nodes.Items, o.app.Clock.Now())
	if err != nil {
		return err //nolint:wrapcheck // the message is complete
	}
	if len(steps) == 0 {
		_, err := fmt.Fprintf(o.app.Out, "# Kured left nothing on %d nodes, and no one holds its lock.\n", len(nodes.Items))
		return err //nolint:wrapcheck // a broken pipe
	}
	for _, step := range steps {
		if _, err := fmt.Fprintln(o.app.Out, step); err != nil {
			return fmt.Errorf("write the commands: %w", err)
		}
	}
	return nil
}
