package lint_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/meta/testrestmapper"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/lint"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

// mapped is a client that knows which kinds there are.
type mapped struct{ client.WithWatch }

func (m mapped) RESTMapper() meta.RESTMapper {
	return testrestmapper.TestOnlyStaticRESTMapper(m.Scheme())
}

// run lints a text as the standard input.
func run(t *testing.T, text string, objects []client.Object, args ...string) (code int, out, errOut string) {
	t.Helper()
	terminal := plugintest.New(t, 0, objects...)
	connect := terminal.Connect
	terminal.Connect = func() (client.WithWatch, error) {
		c, err := connect()
		return mapped{c}, err
	}
	terminal.In = bytes.NewBufferString(text)
	return terminal.Run(plugin.Run, append([]string{"lint", "-f", "-"}, args...)...)
}

func TestEverythingThatIsWrongWithAPolicyIsFound(t *testing.T) {
	t.Parallel()
	for _, output := range []string{"", "json", "github"} {
		code, out, errOut := plugintest.New(t, 0).Run(plugin.Run, "lint", "--offline", "-f", "testdata/bad.yaml", "-o", output)
		if code != app.ExitNo {
			t.Errorf("it ended with %d: %s", code, errOut)
		}
		golden.Compare(t, filepath.Join("testdata", "bad"+output+".golden"), out+errOut)
	}
}

func TestTheSamplesAreClean(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rebootpolicy.yaml", "nodereboot.yaml", "."} {
		code, out, errOut := plugintest.New(t, 0).Run(plugin.Run, "lint", "--offline", "--strict", "-f",
			"../../../config/samples/"+name)
		if code != app.ExitOK || out != "" {
			t.Errorf("%s: it ended with %d: %s%s", name, code, out, errOut)
		}
	}
}

const head = "apiVersion: reboot-operator.io/v1alpha1\nkind: RebootPolicy\nmetadata: {name: p}\nspec:\n"

func TestHostileInputIsAnsweredExactly(t *testing.T) {
	t.Parallel()
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		name, last := string(rune('b'+i)), "*a0"
		if i > 0 {
			last = "*" + string(rune('a'+i))
		}
		bomb += name + ": &" + name + " [" + strings.TrimSuffix(strings.Repeat(last+", ", 10), ", ") + "]\n"
	}
	for name, test := range map[string]struct{ text, want string }{
		"a tab":               {"a:\n\tb: 1\n", "-:2: error: the line is indented with a tab: YAML takes spaces only"},
		"two tabs":            {"a:\n\tb: 1\n\tc: 1\n", "-:2: error: the line is indented with a tab: YAML takes spaces only"},
		"an open list":        {"a: 1\nb: [\n", "-:2: error: this is not YAML: did not find expected node content\n"},
		"a key that is none":  {"? [a]\n: b\n", "-:1: error: this is not YAML: "},
		"a comment after ---": {"a: 1\n--- # next\na: [\n", "-:1: error: it has no apiVersion or no kind"},
		"no version":          {"kind: RebootPolicy\n", "-:1: error: RebootPolicy: it has no apiVersion or no kind"},
		"a group alone": {"apiVersion: reboot-operator.io\nkind: RebootPolicy\n",
			`apiVersion: "reboot-operator.io" is unknown: write reboot-operator.io/v1alpha1`},
		"a time that is none": {"apiVersion: reboot-operator.io/v1alpha1\nkind: RebootPolicy\nmetadata: {name: p, creationTimestamp: " +
			"soon}\nspec: {nodes: All}\n", "-:3: error: RebootPolicy p: metadata.creationTimestamp: "},
		"a key twice":        {"a: 1\nb: 2\na: 3\n", `-:3: error: the key "a" is already in line 1: remove one of them`},
		"no object":          {"foo\n", "-:1: error: this is not an object"},
		"a list":             {"---\n- a\n", "-:2: error: this is not an object"},
		"a template":         {"{{ .Values.x }}\n", "-:1: error: this is not YAML"},
		"binary":             {"\x00\x01\x02", "-:1: error: this is not YAML: control characters are not allowed"},
		"an alias of itself": {"a: &a [*a]\n", "-:1: error: the document has more than"},
		"aliases of aliases": {bomb, "-:1: error: the document has more than"},
		"no kind":            {"apiVersion: v1\n", "-:1: error: it has no apiVersion or no kind"},
		"a later document":   {"---\napiVersion: v1\nkind: X\n---\n# comment\nx: [\n", "-:6: error: this is not YAML"},
		"a huge file":        {strings.Repeat("# comment\n", 2<<20), "-:1: error: the file is larger than 16 MiB"},
		"the wrong type": {head + "  mode: [Enforce]\n  nodes: All\n",
			"-:5: error: RebootPolicy p: spec.mode: this is a value of type array: write one of type string"},
		"a list in a list": {"apiVersion: v1\nkind: List\nitems: 3\n", "-:3: error: items: items is not a list of objects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, _ := run(t, test.text, nil, "--offline")
			if code != app.ExitNo || !strings.Contains(out, test.want) {
				t.Errorf("it ended with %d and says %q, want %q", code, out, test.want)
			}
		})
	}
}

func nodes(zone string, names ...string) []client.Object {
	var all []client.Object
	for _, name := range names {
		all = append(all, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pool": "blue",
			corev1.LabelTopologyZone: zone}}})
	}
	return all
}

func other(priority int32) *v1alpha1.RebootPolicy {
	p := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "other",
		CreationTimestamp: metav1.NewTime(plugintest.Now.Add(-time.Hour))}}
	p.Spec.Nodes, p.Spec.Priority = v1alpha1.NodesAll, priority
	return p
}

// strictBudget covers a pod on a node and never allows a disruption.
func strictBudget() []client.Object {
	labels := map[string]string{"app": "db"}
	return []client.Object{
		&policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "db"},
			Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}},
			Status:     policyv1.PodDisruptionBudgetStatus{ExpectedPods: 3, DesiredHealthy: 3, CurrentHealthy: 3},
		},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "db-0", Labels: labels}, Spec: corev1.PodSpec{NodeName: "a"}},
	}
}

func slowReboot() *v1alpha1.NodeReboot {
	r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "slow"}}
	r.Spec.NodeName, r.Status.PolicyName = "a", "p"
	ordered := metav1.NewMicroTime(plugintest.Now)
	r.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: metav1.NewMicroTime(plugintest.Now.Add(-3 * time.Hour)),
		RebootOrderedTime: &ordered}
	return r
}

func TestAPolicyIsComparedWithTheCluster(t *testing.T) {
	t.Parallel()
	cluster := nodes("z1", "a", "b", "c")
	for name, test := range map[string]struct {
		spec    string
		objects []client.Object
		want    string
	}{
		"nothing is wrong": {spec: "  nodes: All\n", objects: cluster},
		"an unknown zone": {spec: "  nodes: All\n  rollout: {zones: {order: [z1, z9]}}\n", objects: cluster,
			want: "-:6: warning: RebootPolicy p: spec.rollout.zones.order[1]: no node of the policy has topology.kubernetes.io/zone=z9"},
		"no node": {spec: "  nodeSelector: {matchLabels: {pool: green}}\n", objects: cluster,
			want: "spec.nodeSelector: it selects no node"},
		"the same priority": {spec: "  nodes: All\n", objects: append([]client.Object{other(0)}, cluster...),
			want: "RebootPolicy other has the same priority 0"},
		"it is shadowed": {spec: "  nodes: All\n", objects: append([]client.Object{other(9)}, cluster...),
			want: "all 3 nodes that the policy selects belong to RebootPolicy other"},
		"a limit of 0": {spec: "  nodes: All\n  rollout: {maxUnavailable: 30%}\n", objects: cluster,
			want: "30% of 3 nodes or groups, rounded down, is 0, so nothing ever starts: write 1, or at least 34%"},
		"a limit of a zone": {spec: "  nodes: All\n  rollout: {zones: {maxUnavailablePerZone: 10%}}\n", objects: cluster,
			want: `10% of 3 nodes or groups of zone "z1"`},
		"a budget": {spec: "  nodes: All\n", objects: append(strictBudget(), cluster...),
			want: "node a can never be drained: PodDisruptionBudget apps/db requires all 3"},
		"a budget that is forced": {spec: "  nodes: All\n  drain: {onTimeout: Force}\n", objects: append(strictBudget(), cluster...)},
		"a missing object": {
			spec: "  nodes: All\n  gates: {objects: [{name: db, apiVersion: apps/v1, kind: StatefulSet, namespace: apps, objectName: db, " +
				"expression: object.status.replicas > 0}]}\n",
			objects: cluster, want: "spec.gates.objects[0]: there is no StatefulSet apps/db",
		},
		"a missing kind": {
			spec:    "  nodes: All\n  gates: {objects: [{name: db, apiVersion: ceph.rook.io/v1, kind: CephCluster, expression: object.x}]}\n",
			objects: cluster, want: "the cluster has no kind CephCluster of ceph.rook.io/v1",
		},
		"a window that was too short": {
			spec:    "  nodes: All\n  schedule: {windows: [{cron: \"0 22 * * *\", durationSeconds: 7200}]}\n",
			objects: append([]client.Object{slowReboot()}, cluster...), want: "shorter than node a took until its reboot (3h0m0s)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := run(t, head+test.spec, test.objects)
			if code != app.ExitOK || !strings.Contains(out, test.want) || (out == "") != (test.want == "") {
				t.Errorf("it ended with %d and says %q %s, want %q", code, out, errOut, test.want)
			}
			if strict, _, _ := run(t, head+test.spec, test.objects, "--strict"); (strict == app.ExitNo) != (test.want != "") {
				t.Errorf("with --strict it ends with %d", strict)
			}
		})
	}
}

func TestWindowsThatAreTooShortAreFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ spec, want string }{
		"long enough": {"  schedule: {windows: [{cron: \"0 22 * * *\", durationSeconds: 7200}]}\n", ""},
		"delays": {"  schedule: {minRemainingSeconds: 60, windows: [{cron: \"0 22 * * *\", durationSeconds: 900}]}\n  drain: " +
			"{delaySeconds: 1000}\n", "error: RebootPolicy p: spec.schedule.windows[0].durationSeconds: 15m0s is shorter than a node takes"},
		"timeouts": {"  schedule: {windows: [{cron: \"0 22 * * *\", durationSeconds: 1200}]}\n  drain: {delaySeconds: 900}\n",
			"warning: RebootPolicy p: spec.schedule.windows[0].durationSeconds: 20m0s may be shorter"},
		"it may go on": {"  schedule: {atClose: Continue, windows: [{cron: \"0 22 * * *\", durationSeconds: 1200}]}\n  drain: " +
			"{delaySeconds: 900}\n", ""},
		"it never opens": {"  schedule: {windows: [{cron: \"0 22 30 2 *\", durationSeconds: 7200}]}\n",
			"there is no such day in any year, so the window never opens"},
		"a freeze forever": {"  schedule: {freezes: [{name: f, from: \"2025-01-01T00:00:00Z\", to: \"9999-01-01T00:00:00Z\"}]}\n",
			"nothing starts before 9999-01-01"},
		"a freeze is over": {"  schedule: {freezes: [{name: f, from: \"2025-01-01T00:00:00Z\", to: \"2025-02-01T00:00:00Z\"}]}\n",
			`the freeze "f" ended at 2025-02-01T00:00:00Z: remove it`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, out, errOut := run(t, head+"  nodes: All\n"+test.spec, nil, "--offline")
			if !strings.Contains(out, test.want) || (out == "") != (test.want == "") {
				t.Errorf("it says %q %s, want %q", out, errOut, test.want)
			}
		})
	}
}

func TestALintWithoutAFileIsAMistake(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"lint"}, {"lint", "-f", "x", "-o", "xml"}} {
		if code, _, errOut := plugintest.New(t, 0).Run(plugin.Run, args...); code != app.ExitUsage {
			t.Errorf("%q ended with %d: %s", args, code, errOut)
		}
	}
	if code, _, errOut := plugintest.New(t, 0).Run(plugin.Run, "lint", "-f", "nowhere.yaml"); code != app.ExitFailed ||
		!strings.Contains(errOut, "nowhere.yaml") {
		t.Errorf("it ended with %d: %s", code, errOut)
	}
}

func TestTheReportIsJSON(t *testing.T) {
	t.Parallel()
	_, out, _ := run(t, head+"  nodes: All\n", nil, "--offline", "-o", "json")
	var report lint.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Policies != 1 || report.Findings == nil {
		t.Errorf("%v: %s", err, out)
	}
}
