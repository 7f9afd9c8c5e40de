package check

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

// linesOf one check, as they are read.
func linesOf(f *Facts, check string) []string {
	var lines []string
	for _, line := range Judge(f) {
		if line.Check == check {
			lines = append(lines, string(line.Status)+" "+line.Message)
		}
	}
	return lines
}

// nodesNamed are nodes without labels.
func nodesNamed(names ...string) []corev1.Node {
	var all []corev1.Node
	for _, name := range names {
		all = append(all, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return all
}

// requireJudged: after each change the lines of its check are exactly these.
func requireJudged(t *testing.T, cases map[string]judged) {
	t.Helper()
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy()
			test.change(f)
			if got := linesOf(f, test.check); !slices.Equal(got, test.want) {
				t.Errorf("it says %q, want %q", got, test.want)
			}
		})
	}
}

type judged struct {
	change func(*Facts)
	check  string
	want   []string
}

var errForbidden = errors.New("forbidden")

func TestVersionsOfKubernetesHaveBounds(t *testing.T) {
	t.Parallel()
	version := func(version string, role bool) func(*Facts) {
		return func(f *Facts) { f.Kubernetes, f.EvictionRole = version, role }
	}
	requireJudged(t, map[string]judged{
		"the oldest":                 {version("v1.32.0", true), "kubernetes", []string{"OK Kubernetes v1.32.0 is supported"}},
		"the last that needs a role": {version("v1.35.9+k3s1", true), "kubernetes", []string{"OK Kubernetes v1.35.9+k3s1 is supported"}},
		"the first that needs none":  {version("v1.36.0", false), "kubernetes", []string{"OK Kubernetes v1.36.0 is supported"}},
		"the first, with a role": {version("v1.36.0", true), "kubernetes", []string{
			"WARN helpers have a role that Kubernetes v1.36.0 does not need: one could evict pods of other nodes"}},
		"the newest":   {version("v1.38.3", false), "kubernetes", []string{"OK Kubernetes v1.38.3 is supported"}},
		"another word": {version("two", false), "kubernetes", []string{`WARN "two" is not a version that this plugin knows`}},
		"a role that is not known": {func(f *Facts) { f.EvictionError = errForbidden }, "kubernetes", []string{
			"WARN Kubernetes v1.37.2 is supported; whether helpers have the roles for it is not known: forbidden"}},
	})
}

func TestRightsThatAreMissingAreNamedWithTheRolesThatGiveThem(t *testing.T) {
	t.Parallel()
	right := func(verb, group, resource, command string) Right {
		return Right{Verb: verb, Group: group, Resource: resource, Command: command}
	}
	for name, test := range map[string]struct {
		missing []Right
		status  Status
		types   int
	}{
		"nodes that are listed":     {[]Right{right("list", "", "nodes", read)}, Fail, 1},
		"nodes that are watched":    {[]Right{right("watch", "", "nodes", read)}, Warn, 1},
		"pods that are listed":      {[]Right{right("list", "", "pods", read)}, Warn, 1},
		"policies that are watched": {[]Right{right("watch", v1alpha1.GroupVersion.Group, "rebootpolicies", read)}, Fail, 1},
		"reboots that are made":     {[]Right{right("create", v1alpha1.GroupVersion.Group, "nodereboots", "now")}, Warn, 1},
		"all":                       {rights(), Fail, 3},
	} {
		f := healthy()
		f.Missing = test.missing
		if got := f.rights(); got.Status != test.status || len(got.Type) != test.types {
			t.Errorf("%s: it says %+v, want %s and %d commands", name, got, test.status, test.types)
		}
	}
}

func TestTheManagerIsJudgedByItsPods(t *testing.T) {
	t.Parallel()
	replicas := func(want *int32, ready int32, nodes ...string) func(*Facts) {
		return func(f *Facts) {
			f.Installed.Managers[0].Spec.Replicas, f.Installed.Managers[0].Status.ReadyReplicas = want, ready
			f.Fleet.Nodes = nodesNamed(nodes...)
		}
	}
	one := int32(1)
	const alone = "WARN Deployment manager has one replica: nothing happens while its own node reboots"
	requireJudged(t, map[string]judged{
		"one of one, and one node":  {replicas(&one, 1, "a"), "manager", []string{"OK 1 of 1 pods of Deployment manager are ready"}},
		"one of one, and two nodes": {replicas(&one, 1, "a", "b"), "manager", []string{alone}},
		"no number of pods":         {replicas(nil, 1, "a", "b"), "manager", []string{alone}},
		"one of one, and no known nodes": {func(f *Facts) { replicas(&one, 1)(f); f.Fleet, f.FleetError = nil, errForbidden }, "manager",
			[]string{"OK 1 of 1 pods of Deployment manager are ready"}},
		"two of two, and two nodes": {func(f *Facts) { f.Fleet.Nodes = nodesNamed("a", "b") }, "manager",
			[]string{"OK 2 of 2 pods of Deployment manager are ready"}},
		"a Deployment that is hidden": {func(f *Facts) { f.Installed.Unknown[install.Manager] = errForbidden }, "manager",
			[]string{"WARN the manager's Deployment cannot be read: forbidden"}},
		"helpers alone": {func(f *Facts) { f.Installed.Managers = nil }, "manager",
			[]string{"FAIL there is no Deployment of the manager in namespace ops"}},
		"nothing, and something is hidden": {func(f *Facts) {
			f.Installed = &install.Installation{Namespace: "ops", Unknown: map[install.Part]error{install.Helpers: errForbidden}}
		}, "manager", []string{"FAIL there is no Deployment of the manager in namespace ops"}},
	})
}

func TestTheLeaderIsNamed(t *testing.T) {
	t.Parallel()
	ready := corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
	requireJudged(t, map[string]judged{
		"by the lease": {func(*Facts) {}, "leader", []string{"OK manager-1 leads, and renewed its lease 2s ago"}},
		"not by the lease": {func(f *Facts) { f.Installed.Lease.Spec.HolderIdentity = nil }, "leader",
			[]string{"OK a manager leads, and renewed its lease 2s ago"}},
		"by no lease": {func(f *Facts) { f.Installed.Lease, f.Installed.ManagerPods = nil, []corev1.Pod{ready} }, "leader",
			[]string{"OK a manager runs without leader election"}},
		"by a lease that ends": {func(f *Facts) { f.Installed.Lease, f.Installed.ManagerPods = nil, nil }, "leader",
			[]string{"FAIL no manager leads: there is no Lease ops/reboot-operator"}},
	})
}

func TestVersionsOfTheOperatorAreCompared(t *testing.T) {
	t.Parallel()
	images := func(manager string, helpers ...string) func(*Facts) {
		return func(f *Facts) {
			f.Installed.Managers[0].Spec.Template.Spec.Containers[0].Image = manager
			f.Installed.HelperSets[0].Spec.Template.Spec.Containers = nil
			for _, helper := range helpers {
				f.Installed.HelperSets[0].Spec.Template.Spec.Containers = append(f.Installed.HelperSets[0].Spec.Template.Spec.Containers,
					corev1.Container{Image: helper})
			}
		}
	}
	const other = "WARN the plugin is v0.3.0, and the operator v0.4.0: use a plugin of the same version"
	requireJudged(t, map[string]judged{
		"regardless": {images("o/op:v0.3.0", "o/op:v0.3.0", "o/op:v0.3.0"), "versions",
			[]string{"OK manager and helpers run o/op:v0.3.0; the plugin is v0.3.0"}},
		"a digest": {images("o/op:v0.4.0@sha256:12", "o/op:v0.4.0@sha256:12"), "versions", []string{other}},
		"a port and no tag": {images("r:5000/op", "r:5000/op"), "versions", []string{"OK manager and helpers run r:5000/op; the plugin " +
			"is v0.3.0"}},
		"a port and a tag": {images("r:5000/op:v0.4.0", "r:5000/op:v0.4.0"), "versions", []string{other}},
		"a tag that is no version": {images("op:main", "op:main"), "versions", []string{"OK manager and helpers run op:main; the plugin is " +
			"v0.3.0"}},
		"a plugin that is no release": {func(f *Facts) { images("op:v0.4.0", "op:v0.4.0")(f); f.Plugin = "(devel)" }, "versions",
			[]string{"OK manager and helpers run op:v0.4.0; the plugin is (devel)"}},
		"two of helpers": {images("op:v2", "op:v2", "op:v1"), "versions", []string{"WARN the manager runs op:v2, and helpers run op:v1 and " +
			"op:v2: install both from one release"}},
		"an image that is called like a version": {images("v0.4.0", "v0.4.0"), "versions",
			[]string{"OK manager and helpers run v0.4.0; the plugin is v0.3.0"}},
		"three sets, and two are the same": {func(f *Facts) {
			sets := []appsv1.DaemonSet{}
			for _, image := range []string{"op:v2", "op:v1", "op:v2"} {
				images("op:v2", image)(f)
				sets = append(sets, *f.Installed.HelperSets[0].DeepCopy())
			}
			f.Installed.HelperSets = sets
		}, "versions", []string{"WARN the manager runs op:v2, and helpers run op:v1 and op:v2: install both from one release"}},
		"two sets that are the same": {func(f *Facts) { f.Installed.HelperSets = append(f.Installed.HelperSets, f.Installed.HelperSets[0]) },
			"versions",
			[]string{"OK manager and helpers run " + image + "; the plugin is v0.3.0"}},
		"no helpers": {func(f *Facts) { f.Installed.HelperSets = nil }, "versions", []string{"WARN the versions of manager and helpers are " +
			"not known"}},
		"no managers": {func(f *Facts) { f.Installed.Managers = nil }, "versions", []string{"WARN the versions of manager and helpers are not " +
			"known"}},
	})
}

func TestHelpersAreCounted(t *testing.T) {
	t.Parallel()
	counts := func(want, ready, updated int32, generations ...int64) func(*Facts) {
		return func(f *Facts) {
			s := &f.Installed.HelperSets[0]
			s.Status = appsv1.DaemonSetStatus{DesiredNumberScheduled: want, NumberReady: ready, UpdatedNumberScheduled: updated}
			if len(generations) > 0 {
				s.Generation, s.Status.ObservedGeneration = generations[0], generations[1]
			}
		}
	}
	requireJudged(t, map[string]judged{
		"none is meant":         {counts(0, 0, 0), "helpers", []string{"WARN the DaemonSet of the helpers is meant for no node"}},
		"none is ready":         {counts(2, 0, 2), "helpers", []string{"FAIL none of 2 helpers is ready"}},
		"one is ready":          {counts(2, 1, 2), "helpers", []string{"WARN 1 of 2 helpers are ready"}},
		"one is updated":        {counts(2, 2, 1, 7, 7), "helpers", []string{"WARN 1 of 2 helpers run the current template of their DaemonSet"}},
		"the template is new":   {counts(2, 2, 1, 7, 6), "helpers", []string{"OK all 2 helpers are ready"}},
		"the template is older": {counts(2, 2, 1, 6, 7), "helpers", []string{"WARN 1 of 2 helpers run the current template of their DaemonSet"}},
		"two sets": {func(f *Facts) { f.Installed.HelperSets = append(f.Installed.HelperSets, f.Installed.HelperSets[0]) },
			"helpers", []string{"OK all 2 helpers are ready"}},
		"their set is hidden": {func(f *Facts) { f.Installed.Unknown[install.Helpers] = errForbidden }, "helpers",
			[]string{"WARN the DaemonSet of the helpers cannot be read: forbidden"}},
		"there is none of them": {func(f *Facts) { f.Installed.HelperSets = nil }, "helpers",
			[]string{"FAIL there is no DaemonSet of helpers in namespace ops: no reboot is detected or carried out"}},
	})
}

func TestNodesWithoutAHelperAreNamed(t *testing.T) {
	t.Parallel()
	without := func(names ...string) func(*Facts) {
		return func(f *Facts) { f.Fleet.Nodes = append(f.Fleet.Nodes, nodesNamed(names...)...) }
	}
	const notMade = "there is no helper pod, although the DaemonSet is meant to run there: if that lasts, its events say what refuses its " +
		"pods, such as a quota, an admission policy or a webhook"
	leaveOut := func(f *Facts) {
		f.Installed.HelperSets[0].Spec.Template.Spec.NodeSelector = map[string]string{"os": "linux"}
	}
	requireJudged(t, map[string]judged{
		"one":   {without("b"), "nodes", []string{"FAIL node b has no helper: " + notMade}},
		"two":   {without("b", "c"), "nodes", []string{"FAIL nodes b, c have no helper: " + notMade}},
		"three": {without("b", "c", "d"), "nodes", []string{"FAIL nodes b, c, d have no helper: " + notMade}},
		"four":  {without("b", "c", "d", "e"), "nodes", []string{"FAIL nodes b, c, d and 1 more have no helper: " + notMade}},
		"none":  {func(*Facts) {}, "nodes", []string{"OK 1 node is covered by helpers"}},
		"one that is left out": {func(f *Facts) { without("b")(f); leaveOut(f) }, "nodes",
			[]string{"OK 1 node is covered by helpers; the DaemonSet leaves 1 out"}},
		"one whose pod is hidden":         {func(f *Facts) { without("b")(f); f.Installed.Unknown[install.Pods] = errForbidden }, "nodes", nil},
		"one of nodes that are not known": {func(f *Facts) { without("b")(f); f.FleetError = errForbidden }, "nodes", nil},
		"one without any set":             {func(f *Facts) { without("b")(f); f.Installed.HelperSets = nil }, "nodes", nil},
	})
}

func TestPoliciesThatNeedALookAreNamed(t *testing.T) {
	t.Parallel()
	conditions := func(added ...metav1.Condition) func(*Facts) {
		return func(f *Facts) {
			p := &f.Fleet.Policies[0]
			p.Status.Conditions = append(p.Status.Conditions, added...)
		}
	}
	fine := []string{"OK InForce, 1 node"}
	requireJudged(t, map[string]judged{
		"none does": {func(*Facts) {}, "policy linux", fine},
		"one that works": {conditions(condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue,
			v1alpha1.ReasonDraining)), "policy linux", fine},
		"one with a condition of another": {conditions(condition("example.com/odd", metav1.ConditionTrue, "Odd")), "policy linux", fine},
		"one with a condition that is not so": {conditions(condition("Overlap", metav1.ConditionFalse, v1alpha1.ReasonOverlap)),
			"policy linux", fine},
		"one with a reason twice": {conditions(condition("First", metav1.ConditionTrue, v1alpha1.ReasonOverlap), condition("Second",
			metav1.ConditionTrue, v1alpha1.ReasonOverlap),
			condition("Third", metav1.ConditionTrue, v1alpha1.ReasonShadowed)), "policy linux", []string{"WARN Overlap: It is so.",
			"WARN Shadowed: It is so."}},
		"one that is not ready": {func(f *Facts) {
			f.Fleet.Policies[0].Status.Conditions = []metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionFalse,
				v1alpha1.ReasonPolicyInvalid),
				condition("Overlap", metav1.ConditionTrue, v1alpha1.ReasonOverlap)}
		}, "policy linux", []string{"FAIL PolicyInvalid: It is so.", "WARN Overlap: It is so."}},
		"one that nobody has seen": {func(f *Facts) { f.Fleet.Policies[0].Status = v1alpha1.RebootPolicyStatus{} }, "policy linux",
			[]string{"WARN NotLookedAt: the manager has not seen the policy yet"}},
		"one whose state is unknown": {func(f *Facts) { f.Fleet.Policies[0].Status.Summary = "" }, "policy linux",
			[]string{"OK Unknown, 1 node"}},
		"one that cannot be read": {func(f *Facts) {
			if err := json.Unmarshal([]byte(`{"metadata":{"name":"linux"},"spec":{"priority":[]}}`), &f.Fleet.Policies[0]); err != nil {
				t.Error(err)
			}
		}, "policy linux", []string{"FAIL RebootPolicy linux cannot be read: spec.priority: json: cannot unmarshal array into Go value of " +
			"type int32. Repair the field that is named."}},
	})
}
