// Package wait is the command that waits for reboots: until they are proved, or nothing is under way. It watches, and polls nothing.
package wait

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

const about = `Wait until reboots of nodes or policies are proved, or until nothing is under way.

  --for=proved  Every NodeReboot of the node or policy that has not ended succeeds. A policy whose nodes need no reboot is proved at once;
                a node is proved if its last NodeReboot led to the boot that it runs; otherwise the answer is no.
  --for=idle    No attempt is under way: nothing is drained, reboots or recovers. NodeReboots may wait, as those of a paused policy do.

Exit codes:
  0  it was reached
  1  the timeout expired, or the cluster could not be read
  2  the command line is wrong
  3  it will not be reached: a reboot failed or was cancelled, or the policy is halted`

// errTime is the cause that ends a context after --timeout.
var errTime = errors.New("the time is over")

// command is one run.
type command struct {
	*app.App
	goal    string
	timeout time.Duration
}

// Command is "wait".
func Command(a *app.App) *cobra.Command {
	w := &command{App: a}
	cmd := &cobra.Command{
		Use: "wait (NODE | POLICY)... [--for=proved|idle]", Short: "Wait until reboots are proved, or nothing is under way", Long: about,
		Example: `  kubectl reboots wait worker-1 --timeout=1h
  kubectl reboots wait policy/workers --for=idle`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.Complete(app.NodeKind, app.PolicyKind),
		RunE:              func(cmd *cobra.Command, args []string) error { return w.run(cmd.Context(), args) },
	}
	cmd.Flags().StringVar(&w.goal, "for", string(proved), "What to wait for: proved or idle")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("for",
		cobra.FixedCompletions([]string{string(proved), string(idle)}, cobra.ShellCompDirectiveNoFileComp)))
	cmd.Flags().DurationVar(&w.timeout, "timeout", 0, "How long to wait, such as 30m; 0s waits without a limit")
	return cmd
}

func (w *command) run(ctx context.Context, args []string) error {
	if !slices.Contains([]goal{proved, idle}, goal(w.goal)) {
		return app.UsageError{Err: fmt.Errorf("--for is %q; write proved or idle", w.goal)}
	}
	if w.timeout < 0 {
		return app.UsageError{Err: errors.New("--timeout is negative; 0s waits without a limit")}
	}
	c, err := w.Connect()
	if err != nil {
		return err
	}
	var targets []*target
	for _, arg := range args {
		found, err := find(ctx, c, arg)
		if err != nil {
			return err
		}
		targets = append(targets, found)
	}
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, w.timeout, errTime)
		defer cancel()
	}
	return w.follow(ctx, c, targets)
}

// follow watches until all targets are judged.
func (w *command) follow(ctx context.Context, c client.WithWatch, targets []*target) error {
	known, read := newWorld(), map[client.ObjectList]bool{}
	var failed []string
	trouble := false
	err := app.Follow(ctx, c, func(change app.Change) bool {
		if change.Trouble != nil {
			if !trouble {
				why := strings.Join(strings.Fields(change.Trouble.Error()), " ")
				_, _ = fmt.Fprintf(w.ErrOut, "The API server does not answer (%s); trying again.\n", why)
			}
			trouble = true
			return false
		}
		trouble = false
		known.see(change)
		read[change.List] = true
		for _, t := range targets {
			known.note(t, change)
		}
		if len(read) < 2 {
			return false
		}
		targets = slices.DeleteFunc(targets, func(t *target) bool { return t.concerns(change) && w.step(known, t, &failed) })
		return len(targets) == 0
	}, &v1alpha1.NodeRebootList{}, &v1alpha1.RebootPolicyList{})
	switch {
	case errors.Is(err, errTime):
		return w.late(targets)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case err != nil:
		return err
	case len(failed) > 0:
		return app.NoError{Err: errors.New(strings.Join(failed, "\n"))}
	}
	return nil
}

// step judges one target, writes what is new, and says whether that is the end of it.
func (w *command) step(known *world, t *target, failed *[]string) (end bool) {
	v := known.judge(t, goal(w.goal))
	for _, line := range t.news() {
		w.say(w.Out, line)
	}
	switch {
	case v.no != "":
		*failed = append(*failed, fmt.Sprintf("%s: %s", t, v.no))
	case v.done:
		w.say(w.Out, v.text)
	}
	return v.no != "" || v.done
}

// say writes a line with the time of day.
func (w *command) say(out io.Writer, line string) {
	_, _ = fmt.Fprintf(out, "%s  %s\n", w.Clock.Now().In(w.Zone).Format(time.TimeOnly), cells.Line(line))
}

// late says what was still awaited when the time was over.
func (w *command) late(targets []*target) error {
	var names []string
	for _, t := range targets {
		open := 0
		for _, r := range t.seen {
			if isOpen(r) {
				open++
			}
		}
		names = append(names, fmt.Sprintf("%s (NodeReboots that have not ended: %d)", t, open))
	}
	return fmt.Errorf("not %s after %s: %s", w.goal, w.timeout, strings.Join(names, ", "))
}

// find finds out what an argument names: node/NAME, policy/NAME, nodereboot/NAME, or a name alone. A NodeReboot stands for its node.
func find(ctx context.Context, c client.Reader, arg string) (*target, error) {
	named := app.ParseName(arg)
	name := named.Name
	t := &target{name: name, seen: map[types.UID]*v1alpha1.NodeReboot{}, written: map[types.UID]string{}}
	isNode, isPolicy, err := t.resolve(ctx, c, named)
	switch {
	case err != nil:
		return nil, err
	case isNode && isPolicy:
		return nil, app.UsageError{Err: fmt.Errorf("%s is a node and a RebootPolicy; write node/%[1]s or policy/%[1]s", name)}
	case !isNode && !isPolicy:
		return nil, fmt.Errorf("there is no node and no RebootPolicy %s", name)
	}
	t.policy = isPolicy
	return t, nil
}

// resolve says what there is of the target's name.
func (t *target) resolve(ctx context.Context, c client.Reader, named app.Named) (isNode, isPolicy bool, err error) {
	switch {
	case named.Unknown != "":
		err = app.UsageError{Err: fmt.Errorf("%q is not a kind; write node/%s or policy/%[2]s", strings.TrimSuffix(named.Unknown, "/"), t.name)}
	case named.Kind == app.NodeKind:
		isNode, err = t.node(ctx, c)
	case named.Kind == app.PolicyKind:
		isPolicy, err = exists(ctx, c, t.name, &v1alpha1.RebootPolicy{}, "RebootPolicies")
	case named.Kind == app.RebootKind:
		isNode, err = t.reboot(ctx, c)
	default:
		if isNode, err = t.node(ctx, c); err == nil {
			isPolicy, err = exists(ctx, c, t.name, &v1alpha1.RebootPolicy{}, "RebootPolicies")
		}
		if err == nil && !isNode && !isPolicy {
			isNode, err = t.reboot(ctx, c)
		}
	}
	return isNode, isPolicy, err
}

func exists(ctx context.Context, c client.Reader, name string, object client.Object, what string) (bool, error) {
	err := c.Get(ctx, client.ObjectKey{Name: name}, object)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, app.ReadError(what, err)
	}
	return true, nil
}

// node finds the node of the target. For a user who may not read nodes, a name that has NodeReboots counts as a node.
func (t *target) node(ctx context.Context, c client.Reader) (bool, error) {
	node := &corev1.Node{}
	err := c.Get(ctx, client.ObjectKey{Name: t.name}, node)
	switch {
	case err == nil:
		t.bootID = node.Status.NodeInfo.BootID
		return true, nil
	case apierrors.IsNotFound(err) || apierrors.IsForbidden(err):
		var reboots v1alpha1.NodeRebootList
		if err := c.List(ctx, &reboots, client.MatchingFields{"spec.nodeName": t.name}); err != nil {
			return false, app.ReadError("NodeReboots", err)
		}
		return len(reboots.Items) > 0, nil
	}
	return false, app.ReadError("Nodes", err)
}

// reboot makes the target the node of a NodeReboot.
func (t *target) reboot(ctx context.Context, c client.Reader) (bool, error) {
	r := &v1alpha1.NodeReboot{}
	found, err := exists(ctx, c, t.name, r, "NodeReboots")
	if err != nil || !found {
		return false, err
	}
	t.name = r.Spec.NodeName
	return t.node(ctx, c)
}
