package lint_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

// linted are the lines that say what is wrong with a text.
func linted(t *testing.T, text string, objects []client.Object, args ...string) []string {
	t.Helper()
	_, out, _ := run(t, text, objects, args...)
	return slices.DeleteFunc(strings.Split(out, "\n"), func(line string) bool { return line == "" })
}

// requireLines that say this, each once and in any order.
func requireLines(t *testing.T, lines []string, want ...string) {
	t.Helper()
	for _, words := range want {
		at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, words) })
		if at < 0 {
			t.Errorf("it does not say %q: %q", words, lines)
			continue
		}
		lines = slices.Delete(slices.Clone(lines), at, at+1)
	}
	if len(lines) > 0 {
		t.Errorf("it says more: %q", lines)
	}
}

// labeled are nodes with a label.
func labeled(key, value string, names ...string) []client.Object {
	var all []client.Object
	for _, name := range names {
		all = append(all, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{key: value}}})
	}
	return all
}

// inCluster is a policy that exists, older than now.
func inCluster(name string, age time.Duration, change func(*v1alpha1.RebootPolicy)) *v1alpha1.RebootPolicy {
	p := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(plugintest.Now.Add(-age))}}
	p.Spec.Nodes = v1alpha1.NodesAll
	if change != nil {
		change(p)
	}
	return p
}

func TestAPolicyIsComparedWithTheOthers(t *testing.T) {
	t.Parallel()
	const shadowed = "all 3 nodes that the policy selects belong to RebootPolicy"
	shadows := func(p *v1alpha1.RebootPolicy) { p.Spec.Priority = 9 }
	selects := func(expression ...v1alpha1.LabelRequirement) func(*v1alpha1.RebootPolicy) {
		return func(p *v1alpha1.RebootPolicy) {
			p.Spec.Nodes, p.Spec.Priority = v1alpha1.NodesSelected, 9
			p.Spec.NodeSelector = &v1alpha1.LabelSelector{MatchExpressions: expression}
		}
	}
	all, none := head+"  nodes: All\n", head+"  nodeSelector: {matchLabels: {pool: none}}\n"
	for name, test := range map[string]struct {
		text   string
		others []client.Object
		want   []string
	}{
		"an older one of the same priority owns the nodes": {all, []client.Object{inCluster("z", time.Hour, nil)},
			[]string{"RebootPolicy z has the same priority 0 and selects some of the same nodes, for example a", shadowed + " z, "}},
		"it is older itself": {all, []client.Object{inCluster("z", time.Hour, nil), inCluster("p", 2*time.Hour, nil)},
			[]string{"RebootPolicy z has the same priority 0"}},
		"it is younger than another although it exists": {all, []client.Object{inCluster("z", 2*time.Hour, nil), inCluster("p", time.Hour, nil)},
			[]string{"RebootPolicy z has the same priority 0", shadowed + " z, "}},
		"what it replaces does not count": {all, []client.Object{inCluster("p", time.Hour, shadows)}, nil},
		"one that is being deleted does not count": {all, []client.Object{inCluster("z", time.Hour, func(p *v1alpha1.RebootPolicy) {
			p.DeletionTimestamp, p.Finalizers = &metav1.Time{Time: plugintest.Now}, []string{"example.com/keep"}
		})}, nil},
		"one with a lower priority does not matter": {all, []client.Object{inCluster("z", time.Hour,
			func(p *v1alpha1.RebootPolicy) { p.Spec.Priority = -1 })}, nil},
		"one with an empty selector selects nothing": {all, []client.Object{inCluster("z", time.Hour, selects())}, nil},
		"one with a selector that is wrong has nothing": {all, []client.Object{inCluster("z", time.Hour,
			selects(v1alpha1.LabelRequirement{Key: "pool", Operator: "Near"}))}, nil},
		"one that selects other nodes does not matter": {all, []client.Object{inCluster("z", time.Hour, func(p *v1alpha1.RebootPolicy) {
			selects(v1alpha1.LabelRequirement{Key: "pool", Operator: metav1.LabelSelectorOpIn, Values: []v1alpha1.LabelValue{"green"}})(p)
			p.Spec.Priority = 0
		})}, nil},
		"two own its nodes": {all, []client.Object{inCluster("y", time.Hour, func(p *v1alpha1.RebootPolicy) {
			selects(v1alpha1.LabelRequirement{Key: corev1.LabelTopologyZone, Operator: metav1.LabelSelectorOpIn,
				Values: []v1alpha1.LabelValue{"z2"}})(p)
		}), inCluster("z", time.Hour, func(p *v1alpha1.RebootPolicy) { p.Spec.Priority = 5 })}, []string{shadowed + " y and z, "}},
		"the last of two files of one policy is compared": {all + "---\n" + none, nil, []string{
			"-:9: warning: RebootPolicy p: metadata.name: another RebootPolicy of this name is in -, line 3: the one that is applied last stays",
			"-:11: warning: RebootPolicy p: spec.nodeSelector: it selects no node"}},
		"the first of two files of one policy is not compared": {none + "---\n" + all, nil, []string{"-:9: warning: RebootPolicy p: " +
			"metadata.name"}},
		"three files of one policy": {all + "---\n" + all + "---\n" + all, nil, []string{
			"-:9: warning: RebootPolicy p: metadata.name: another RebootPolicy of this name is in -, line 3",
			"-:15: warning: RebootPolicy p: metadata.name: another RebootPolicy of this name is in -, line 3"}},
		"two policies that get a name": {
			strings.ReplaceAll(all+"---\n"+all, "{name: p}", "{generateName: p-}"), nil, nil,
		},
		"one that the manager refuses is not compared": {
			none + "  gates: {objects: [{name: g, apiVersion: v1, kind: Node, expression: x =}]}\n", nil,
			[]string{"spec.gates.objects[g].expression"},
		},
		"one that cannot be read is not compared": {strings.Replace(none, "{name: p}", "{name: p, creationTimestamp: soon}", 1), nil,
			[]string{"metadata.creationTimestamp"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := append(nodes("z1", "a", "b"), append(nodes("z2", "c"), test.others...)...)
			requireLines(t, linted(t, test.text, cluster), test.want...)
		})
	}
}

func TestLimitsAndZonesAreComparedWithTheNodes(t *testing.T) {
	t.Parallel()
	four := append(nodes("z1", "a", "b", "c"), nodes("z2", "d")...)
	grouped := slices.Concat(labeled("rack", "r1", "a", "b"), labeled("rack", "r2", "c"), labeled("pool", "blue", "d", "e"))
	for name, test := range map[string]struct {
		rollout string
		nodes   []client.Object
		want    []string
	}{
		"a share of one node": {"maxUnavailable: 25%", four, nil},
		"a share of less than a node": {"maxUnavailable: 10%", four, []string{"10% of 4 nodes or groups, rounded down, is 0, so nothing " +
			"ever starts: write 1, or at least 25%"}},
		"a share of no nodes": {"maxUnavailable: 10%", nil, []string{"it selects no node"}},
		"a number":            {"maxUnavailable: 3", four, nil},
		"nothing": {"maxUnavailable: 0", four, []string{"-:6: warning: RebootPolicy p: spec.rollout.maxUnavailable: it " +
			"is 0, so nothing ever starts: write 1 or more"}},
		"no share": {"maxUnavailable: 0%", four, []string{"spec.rollout.maxUnavailable: it is 0, so nothing"}},
		"nothing of a zone": {"zones: {maxUnavailablePerZone: 0}", four, []string{"spec.rollout.zones.maxUnavailablePerZone: it " +
			"is 0, so nothing"}},
		"no share of a zone": {"zones: {maxUnavailablePerZone: 0%}", four, []string{"spec.rollout.zones.maxUnavailablePerZone: it " +
			"is 0, so nothing"}},
		"a share of the smallest zone": {"zones: {maxUnavailablePerZone: 50%}", four, []string{
			`50% of 1 nodes or groups of zone "z2", rounded down, is 0, so nothing ever starts: write 1, or at least 100%`}},
		"a share of groups": {"maxUnavailable: 20%, group: {label: rack, maxSize: 2}", grouped,
			[]string{"20% of 4 nodes or groups, rounded down, is 0"}},
		"zones in an order": {"zones: {order: [z2, z1]}", four, nil},
		"a zone without nodes": {"zones: {order: [z1, z9]}", four, []string{"spec.rollout.zones.order[1]: no node of the policy has " +
			"topology.kubernetes.io/zone=z9: remove it, or write one of z1, z2"}},
		"a label that no node has": {"zones: {order: [z1], topologyKey: rack}", four, []string{"spec.rollout.zones.order[0]: no node of " +
			"the policy has the label rack: write another topologyKey"}},
		"zones of a policy without node": {"zones: {order: [z1]}", nil, []string{"it selects no node"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, head+"  nodes: All\n  rollout: {"+test.rollout+"}\n", test.nodes), test.want...)
		})
	}
}

// budgetOf pods that have a label, and the pods of it by name and node.
func budgetOf(change func(*policyv1.PodDisruptionBudget), pods ...string) []client.Object {
	objects := strictBudget()[:1]
	if budget, is := objects[0].(*policyv1.PodDisruptionBudget); is && change != nil {
		change(budget)
	}
	for _, pod := range pods {
		name, node, _ := strings.Cut(pod, "@")
		objects = append(objects, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name,
			Labels: map[string]string{"app": "db"}},
			Spec: corev1.PodSpec{NodeName: node}})
	}
	return objects
}

func TestABudgetThatNeverAllowsADisruptionIsFound(t *testing.T) {
	t.Parallel()
	const never = "node a can never be drained: PodDisruptionBudget apps/db requires all 3 of its pods to be healthy, and pod db-0 is on it"
	for name, test := range map[string]struct {
		drain   string
		objects []client.Object
		want    []string
	}{
		"two of its pods":             {"{}", budgetOf(nil, "db-0@a", "db-1@b"), []string{never}},
		"its pods are elsewhere":      {"{}", budgetOf(nil, "db-0@x"), nil},
		"its second pod is on a node": {"{}", budgetOf(nil, "db-0@x", "db-1@b"), []string{"node b can never be drained"}},
		"nodes are not drained":       {"{mode: Skip}", budgetOf(nil, "db-0@a"), nil},
		"drains are forced":           {"{onTimeout: Force}", budgetOf(nil, "db-0@a"), nil},
		"it requires one pod less":    {"{}", budgetOf(func(b *policyv1.PodDisruptionBudget) { b.Status.DesiredHealthy = 2 }, "db-0@a"), nil},
		"it allows one disruption": {"{}", budgetOf(func(b *policyv1.PodDisruptionBudget) { b.Status.DisruptionsAllowed = 1 },
			"db-0@a"), nil},
		"nobody has counted its pods": {"{}",
			budgetOf(func(b *policyv1.PodDisruptionBudget) { b.Status = policyv1.PodDisruptionBudgetStatus{} }, "db-0@a"), nil},
		"it requires more than there is": {"{}", budgetOf(func(b *policyv1.PodDisruptionBudget) { b.Status.DesiredHealthy = 4 }, "db-0@a"),
			[]string{never}},
		"its selector is wrong": {"{}", budgetOf(func(b *policyv1.PodDisruptionBudget) {
			b.Spec.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Near"}}}
		}, "db-0@a"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := slices.Concat(test.objects, nodes("z1", "a", "b"))
			requireLines(t, linted(t, head+"  nodes: All\n  drain: "+test.drain+"\n", objects), test.want...)
		})
	}
}

// took is a NodeReboot that took so long until its order.
func took(name string, hours int, change func(*v1alpha1.NodeReboot)) client.Object {
	r := slowReboot()
	r.Name, r.Spec.NodeName = name, "of-"+name
	r.Status.Attempt.GrantedTime = metav1.NewMicroTime(plugintest.Now.Add(-time.Duration(hours) * time.Hour))
	if change != nil {
		change(r)
	}
	return r
}

func TestWindowsAreComparedWithWhatNodesTook(t *testing.T) {
	t.Parallel()
	const short = "spec.schedule.windows[0].durationSeconds: 2h0m0s is shorter than node of-%s took until its reboot (3h0m0s): write more " +
		"than 10800"
	for name, test := range map[string]struct {
		atClose string
		reboots []client.Object
		want    []string
	}{
		"the longest is the first": {"Abort", []client.Object{took("a", 3, nil), took("b", 1, nil)}, []string{strings.Replace(short, "%s",
			"a", 1)}},
		"the longest is the last": {"Abort", []client.Object{took("a", 1, nil), took("b", 3, nil)}, []string{strings.Replace(short, "%s",
			"b", 1)}},
		"two took the same": {"Abort", []client.Object{took("a", 3, nil), took("b", 3, nil)}, []string{strings.Replace(short, "%s",
			"a", 1)}},
		"it took less":                {"Abort", []client.Object{took("a", 1, nil)}, nil},
		"it took as long":             {"Abort", []client.Object{took("a", 2, nil)}, nil},
		"attempts go on at the close": {"Continue", []client.Object{took("a", 3, nil)}, nil},
		"another policy's": {"Abort", []client.Object{took("a", 3,
			func(r *v1alpha1.NodeReboot) { r.Status.PolicyName = "other" })}, nil},
		"it has not begun": {"Abort", []client.Object{took("a", 3, func(r *v1alpha1.NodeReboot) { r.Status.Attempt = nil })}, nil},
		"it was not ordered": {"Abort", []client.Object{took("a", 3,
			func(r *v1alpha1.NodeReboot) { r.Status.Attempt.RebootOrderedTime = nil })}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := "  nodes: All\n  schedule: {atClose: " + test.atClose + ", windows: [{cron: \"0 22 * * *\", durationSeconds: 7200}]}\n"
			requireLines(t, linted(t, head+spec, append(test.reboots, nodes("z1", "a")...)), test.want...)
		})
	}
}

func TestAnObjectOfAGateIsLookedForInTheCluster(t *testing.T) {
	t.Parallel()
	gate := func(fields string) string {
		return head + "  nodes: All\n  gates: {objects: [{name: g, expression: object.x, " + fields + "}]}\n"
	}
	const config = "apiVersion: v1, kind: ConfigMap, "
	here := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "here"}}
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"it is there": {gate(config + "namespace: apps, objectName: here"), nil},
		"it is not there": {gate(config + "namespace: apps, objectName: gone"),
			[]string{"spec.gates.objects[0]: there is no ConfigMap apps/gone, and nothing starts while it is missing"}},
		"one without a namespace": {gate("apiVersion: v1, kind: Node, objectName: gone"), []string{"there is no Node gone, and"}},
		"a namespace that it has not": {gate("apiVersion: v1, kind: Node, namespace: apps, objectName: a"),
			[]string{"objects of kind Node have no namespace: remove namespace"}},
		"all objects of a kind": {gate(config + "namespace: apps"), nil},
		"a version that does not exist": {gate("apiVersion: v9, kind: ConfigMap, namespace: apps, objectName: here"),
			[]string{"the cluster has no kind ConfigMap of v9"}},
		"all nodes":                    {gate("apiVersion: v1, kind: Node"), nil},
		"one that should not be there": {gate(config + "namespace: apps, objectName: gone, expect: None"), nil},
		"one of no namespace":          {gate(config + "objectName: gone"), nil},
		"one of recovery": {head + "  nodes: All\n  recovery: {objects: [{name: g, expression: object.x, " + config +
			"namespace: apps, objectName: gone}]}\n",
			[]string{"spec.recovery.objects[0]: there is no ConfigMap apps/gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, test.text, append(nodes("z1", "a"), here)), test.want...)
		})
	}
}

const reboot = "apiVersion: reboot-operator.io/v1alpha1\nkind: NodeReboot\nmetadata: {name: r}\nspec: {nodeName: a}\n"

func TestANodeRebootIsComparedWithTheNodes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"its node is there": {reboot, nil},
		"its node is not there": {strings.Replace(reboot, "nodeName: a", "nodeName: x", 1),
			[]string{`-:4: warning: NodeReboot r: spec.nodeName: the cluster has no node "x": write the name of one`}},
		"a policy and a reboot": {reboot + "---\n" + head + "  nodeSelector: {matchLabels: {pool: none}}\n", []string{"it selects no node"}},
		"a name of the helper's": {strings.Replace(reboot, "name: r", "name: a-7", 1), []string{"names such as this one are reserved for the " +
			"helper of node a"}},
		"one of the helper": {strings.Replace(strings.Replace(reboot, "name: r", "name: a-7", 1), "nodeName: a",
			"nodeName: a, trigger: Sentinel", 1),
			nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, test.text, nodes("z1", "a", "b")), test.want...)
		})
	}
}

func TestAnObjectThatMayNotBeReadIsNotMissing(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0, nodes("z1", "a")...)
	watched := interceptor.NewClient(terminal.Client, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errors.New("you may not")
		},
	})
	terminal.Connect = func() (client.WithWatch, error) { return mapped{watched}, nil }
	terminal.In = strings.NewReader(head + "  nodes: All\n  gates: {objects: [{name: g, expression: object.x, apiVersion: v1, kind: Node, " +
		"objectName: a}]}\n")
	if code, out, errOut := terminal.Run(plugin.Run, "lint", "-f", "-"); code != app.ExitOK || out != "" {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
}

func TestAClusterThatCannotBeReadEndsTheLint(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is full")
	text := head + "  nodes: All\n"
	for name, test := range map[string]struct {
		text, list string
		connect    error
		code       int
		says       string
	}{
		"it cannot be reached":         {text, "", broken, app.ExitFailed, "the disk is full; to lint without a cluster, add --offline"},
		"nothing is compared with it":  {"apiVersion: v1\nkind: ConfigMap\n", "", broken, app.ExitOK, "1 object of another kind was skipped"},
		"a reboot is compared with it": {reboot, "", broken, app.ExitFailed, "the disk is full"},
		"no policies": {text, "RebootPolicyList", nil, app.ExitFailed, "read RebootPolicies: the disk is full; to lint " +
			"without the cluster, add --offline"},
		"no budgets": {text, "PodDisruptionBudgetList", nil, app.ExitFailed, "read PodDisruptionBudgets: the disk is full"},
		"no pods":    {text, "PodList", nil, app.ExitFailed, "read pods of namespace apps: the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terminal := plugintest.New(t, 0, append(strictBudget(), nodes("z1", "a")...)...)
			watched := interceptor.NewClient(terminal.Client, interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					if gvk, err := c.GroupVersionKindFor(list); err != nil || gvk.Kind == test.list {
						return errors.Join(err, broken)
					}
					return c.List(ctx, list, options...)
				},
			})
			terminal.Connect = func() (client.WithWatch, error) { return mapped{watched}, test.connect }
			terminal.In = strings.NewReader(test.text)
			code, out, errOut := terminal.Run(plugin.Run, "lint", "-f", "-")
			if code != test.code || !strings.Contains(errOut, test.says) {
				t.Errorf("it ended with %d and says %q %q, want %d and %q", code, out, errOut, test.code, test.says)
			}
		})
	}
}
