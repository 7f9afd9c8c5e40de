package lint

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/window"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// cluster is what policies are compared with.
type cluster struct {
	*app.Fleet
	budgets []policyv1.PodDisruptionBudget
	// pods of budgets that allow nothing, by the namespace and name of the budget.
	pods map[string][]corev1.Pod
	// gates says about objects of gates what is wrong with them.
	gates func(ctx context.Context, gate *v1alpha1.ObjectGate) string
}

// owned is a policy and the nodes that it selects and owns.
type owned struct {
	*v1alpha1.RebootPolicy
	file            *policyFile
	selected, nodes []*corev1.Node
	// before are the policies that own what it selects.
	before sets.Set[string]
}

// checkCluster compares the policies of the files with a cluster in which they are applied.
func (c *checker) checkCluster(ctx context.Context, k *cluster) {
	all := c.applied(k)
	assign(all, k.Nodes)
	for i := range all {
		p := &all[i]
		if p.file == nil {
			continue
		}
		c.checkNodes(p)
		c.checkLimits(p)
		c.checkOverlap(p, all)
		c.checkBudgets(p, k)
		c.checkHistory(p, k)
		c.checkGates(ctx, p, k)
	}
	for i := range c.reboots {
		r := &c.reboots[i]
		if !slices.ContainsFunc(k.Nodes, func(n corev1.Node) bool { return n.Name == r.object.Spec.NodeName }) {
			c.found(r.document, Warning, "spec.nodeName", fmt.Sprintf("the cluster has no node %q: write the name of one", r.object.Spec.NodeName))
		}
	}
}

// applied are the policies of the cluster once those of the files are applied, in the order of their precedence. Of several files of one
// policy the last stays.
func (c *checker) applied(k *cluster) []owned {
	var all []owned
	inFiles := map[string]bool{}
	for i := range slices.Backward(c.policies) {
		p := &c.policies[i]
		if inFiles[p.object.Name] {
			continue
		}
		inFiles[p.object.Name] = true
		p.object.CreationTimestamp = metav1.NewTime(c.now)
		for j := range k.Policies {
			if k.Policies[j].Name == p.object.Name {
				p.object.CreationTimestamp = k.Policies[j].CreationTimestamp
			}
		}
		all = append(all, owned{RebootPolicy: &p.object, file: p})
	}
	for i := range k.Policies {
		if p := &k.Policies[i]; !inFiles[p.Name] && p.DeletionTimestamp.IsZero() {
			all = append(all, owned{RebootPolicy: p})
		}
	}
	slices.SortFunc(all, func(a, b owned) int {
		return cmp.Or(cmp.Compare(b.Spec.Priority, a.Spec.Priority), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name,
			b.Name))
	})
	return all
}

// assign nodes to the policies that come first.
func assign(all []owned, nodes []corev1.Node) {
	matchers := make([]labels.Selector, len(all))
	for i := range all {
		all[i].before = sets.New[string]()
		matchers[i] = labels.Everything()
		if all[i].Spec.Nodes != v1alpha1.NodesAll {
			selector, err := selectors.Labels(all[i].Spec.NodeSelector)
			if err != nil || selector.Empty() {
				selector = labels.Nothing()
			}
			matchers[i] = selector
		}
	}
	for n := range nodes {
		owner := ""
		for i := range all {
			p := &all[i]
			if !matchers[i].Matches(labels.Set(nodes[n].Labels)) {
				continue
			}
			p.selected = append(p.selected, &nodes[n])
			if owner != "" {
				p.before.Insert(owner)
				continue
			}
			owner = p.Name
			p.nodes = append(p.nodes, &nodes[n])
		}
	}
}

func (c *checker) checkNodes(p *owned) {
	switch {
	case len(p.selected) == 0:
		c.found(p.file.document, Warning, "spec.nodeSelector", "it selects no node in the cluster: compare it with kubectl get nodes "+
			"--show-labels")
	case len(p.nodes) == 0:
		c.found(p.file.document, Warning, "spec.priority", fmt.Sprintf("all %d nodes that the policy selects belong to RebootPolicy %s, "+
			"which takes precedence: write a higher priority, or another nodeSelector", len(p.selected), strings.Join(sets.List(p.before), " and ")))
	}
	key := p.Spec.Rollout.Zones.TopologyKey
	zones := sets.New[string]()
	for _, node := range p.nodes {
		zones.Insert(node.Labels[key])
	}
	for i, zone := range p.Spec.Rollout.Zones.Order {
		if len(p.nodes) > 0 && !zones.Has(zone) {
			known := sets.List(zones.Difference(sets.New("")))
			message := fmt.Sprintf("no node of the policy has %s=%s: remove it, or write one of %s", key, zone, strings.Join(known, ", "))
			if len(known) == 0 {
				message = fmt.Sprintf("no node of the policy has the label %s: write another topologyKey", key)
			}
			c.found(p.file.document, Warning, fmt.Sprintf("spec.rollout.zones.order[%d]", i), message)
		}
	}
}

// checkLimits finds percentages that come to no node.
func (c *checker) checkLimits(p *owned) {
	rollout := &p.Spec.Rollout
	total := units(rollout, p.nodes)
	c.checkShare(p, "spec.rollout.maxUnavailable", rollout.MaxUnavailable, total, fmt.Sprintf("%d nodes or groups", total))
	zones := map[string][]*corev1.Node{}
	for _, node := range p.nodes {
		zone := node.Labels[rollout.Zones.TopologyKey]
		zones[zone] = append(zones[zone], node)
	}
	names := sets.List(sets.KeySet(zones))
	if len(names) == 0 {
		return
	}
	smallest := slices.MinFunc(names, func(a, b string) int { return cmp.Compare(units(rollout, zones[a]), units(rollout, zones[b])) })
	total = units(rollout, zones[smallest])
	c.checkShare(p, "spec.rollout.zones.maxUnavailablePerZone", rollout.Zones.MaxUnavailablePerZone, total,
		fmt.Sprintf("%d nodes or groups of zone %q", total, smallest))
}

// units of nodes are what limits count: nodes, and groups.
func units(rollout *v1alpha1.RolloutSpec, nodes []*corev1.Node) int {
	if rollout.Group == nil {
		return len(nodes)
	}
	groups, alone := sets.New[string](), 0
	for _, node := range nodes {
		if value, is := node.Labels[rollout.Group.Label]; is {
			groups.Insert(value)
		} else {
			alone++
		}
	}
	return groups.Len() + alone
}

// checkShare of a total that a percentage comes to.
func (c *checker) checkShare(p *owned, path string, value *intstr.IntOrString, total int, of string) {
	if value == nil || value.Type != intstr.String || value.StrVal == "0%" || total == 0 {
		return
	}
	if limit, _ := intstr.GetScaledValueFromIntOrPercent(value, total, false); limit == 0 { // the schema lets no other text pass
		c.found(p.file.document, Warning, path, fmt.Sprintf("%s of %s, rounded down, is 0, so nothing ever starts: write 1, or at least %d%%",
			value.StrVal, of, (100+total-1)/total))
	}
}

// checkOverlap finds policies of the same priority that select the same nodes: which one owns them depends on which is older.
func (c *checker) checkOverlap(p *owned, all []owned) {
	for i := range all {
		other := &all[i]
		if other.Name == p.Name || other.Spec.Priority != p.Spec.Priority {
			continue
		}
		for _, node := range p.selected {
			if slices.Contains(other.selected, node) {
				c.found(p.file.document, Warning, "spec.priority", fmt.Sprintf("RebootPolicy %s has the same priority %d and selects some of the "+
					"same nodes, "+
					"for example %s, so the older policy owns them: write another priority or nodeSelector", other.Name, p.Spec.Priority, node.Name))
				break
			}
		}
	}
}

// impossible says that a budget never allows a disruption, however healthy its pods are.
func impossible(budget *policyv1.PodDisruptionBudget) bool {
	status := &budget.Status
	return status.ExpectedPods > 0 && status.DesiredHealthy >= status.ExpectedPods && status.DisruptionsAllowed == 0
}

func (c *checker) checkBudgets(p *owned, k *cluster) {
	drain := &p.Spec.Drain
	if drain.Mode == v1alpha1.DrainModeSkip || drain.OnTimeout == v1alpha1.DrainTimeoutForce {
		return
	}
	nodes := sets.New[string]()
	for _, node := range p.nodes {
		nodes.Insert(node.Name)
	}
	for i := range k.budgets {
		budget := &k.budgets[i]
		key := budget.Namespace + "/" + budget.Name
		for _, pod := range k.pods[key] {
			if nodes.Has(pod.Spec.NodeName) {
				c.found(p.file.document, Warning, "spec.drain", fmt.Sprintf("node %s can never be drained: PodDisruptionBudget %s requires all %d "+
					"of its pods to be "+
					"healthy, and pod %s is on it: let the budget allow one disruption, or write onTimeout: Force", pod.Spec.NodeName, key,
					budget.Status.ExpectedPods, pod.Name))
				break
			}
		}
	}
}

// checkHistory compares windows with how long nodes of the policy took.
func (c *checker) checkHistory(p *owned, k *cluster) {
	var longest time.Duration
	var node string
	for i := range k.Reboots {
		r := &k.Reboots[i]
		a := r.Status.Attempt
		if r.Status.PolicyName != p.Name || a == nil || a.RebootOrderedTime == nil {
			continue
		}
		if took := a.RebootOrderedTime.Sub(a.GrantedTime.Time); took > longest {
			longest, node = took, r.Spec.NodeName
		}
	}
	schedule := &p.Spec.Schedule
	for i := range schedule.Windows {
		length := window.Length(&schedule.Windows[i])
		if longest > length && schedule.AtClose != v1alpha1.TimeoutContinue {
			c.found(p.file.document, Warning, fmt.Sprintf("spec.schedule.windows[%d].durationSeconds", i), fmt.Sprintf(
				"%s is shorter than node %s took until its reboot (%s): write more than %d, or atClose: Continue", length, node,
				longest.Round(time.Second), int(longest.Seconds())))
		}
	}
}

func (c *checker) checkGates(ctx context.Context, p *owned, k *cluster) {
	for list, gates := range map[string][]v1alpha1.ObjectGate{
		"spec.gates.objects": p.Spec.Gates.Objects, "spec.recovery.objects": p.Spec.Recovery.Objects,
	} {
		for i := range gates {
			if wrong := k.gates(ctx, &gates[i]); wrong != "" {
				c.found(p.file.document, Warning, fmt.Sprintf("%s[%d]", list, i), wrong)
			}
		}
	}
}
