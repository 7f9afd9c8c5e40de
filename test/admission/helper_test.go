package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Answers of the admission policy, by what they say.
const (
	ownNodeOnly    = "spec.nodeName must be n1"
	ownBoot        = "spec.bootID must be the boot ID of the host"
	shortReason    = "a spec.reason of up to 512 characters"
	noMetadata     = "no labels, annotations, owners or other finalizers"
	ownNameOnly    = "metadata.name must be n1- and one hexadecimal digit"
	sentinelOnly   = "spec.trigger must be Sentinel, spec.urgency must be Normal and spec.approval must be NotGiven"
	reportOnly     = "A helper may write status.report only; every other field of status must stay as it is"
	nothingElse    = "change or delete nothing else of it"
	boundTokenOnly = "Use a token that is bound to a helper's pod"
)

// check compares an answer with what is wanted: "" is acceptance, anything else a part of the message of a 403.
func check(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && err == nil:
		t.Errorf("accepted, want a refusal that says %q", want)
	case want != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), want)):
		t.Errorf("got %q, want a 403 that says %q", err, want)
	}
}

func TestAHelperCreatesNodeRebootsForItsOwnNodeOnly(t *testing.T) {
	own := mustClientOf(t, namespace, helper, "helper-n1")
	for name, test := range map[string]struct {
		change func(*v1alpha1.NodeReboot)
		want   string
	}{
		"its own node":                       {change: func(*v1alpha1.NodeReboot) {}},
		"its own node, urgency written":      {change: func(r *v1alpha1.NodeReboot) { r.Spec.Urgency = v1alpha1.UrgencyNormal }},
		"another node":                       {func(r *v1alpha1.NodeReboot) { r.Spec.NodeName = "n2" }, ownNodeOnly},
		"by hand":                            {func(r *v1alpha1.NodeReboot) { r.Spec.Trigger, r.Spec.BootID = v1alpha1.TriggerManual, "" }, sentinelOnly},
		"without a trigger":                  {func(r *v1alpha1.NodeReboot) { r.Spec.Trigger, r.Spec.BootID = "", "" }, sentinelOnly},
		"at once":                            {func(r *v1alpha1.NodeReboot) { r.Spec.Urgency = v1alpha1.UrgencyImmediate }, sentinelOnly},
		"approved by itself":                 {func(r *v1alpha1.NodeReboot) { r.Spec.Approval, r.Spec.ApprovedBy = v1alpha1.ApprovalGiven, "x" }, "denied request"},
		"with the finalizer of the operator": {change: func(r *v1alpha1.NodeReboot) { r.Finalizers = []string{v1alpha1.Finalizer} }},
		"with two finalizers": {
			func(r *v1alpha1.NodeReboot) { r.Finalizers = []string{v1alpha1.Finalizer, "example.com/hold"} }, noMetadata,
		},
		"with a finalizer":   {func(r *v1alpha1.NodeReboot) { r.Finalizers = []string{"example.com/hold"} }, noMetadata},
		"with a label":       {func(r *v1alpha1.NodeReboot) { r.Labels = map[string]string{"app.kubernetes.io/instance": "x"} }, noMetadata},
		"with an annotation": {func(r *v1alpha1.NodeReboot) { r.Annotations = map[string]string{"x": "y"} }, noMetadata},
		"with an owner": {func(r *v1alpha1.NodeReboot) {
			r.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "n2", UID: "u"}}
		}, noMetadata},
		"named after another node":  {func(r *v1alpha1.NodeReboot) { r.Name = "n2-1" }, ownNameOnly},
		"named after a longer node": {func(r *v1alpha1.NodeReboot) { r.Name = "n1-b-1" }, ownNameOnly},
		"named freely":              {func(r *v1alpha1.NodeReboot) { r.Name = "please" }, ownNameOnly},
		"named after two digits":    {func(r *v1alpha1.NodeReboot) { r.Name = "n1-1a" }, ownNameOnly},
		"named after eight digits":  {func(r *v1alpha1.NodeReboot) { r.Name = "n1-1a2b3c4d" }, ownNameOnly},
		"named after no digit":      {func(r *v1alpha1.NodeReboot) { r.Name = "n1-g" }, ownNameOnly},
		"named after the node":      {func(r *v1alpha1.NodeReboot) { r.Name = "n1" }, ownNameOnly},
		"named by the server":       {func(r *v1alpha1.NodeReboot) { r.Name, r.GenerateName = "", "n1-" }, ownNameOnly},
		"for no boot":               {func(r *v1alpha1.NodeReboot) { r.Spec.BootID = "" }, ownBoot},
		"with as long a reason as it takes": {change: func(r *v1alpha1.NodeReboot) {
			r.Spec.Reason = strings.Repeat("x", 512)
		}},
		"with a longer reason": {func(r *v1alpha1.NodeReboot) { r.Spec.Reason = strings.Repeat("x", 513) }, shortReason},
	} {
		t.Run(name, func(t *testing.T) {
			reboot := newReboot(v1alpha1.SentinelRebootName("n1", "b1"), "n1")
			test.change(reboot)
			check(t, own.Create(t.Context(), reboot, client.DryRunAll), test.want)
		})
	}
}

// Names of Nodes may have dots and 253 characters.
func TestAHelperAsksAndReportsWhateverItsNodeIsCalled(t *testing.T) {
	label := strings.Repeat("n", 63)
	for i, node := range []string{
		"ip-10-0-0-1.eu-central-1.compute.internal",
		label + "." + label + "." + label + "." + strings.Repeat("n", 61),
		strings.Repeat("a.", 122) + "a",
	} {
		createNow(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}})
		pod := newPod(namespace, fmt.Sprintf("helper-long-%d", i), node, helper)
		createNow(t, pod)
		own := mustClientOf(t, namespace, helper, pod.Name)
		reboot := newReboot(v1alpha1.SentinelRebootName(node, "b1"), node)
		check(t, own.Create(t.Context(), reboot.DeepCopy(), client.DryRunAll), "")
		check(t, own.Create(t.Context(), newReboot("n1-1", node), client.DryRunAll), "name a NodeReboot after its own node")
		createNow(t, reboot)
		report := mergePatch(`{"status":{"report":{"bootID":"b1","sentinel":"Required","sequence":0,` +
			`"methods":[{"name":"Logind","obstacle":"no bus"}]}}}`)
		check(t, own.Status().Patch(t.Context(), reboot.DeepCopy(), report, dryRun()), "")
		var ofNode v1alpha1.NodeRebootList
		check(t, own.List(t.Context(), &ofNode, client.MatchingFields{"spec.nodeName": node}), "")
		if len(ofNode.Items) != 1 {
			t.Errorf("%d NodeReboots of node %s", len(ofNode.Items), node)
		}
		other := mustClientOf(t, namespace, helper, "helper-n1")
		check(t, other.Create(t.Context(), newReboot("n1-1", node), client.DryRunAll), ownNodeOnly)
	}
}

// Names are all that limits how many NodeReboots there are: admission does not count.
func TestAHelperHoldsNoMoreThanSixteenNodeReboots(t *testing.T) {
	for _, node := range []string{"sixteen", strings.Repeat("s", 63) + strings.Repeat("."+strings.Repeat("s", 62), 3) + "s"} {
		createNow(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}})
		pod := newPod(namespace, fmt.Sprintf("helper-sixteen-%d", len(node)), node, helper)
		createNow(t, pod)
		own := mustClientOf(t, namespace, helper, pod.Name)
		accepted := 0
		for _, stem := range []string{node[:min(len(node), 250)], node[:min(len(node), 250)] + "x", node[:min(len(node), 200)]} {
			for digits := range 0x110 {
				reboot := newReboot(fmt.Sprintf("%s-%0*x", stem, 1+7*(digits%2), digits/2), node)
				if err := own.Create(t.Context(), reboot); err == nil {
					accepted++
					t.Cleanup(func() { _ = admin.Delete(context.Background(), reboot) })
				}
			}
		}
		if accepted != 16 {
			t.Errorf("the helper of node %s created %d NodeReboots, want 16", node, accepted)
		}
	}
}

func TestATokenThatIsBoundToANodeAloneMayWriteNothing(t *testing.T) {
	node := &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Node", Name: "n1"}
	bound, err := clientBoundTo(t.Context(), namespace, helper, node)
	if err != nil {
		t.Fatal(err)
	}
	check(t, bound.Create(t.Context(), newReboot("n1-1", "n1"), client.DryRunAll), boundTokenOnly)
	reboot := rebootWithStatus(t, "n1")
	report := mergePatch(`{"status":{"report":{"bootID":"b1","sentinel":"Required","sequence":0}}}`)
	check(t, bound.Status().Patch(t.Context(), reboot, report, dryRun()), boundTokenOnly)
}

func TestATokenThatIsBoundToNoPodMayWriteNothing(t *testing.T) {
	unbound := mustClientOf(t, namespace, helper, "")
	check(t, unbound.Create(t.Context(), newReboot("n1-1", "n1"), client.DryRunAll), boundTokenOnly)
}

func TestOthersMayAskForWhatAHelperMayNot(t *testing.T) {
	reboot := newReboot("please", "n2")
	reboot.Spec.Trigger, reboot.Spec.Urgency, reboot.Spec.BootID = v1alpha1.TriggerManual, v1alpha1.UrgencyImmediate, ""
	check(t, admin.Create(t.Context(), reboot.DeepCopy(), client.DryRunAll), "")
}

func TestAHelperWritesTheReportOfItsOwnNodeOnly(t *testing.T) {
	first, second := rebootWithStatus(t, "n1"), rebootWithStatus(t, "n2")
	fresh := newReboot("n1-0", "n1")
	createNow(t, fresh)
	own := mustClientOf(t, namespace, helper, "helper-n1")
	const report = `"report":{"bootID":"b1","sentinel":"NotRequired","sequence":2}`
	order := `"order":{"sequence":9,"action":"Reboot","bootID":"b1","deadline":"2026-11-23T13:00:00.000000Z"}`
	for name, test := range map[string]struct {
		of    *v1alpha1.NodeReboot
		patch string
		want  string
	}{
		"its report":                       {of: first, patch: `{"status":{` + report + `}}`},
		"its report, into an empty status": {of: fresh, patch: `{"status":{` + report + `}}`},
		"its report removed":               {of: first, patch: `{"status":{"report":null}}`},
		"the report of another node":       {second, `{"status":{` + report + `}}`, ownNodeOnly},
		"the phase":                        {first, `{"status":{"phase":"Succeeded"}}`, reportOnly},
		"the phase, into an empty status":  {fresh, `{"status":{"phase":"Succeeded"}}`, reportOnly},
		"the phase besides its report":     {first, `{"status":{"phase":"Succeeded",` + report + `}}`, reportOnly},
		"an order":                         {first, `{"status":{` + order + `}}`, reportOnly},
		"a part of the order":              {first, `{"status":{"order":{"action":"Reboot"}}}`, reportOnly},
		"the order removed":                {first, `{"status":{"order":null}}`, reportOnly},
		"the outcome":                      {first, `{"status":{"outcome":"Succeeded"}}`, reportOnly},
		"a workload fewer":                 {first, `{"status":{"workloads":[]}}`, reportOnly},
		"a condition":                      {first, `{"status":{"conditions":[]}}`, reportOnly},
		"all of the status removed":        {first, `{"status":null}`, reportOnly},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, own.Status().Patch(t.Context(), test.of.DeepCopy(), mergePatch(test.patch), dryRun()), test.want)
		})
	}
}

func TestAHelperAppliesItsReport(t *testing.T) {
	reboot := rebootWithStatus(t, "n1")
	own := mustClientOf(t, namespace, helper, "helper-n1")
	applyAs := func(fieldManager, status string) error {
		applied := &unstructured.Unstructured{}
		text := fmt.Sprintf(`{"apiVersion":"reboot-operator.io/v1alpha1","kind":"NodeReboot","metadata":{"name":%q,"labels":{"a":"b"}},`+
			`"spec":{"nodeName":"n2","urgency":"Immediate"},"status":%s}`, reboot.Name, status)
		if err := json.Unmarshal([]byte(text), &applied.Object); err != nil {
			t.Fatal(err)
		}
		return own.Status().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(applied),
			client.FieldOwner(fieldManager), client.ForceOwnership)
	}
	apply := func(status string) error { return applyAs(v1alpha1.HelperFieldManager, status) }
	// Each leaves an entry in the object, and nothing bounds how many there are.
	check(t, applyAs("another", `{"report":{"bootID":"b7","sentinel":"Required","sequence":3}}`), "as no other")
	check(t, applyAs(v1alpha1.ManagerFieldManager, `{"report":{"bootID":"b7","sentinel":"Required","sequence":3}}`), "as no other")
	check(t, apply(`{"phase":"Succeeded"}`), reportOnly)
	check(t, apply(`{"report":{"bootID":"b7","sentinel":"Required","sequence":3}}`), "")

	var stored v1alpha1.NodeReboot
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(reboot), &stored); err != nil {
		t.Fatal(err)
	}
	if stored.Status.Report == nil || stored.Status.Report.BootID != "b7" {
		t.Errorf("stored report is %+v, want that of boot b7", stored.Status.Report)
	}
	if stored.Spec.NodeName != "n1" || stored.Spec.Urgency != v1alpha1.UrgencyNormal || len(stored.Labels) > 0 {
		t.Errorf("the report changed spec to %+v and labels to %v", stored.Spec, stored.Labels)
	}
}

func TestThePolicyHoldsWhereRBACWouldAllowMore(t *testing.T) {
	reboot := rebootWithStatus(t, "n1")
	// Its name is a new one each time: nothing here ends the deletion of a namespace.
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "elsewhere-"}}
	createNow(t, made)
	elsewhere := made.Name
	createNow(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: helper}})
	createNow(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "too-much"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{
			{Kind: "ServiceAccount", Namespace: namespace, Name: helper},
			{Kind: "ServiceAccount", Namespace: elsewhere, Name: helper},
		},
	})
	awaitAllowed(t, namespace, helper, right{verb: "delete", group: "reboot-operator.io", resource: "nodereboots"})
	awaitAllowed(t, elsewhere, helper, right{verb: "delete", group: "reboot-operator.io", resource: "nodereboots"})
	own := mustClientOf(t, namespace, helper, "helper-n1")
	check(t, own.Patch(t.Context(), reboot.DeepCopy(), mergePatch(`{"spec":{"urgency":"Immediate"}}`), client.DryRunAll), nothingElse)
	check(t, own.Patch(t.Context(), reboot.DeepCopy(), mergePatch(`{"metadata":{"finalizers":["a.b/c"]}}`), client.DryRunAll), nothingElse)
	check(t, own.Delete(t.Context(), reboot.DeepCopy(), client.DryRunAll), nothingElse)
	check(t, own.DeleteAllOf(t.Context(), &v1alpha1.NodeReboot{}, client.DryRunAll), nothingElse)
	check(t, own.Create(t.Context(), newReboot("n2-1", "n2"), client.DryRunAll), ownNodeOnly)

	other := mustClientOf(t, elsewhere, helper, "")
	check(t, other.Create(t.Context(), newReboot("n1-1", "n1"), client.DryRunAll), boundTokenOnly)
}

func TestAHelperDrainsItsOwnNodeOnly(t *testing.T) {
	own := mustClientOf(t, namespace, helper, "helper-n1")
	node := mustClientOf(t, namespace, helper, "helper-n1", impersonating("system:node:n1"))
	evict := func(by client.Client, pod string) error {
		uid, err := uidOf(t.Context(), "default", pod)
		if err != nil {
			t.Fatal(err)
		}
		return by.SubResource("eviction").Create(t.Context(), newPod("default", pod, "", ""), evictionOfUID(uid), client.DryRunAll)
	}
	list := func(by client.Client, list client.ObjectList, options ...client.ListOption) error {
		return by.List(t.Context(), list, options...)
	}
	of := func(name string) client.ListOption { return client.MatchingFields{"spec.nodeName": name} }
	as := func(user string) client.Client {
		return mustClientOf(t, namespace, helper, "helper-n1", impersonating(user))
	}
	get := func(by client.Client, pod string) error {
		return by.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: pod}, &corev1.Pod{})
	}
	const no = "forbidden"
	asNode, asItself := "", no
	if !installed.DrainsAsNode {
		asNode, asItself = no, ""
	}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"read NodeReboots":                       {err: list(own, &v1alpha1.NodeRebootList{})},
		"read a DaemonSet":                       {err: own.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: helper}, &appsv1.DaemonSet{})},
		"as its node, evict a pod of it":         {evict(node, "app-n1"), asNode},
		"as its node, list the pods of it":       {list(node, &corev1.PodList{}, of("n1")), asNode},
		"as its node, get a pod of it":           {get(node, "app-n1"), no},
		"as its node, evict a pod of another":    {evict(node, "app-n2"), no},
		"as its node, get a pod of another":      {get(node, "app-n2"), no},
		"as its node, list the pods of another":  {list(node, &corev1.PodList{}, of("n2")), no},
		"as its node, list all pods":             {list(node, &corev1.PodList{}), no},
		"as its node, read secrets":              {list(node, &corev1.SecretList{}), no},
		"as its node, read the node":             {node.Get(t.Context(), types.NamespacedName{Name: "n1"}, &corev1.Node{}), no},
		"as its node, delete a pod":              {node.Delete(t.Context(), newPod("default", "app-n1", "", ""), client.DryRunAll), no},
		"as its node, create a NodeReboot":       {node.Create(t.Context(), newReboot("n1-1", "n1"), client.DryRunAll), no},
		"as another node, evict a pod of that":   {evict(as("system:node:n2"), "app-n2"), no},
		"as another node, list the pods of that": {list(as("system:node:n2"), &corev1.PodList{}, of("n2")), no},
		"as the manager, read policies":          {list(as("system:serviceaccount:"+namespace+":"+manager), &v1alpha1.RebootPolicyList{}), no},
		"as itself, evict a pod":                 {evict(own, "app-n1"), asItself},
		"as itself, list the pods of its node":   {list(own, &corev1.PodList{}, of("n1")), asItself},
		"as itself, read nodes":                  {list(own, &corev1.NodeList{}), no},
		"as itself, read secrets":                {list(own, &corev1.SecretList{}), no},
		"as itself, read policies":               {list(own, &v1alpha1.RebootPolicyList{}), no},
		"as itself, list DaemonSets":             {list(own, &appsv1.DaemonSetList{}), no},
		"as itself, delete NodeReboots":          {own.DeleteAllOf(t.Context(), &v1alpha1.NodeReboot{}, client.DryRunAll), no},
	} {
		t.Run(name, func(t *testing.T) { check(t, test.err, test.want) })
	}
}

// rebootWithStatus makes a NodeReboot of the node whose status is as large as it may be.
func rebootWithStatus(t *testing.T, node string) *v1alpha1.NodeReboot {
	t.Helper()
	reboot := newReboot(node+"-1", node)
	createNow(t, reboot)
	now := metav1.NowMicro()
	reboot.Status = v1alpha1.NodeRebootStatus{
		Phase:  v1alpha1.PhaseDraining,
		Reason: v1alpha1.ReasonDraining,
		Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonDraining, LastTransitionTime: metav1.NewTime(now.Time)},
		},
		Attempt: &v1alpha1.Attempt{Number: 1, GrantedTime: now},
		Order:   &v1alpha1.RebootOrder{Sequence: 2, Action: v1alpha1.ActionDrain, BootID: "b1", Deadline: now, Drain: &v1alpha1.DrainOrder{}},
		Report:  &v1alpha1.HelperReport{BootID: "b1", Sentinel: v1alpha1.SentinelRequired, Sequence: 1},
	}
	for i := range 512 {
		reboot.Status.Workloads = append(reboot.Status.Workloads, v1alpha1.WorkloadRef{
			Kind: v1alpha1.WorkloadDeployment, Namespace: "default", Name: fmt.Sprintf("app-%d", i), Ready: 3,
		})
	}
	if err := admin.Status().Update(t.Context(), reboot); err != nil {
		t.Fatalf("set the status: %v", err)
	}
	return reboot
}

// createNow makes the object and deletes it at the end of the test.
func createNow(t *testing.T, object client.Object) {
	t.Helper()
	if err := admin.Create(t.Context(), object); err != nil {
		t.Fatalf("create %T %s: %v", object, object.GetName(), err)
	}
	t.Cleanup(func() {
		if err := admin.Delete(context.Background(), object, client.GracePeriodSeconds(0)); err != nil {
			t.Errorf("delete %T %s: %v", object, object.GetName(), err)
		}
	})
}

func eviction() *policyv1.Eviction {
	return &policyv1.Eviction{}
}

func mergePatch(text string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(text))
}

func dryRun() client.SubResourcePatchOption {
	return client.DryRunAll
}
