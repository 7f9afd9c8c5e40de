package act

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// maxReason is the length of spec.reason in the schema.
const maxReason = 1024

// asking is what now asks for.
type asking struct {
	reason    string
	immediate bool
}

func nowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "now NODE... --reason TEXT", Short: "Ask for reboots of nodes",
		Long: `Ask for reboots of nodes, by creating a NodeReboot for each. They wait for their turn like all others.

A node that has a NodeReboot that has not ended gets no other one. --immediate goes before others, and waits for no window and no freeze;
it still respects every limit, and drains.`,
		Example: `  kubectl reboots now worker-1 --reason "firmware of the network card"
  kubectl reboots now -l pool=blue --reason CVE-2026-1234 --immediate`,
		ValidArgsFunction: a.Complete(app.NodeKind),
	}
	o := addOptions(a, cmd, ofNodes)
	what := asking{}
	cmd.Flags().StringVar(&what.reason, "reason", "", "Why, for people to read (required)")
	cmd.Flags().BoolVar(&what.immediate, "immediate", false, "Go before others, and wait for no window and no freeze")
	cobra.CheckErr(cmd.MarkFlagRequired("reason"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.TrimSpace(what.reason) == "" || utf8.RuneCountInString(what.reason) > maxReason {
			return app.UsageError{Err: fmt.Errorf("--reason takes 1 to %d characters", maxReason)}
		}
		s, err := o.connect()
		if err != nil {
			return err
		}
		s.whoAmI(cmd.Context())
		if err := s.askAll(cmd.Context(), args, what); err != nil {
			return err
		}
		return s.report(cmd.Context(), "No nodes.")
	}
	return cmd
}

// askAll asks for a reboot of each node.
func (s *session) askAll(ctx context.Context, args []string, what asking) error {
	nodes, err := s.nodes(ctx, args)
	if err != nil {
		return err
	}
	var reboots v1alpha1.NodeRebootList
	if err := s.client.List(ctx, &reboots); err != nil {
		return app.ReadError("NodeReboots", err)
	}
	byNode := map[string][]*v1alpha1.NodeReboot{}
	for i := range reboots.Items {
		byNode[reboots.Items[i].Spec.NodeName] = append(byNode[reboots.Items[i].Spec.NodeName], &reboots.Items[i])
	}
	for i := range nodes {
		s.answers = append(s.answers, s.ask(ctx, &nodes[i], byNode[nodes[i].Name], what))
	}
	return nil
}

// nodes are those that were asked for; for a name that no node has there is an answer instead.
func (s *session) nodes(ctx context.Context, args []string) ([]corev1.Node, error) {
	if !s.named(args) {
		if err := s.knowPolicies(ctx); err != nil {
			return nil, err
		}
		nodes, err := s.listNodes(ctx)
		if err != nil || len(s.policies) == 0 {
			return nodes, err
		}
		var policies v1alpha1.RebootPolicyList
		if err := s.client.List(ctx, &policies); err != nil {
			return nil, app.ReadError("RebootPolicies", err)
		}
		return slices.DeleteFunc(nodes, func(node corev1.Node) bool {
			p := owner(&node, policies.Items)
			return p == nil || !s.ofPolicies(p.Name)
		}), nil
	}
	var nodes []corev1.Node
	for _, name := range once(args) {
		var node corev1.Node
		err := s.client.Get(ctx, client.ObjectKey{Name: name}, &node)
		switch {
		case apierrors.IsNotFound(err):
			s.answers = append(s.answers, &answer{about: "node " + name, err: errors.New("there is no node of this name")})
		case err != nil:
			s.answers = append(s.answers, &answer{about: "node " + name, err: app.ReadError("the node", err)})
		default:
			nodes = append(nodes, node)
		}
	}
	return nodes, nil
}

// ask asks for a reboot of one node, unless there is a NodeReboot that has not ended.
func (s *session) ask(ctx context.Context, node *corev1.Node, reboots []*v1alpha1.NodeReboot, what asking) *answer {
	if open := pick(reboots); open != nil {
		return s.edit(ctx, called(open), open, func(object client.Object) decision { return s.hurry(object.(*v1alpha1.NodeReboot), what) })
	}
	return s.askOnce(ctx, node, what, "")
}

// askOnce creates a NodeReboot with an unused name; an existing NodeReboot with that name that has not ended is what was asked for, unless
// it is to be replaced.
func (s *session) askOnce(ctx context.Context, node *corev1.Node, what asking, except string) *answer {
	for taken := 0; ; taken++ {
		r := request(node, taken, what, s.user)
		err := s.create(ctx, r)
		if err == nil {
			a := &answer{about: called(r), object: r, changed: true, did: fmt.Sprintf("%s is created.", called(r))}
			s.expect(a, r)
			return a
		}
		there := &v1alpha1.NodeReboot{}
		if !apierrors.IsAlreadyExists(err) || s.client.Get(ctx, client.ObjectKeyFromObject(r), there) != nil {
			return &answer{about: "node " + node.Name, err: explain(err)}
		}
		if there.Name != except && isOpen(there) && !deleting(there) && there.Spec.NodeName == node.Name {
			return s.edit(ctx, called(there), there, func(object client.Object) decision { return s.hurry(object.(*v1alpha1.NodeReboot), what) })
		}
	}
}

// pick is the NodeReboot that has not ended, preferably one under way. A NodeReboot that is being deleted does not count.
func pick(reboots []*v1alpha1.NodeReboot) *v1alpha1.NodeReboot {
	var open *v1alpha1.NodeReboot
	for _, r := range reboots {
		if isOpen(r) && !deleting(r) && (open == nil || underWay(r) && !underWay(open)) {
			open = r
		}
	}
	return open
}

// hurry decides about a NodeReboot that there is already.
func (s *session) hurry(r *v1alpha1.NodeReboot, what asking) decision {
	if what.immediate && r.Spec.Urgency != v1alpha1.UrgencyImmediate && !underWay(r) {
		d := decision{patch: map[string]any{"spec": map[string]any{"urgency": string(v1alpha1.UrgencyImmediate)}}}
		d.did = called(r) + " already exists; it is urgent now."
		s.expectAfter(&d.answer, r)
		return d
	}
	d := nothing("%s already exists: no other one is created.", called(r))
	if r.Status.Reason != "" {
		d.next = append(s.stateOf(r), "More: kubectl reboots why "+r.Spec.NodeName)
	}
	return d
}

// request is a NodeReboot for a node. Its name follows from the node's boot, so that two requests at once, or one that is made again, are
// one.
func request(node *corev1.Node, taken int, what asking, user string) *v1alpha1.NodeReboot {
	r := &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: requestName(node, taken)},
		Spec: v1alpha1.NodeRebootSpec{
			NodeName: node.Name, Trigger: v1alpha1.TriggerManual, Reason: what.reason, Urgency: v1alpha1.UrgencyNormal, RequestedBy: user,
		},
	}
	if what.immediate {
		r.Spec.Urgency = v1alpha1.UrgencyImmediate
	}
	return r
}

// requestName is none that a helper or the manager uses.
func requestName(node *corev1.Node, number int) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%s/%s/%d", node.UID, node.Status.NodeInfo.BootID, number)))
	suffix := "-now-" + hex.EncodeToString(sum[:4])
	most := validation.DNS1123SubdomainMaxLength - len(suffix)
	return strings.TrimRight(node.Name[:min(most, len(node.Name))], ".-") + suffix
}
