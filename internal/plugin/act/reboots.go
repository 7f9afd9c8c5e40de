package act

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// isOpen: it has not ended.
func isOpen(r *v1alpha1.NodeReboot) bool { return r.Status.Outcome == "" }

// underWay: an attempt holds a slot.
func underWay(r *v1alpha1.NodeReboot) bool {
	return isOpen(r) && r.Status.Attempt != nil && r.Status.Attempt.EndedTime == nil
}

// ordered: the host was ordered to reboot in the attempt that is under way, and the attempt was not rolled back.
func ordered(r *v1alpha1.NodeReboot) bool {
	return underWay(r) && r.Status.Attempt.RebootOrderedTime != nil && r.Status.Attempt.RolledBackTime == nil
}

// stalled: the attempt ran out of time after the order to reboot, and its slot is held.
func stalled(r *v1alpha1.NodeReboot) bool { return underWay(r) && r.Status.Attempt.StalledTime != nil }

func deleting(r *v1alpha1.NodeReboot) bool { return !r.DeletionTimestamp.IsZero() }

// byProgram says that a helper or the manager asked for the reboot, and asks again while it is needed.
func byProgram(r *v1alpha1.NodeReboot) bool {
	return r.Spec.Trigger == v1alpha1.TriggerSentinel || r.Spec.Trigger == v1alpha1.TriggerNodeCondition
}

// isImmediate says what no window holds up.
const isImmediate = "It is Immediate: it waits for no window and no freeze."

// called is how a NodeReboot is named in a sentence.
func called(r *v1alpha1.NodeReboot) string {
	return fmt.Sprintf("NodeReboot %s of node %s", r.Name, r.Spec.NodeName)
}

// group is what one argument stands for: the NodeReboots of a node, or one of them.
type group struct {
	// about names it in a sentence.
	about   string
	reboots []*v1alpha1.NodeReboot
	err     error
}

// groups finds the NodeReboots that were asked for, in the order of the command line, or of the names of nodes.
func (s *session) groups(ctx context.Context, args []string) ([]group, error) {
	var reboots v1alpha1.NodeRebootList
	if err := s.client.List(ctx, &reboots); err != nil {
		return nil, app.ReadError("NodeReboots", err)
	}
	all := index{map[string][]*v1alpha1.NodeReboot{}, map[string]*v1alpha1.NodeReboot{}}
	for i := range reboots.Items {
		r := &reboots.Items[i]
		all.byNode[r.Spec.NodeName] = append(all.byNode[r.Spec.NodeName], r)
		all.byName[r.Name] = r
	}
	if s.named(args) {
		return s.namedGroups(ctx, args, all), nil
	}
	nodes, err := s.chosenNodes(ctx)
	if err != nil {
		return nil, err
	}
	var found []group
	for node, of := range all.byNode {
		if of = slices.DeleteFunc(of, func(r *v1alpha1.NodeReboot) bool { return !s.ofPolicies(r.Status.PolicyName) }); len(of) > 0 &&
			(nodes == nil || nodes[node]) {
			found = append(found, group{about: "Node " + node, reboots: of})
		}
	}
	slices.SortFunc(found, func(a, b group) int { return cmp.Compare(a.about, b.about) })
	return found, nil
}

// ofPolicies says whether --policy chose a policy, or was not used.
func (s *session) ofPolicies(name string) bool {
	return len(s.policies) == 0 || slices.Contains(once(s.policies), name)
}

// chosenNodes are the nodes that --selector selects; nil for all.
func (s *session) chosenNodes(ctx context.Context) (map[string]bool, error) {
	if err := s.knowPolicies(ctx); err != nil {
		return nil, err
	}
	if s.selector == "" {
		return nil, nil
	}
	nodes, err := s.listNodes(ctx)
	if err != nil {
		return nil, err
	}
	chosen := map[string]bool{}
	for i := range nodes {
		chosen[nodes[i].Name] = true
	}
	return chosen, nil
}

// knowPolicies finds names in --policy that no policy has.
func (s *session) knowPolicies(ctx context.Context) error {
	for _, name := range once(s.policies) {
		if err := s.client.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.RebootPolicy{}); err != nil {
			if apierrors.IsNotFound(err) {
				return fmt.Errorf("there is no RebootPolicy %s; to see all: kubectl get rebootpolicies", name)
			}
			return app.ReadError("RebootPolicies", err)
		}
	}
	return nil
}

// listNodes are the nodes that --selector selects, by name.
func (s *session) listNodes(ctx context.Context) ([]corev1.Node, error) {
	var nodes corev1.NodeList
	if err := s.client.List(ctx, &nodes, client.MatchingLabelsSelector{Selector: s.selects}); err != nil {
		return nil, app.ReadError("Nodes", err)
	}
	slices.SortFunc(nodes.Items, func(a, b corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	return nodes.Items, nil
}

// index has all NodeReboots.
type index struct {
	byNode map[string][]*v1alpha1.NodeReboot
	byName map[string]*v1alpha1.NodeReboot
}

func (s *session) namedGroups(ctx context.Context, args []string, of index) []group {
	var found []group
	known := map[ref]bool{}
	for _, arg := range args {
		named, err := s.resolve(ctx, parse(arg), of)
		if known[named] {
			continue
		}
		known[named] = true
		g := group{about: named.name, err: err}
		switch {
		case err != nil:
		case named.kind == nodeKind:
			g.about, g.reboots = "Node "+named.name, of.byNode[named.name]
		default:
			r := of.byName[named.name]
			g.about, g.reboots = called(r), []*v1alpha1.NodeReboot{r}
		}
		found = append(found, g)
	}
	return found
}

// resolve finds out what an argument names.
func (s *session) resolve(ctx context.Context, named ref, of index) (ref, error) {
	r := of.byName[named.name]
	switch {
	case named.kind == rebootKind && r == nil:
		return named, errors.New("there is no NodeReboot of this name")
	case named.kind == rebootKind:
		return named, nil
	case named.kind == "" && r != nil && r.Spec.NodeName != named.name:
		return s.resolveBare(ctx, named, r, of)
	}
	isNode, err := s.hasNode(ctx, named.name, of)
	switch {
	case isNode || err != nil:
		// A user who may not read nodes may still be right about the name.
		return ref{nodeKind, named.name}, nil
	case named.kind == "":
		return named, errors.New("there is no node and no NodeReboot of this name")
	}
	return named, errors.New("there is no node of this name")
}

// resolveBare finds out what a name alone stands for that a NodeReboot of another node has. If a node has it too, it is refused: helpers
// call their NodeReboots after their nodes, so both are common in one cluster.
func (s *session) resolveBare(ctx context.Context, named ref, r *v1alpha1.NodeReboot, of index) (ref, error) {
	switch isNode, err := s.hasNode(ctx, named.name, of); {
	case err != nil:
		return named, fmt.Errorf("it is the name of a NodeReboot of node %s, and it could not be read whether it is also the name of a node; "+
			"write node/%s or nodereboot/%[2]s", r.Spec.NodeName, named.name)
	case isNode:
		return named, fmt.Errorf("it is the name of a node, and of a NodeReboot of node %s; write node/%s or nodereboot/%[2]s",
			r.Spec.NodeName, named.name)
	}
	return ref{rebootKind, named.name}, nil
}

// hasNode says whether there is a node with a name, or are NodeReboots of one.
func (s *session) hasNode(ctx context.Context, name string, of index) (bool, error) {
	if len(of.byNode[name]) > 0 {
		return true, nil
	}
	err := s.client.Get(ctx, client.ObjectKey{Name: name}, &corev1.Node{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// owner is the policy that the labels of a node give it to: the highest priority, then the oldest, then the first by name.
func owner(node *corev1.Node, policies []v1alpha1.RebootPolicy) *v1alpha1.RebootPolicy {
	var first *v1alpha1.RebootPolicy
	for i := range policies {
		p := &policies[i]
		if selects(p, node) && (first == nil || cmp.Or(cmp.Compare(first.Spec.Priority, p.Spec.Priority),
			p.CreationTimestamp.Compare(first.CreationTimestamp.Time), cmp.Compare(p.Name, first.Name)) < 0) {
			first = p
		}
	}
	return first
}

func selects(p *v1alpha1.RebootPolicy, node *corev1.Node) bool {
	if !p.DeletionTimestamp.IsZero() {
		return false
	}
	if p.Spec.Nodes == v1alpha1.NodesAll {
		return true
	}
	selector, err := selectors.Labels(p.Spec.NodeSelector)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(node.Labels))
}
