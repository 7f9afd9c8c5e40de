package admission

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// Answers of the policy about approvals, by what they say.
const (
	takesApprove  = "requires the verb approve on nodereboots"
	ownApproval   = "approvedBy must be the user who approves the reboot: write "
	ownRequest    = "requestedBy must be the user who creates the NodeReboot: write "
	asItIs        = "approved with its current urgency"
	onlyApproval  = "you may write only spec.approval and spec.approvedBy"
	noPerson      = "write 'trigger: Manual', or leave it out"
	rbacForbids   = "cannot "
	goesWithName  = "'approval: Given' goes with approvedBy, your user name"
	requesterName = "system:serviceaccount:default:requester"
	approverName  = "system:serviceaccount:default:approver"
	leadName      = "system:serviceaccount:default:lead"
)

// people are users with the roles that config/rbac/users.yaml has for them. The lead has both.
type people struct{ requester, approver, lead client.Client }

func newPeople(t *testing.T) people {
	t.Helper()
	roles := map[string][]string{
		"requester": {"reboot-operator-requester"}, "approver": {"reboot-operator-approver"},
		"lead": {"reboot-operator-requester", "reboot-operator-approver"},
	}
	clients := map[string]client.Client{}
	for name, bound := range roles {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		if err := admin.Create(t.Context(), account); client.IgnoreAlreadyExists(err) != nil {
			t.Fatal(err)
		}
		for _, role := range bound {
			binding := &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: name + "-is-" + role},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
				Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "default", Name: name}},
			}
			if err := admin.Create(t.Context(), binding); client.IgnoreAlreadyExists(err) != nil {
				t.Fatal(err)
			}
		}
		verb := map[string]string{"requester": "create", "approver": "approve", "lead": "approve"}[name]
		awaitAllowed(t, "default", name, right{verb: verb, group: "reboot-operator.io", resource: "nodereboots"})
		clients[name] = mustClientOf(t, "default", name, "")
	}
	awaitAllowed(t, "default", "lead", right{verb: "create", group: "reboot-operator.io", resource: "nodereboots"})
	return people{clients["requester"], clients["approver"], clients["lead"]}
}

// manualReboot makes a NodeReboot that a person asked for.
func manualReboot(t *testing.T, of client.Client, name, requestedBy string) *v1alpha1.NodeReboot {
	t.Helper()
	reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name}}
	reboot.Spec.NodeName, reboot.Spec.RequestedBy = "n1", requestedBy
	if err := of.Create(t.Context(), reboot); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin.Delete(context.Background(), reboot); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
	return reboot
}

// spec is a patch of a spec.
func spec(fields string) client.Patch { return mergePatch(`{"spec":{` + fields + `}}`) }

// checkAny is check for what may also be refused as invalid.
func checkAny(t *testing.T, err error, want string) {
	t.Helper()
	if apierrors.IsInvalid(err) && want != "" {
		err = apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("nodereboots").GroupResource(), "", err)
	}
	check(t, err, want)
}

func TestToApproveTakesItsOwnVerb(t *testing.T) {
	who := newPeople(t)
	given := func(by string) string { return `"approval":"Given","approvedBy":"` + by + `"` }
	waiting := manualReboot(t, who.requester, "waits-for-approval", requesterName)
	approved := manualReboot(t, who.requester, "is-approved", requesterName)
	check(t, who.approver.Patch(t.Context(), approved.DeepCopy(), spec(given(approverName))), "")
	for name, test := range map[string]struct {
		by     client.Client
		reboot *v1alpha1.NodeReboot
		patch  client.Patch
		want   string
	}{
		"who may ask approves":                        {who.requester, waiting, spec(given(requesterName)), takesApprove},
		"who may ask approves as someone else":        {who.requester, waiting, spec(given(approverName)), takesApprove},
		"who may approve approves":                    {by: who.approver, reboot: waiting, patch: spec(given(approverName))},
		"who may approve approves as someone else":    {who.approver, waiting, spec(given(leadName)), ownApproval + approverName},
		"the administrator approves as someone else":  {admin, waiting, spec(given(leadName)), ownApproval},
		"another one approves what is approved":       {by: who.lead, reboot: approved, patch: spec(given(leadName))},
		"another one writes a name over an approval":  {who.lead, approved, spec(given(requesterName)), ownApproval + leadName},
		"who may ask writes a name over an approval":  {who.requester, approved, spec(given(requesterName)), takesApprove},
		"who may ask withdraws an approval":           {by: who.requester, reboot: approved, patch: spec(`"approval":"NotGiven","approvedBy":null`)},
		"who may approve withdraws an approval":       {by: who.approver, reboot: approved, patch: spec(`"approval":"NotGiven","approvedBy":null`)},
		"who may ask makes it urgent":                 {by: who.requester, reboot: waiting, patch: spec(`"urgency":"Immediate"`)},
		"who may ask makes it urgent once approved":   {who.requester, approved, spec(`"urgency":"Immediate"`), asItIs},
		"and withdraws the approval":                  {by: who.requester, reboot: approved, patch: spec(`"urgency":"Immediate","approval":"NotGiven","approvedBy":null`)},
		"who may both makes it urgent once approved":  {by: who.lead, reboot: approved, patch: spec(`"urgency":"Immediate"`)},
		"who may approve makes it urgent":             {who.approver, waiting, spec(`"urgency":"Immediate"`), onlyApproval},
		"who may approve makes it urgent as well":     {who.approver, waiting, spec(given(approverName) + `,"urgency":"Immediate"`), onlyApproval},
		"who may approve writes a reason":             {who.approver, waiting, spec(given(approverName) + `,"reason":"x"`), onlyApproval},
		"who may approve sets a finalizer":            {who.approver, waiting, mergePatch(`{"metadata":{"finalizers":["example.com/hold"]}}`), onlyApproval},
		"who may approve sets a label":                {who.approver, waiting, mergePatch(`{"metadata":{"labels":{"a":"b"}}}`), onlyApproval},
		"who may approve sets an annotation":          {who.approver, waiting, mergePatch(`{"metadata":{"annotations":{"a":"b"}}}`), onlyApproval},
		"who may ask sets a label once approved":      {by: who.requester, reboot: approved, patch: mergePatch(`{"metadata":{"labels":{"a":"b"}}}`)},
		"who may ask writes who asked":                {who.requester, waiting, spec(`"requestedBy":"` + approverName + `"`), "requestedBy cannot be changed"},
		"who may both writes that another one asked":  {who.lead, waiting, spec(`"requestedBy":"` + approverName + `",` + given(leadName)), "requestedBy cannot be changed"},
		"who may ask says that the host asked for it": {who.requester, waiting, spec(`"trigger":"Sentinel"`), "trigger cannot be changed"},
	} {
		t.Run(name, func(t *testing.T) {
			checkAny(t, test.by.Patch(t.Context(), test.reboot.DeepCopy(), test.patch, client.DryRunAll), test.want)
		})
	}
	check(t, who.approver.Delete(t.Context(), waiting.DeepCopy(), client.DryRunAll), rbacForbids)
	boss := mustClientOf(t, namespace, manager, "")
	hold := mergePatch(`{"metadata":{"finalizers":["reboot-operator.io/cleanup"]}}`)
	check(t, boss.Patch(t.Context(), approved.DeepCopy(), hold, client.DryRunAll), "")
	check(t, boss.Patch(t.Context(), waiting.DeepCopy(), spec(`"approval":"Given","approvedBy":"x"`), client.DryRunAll), takesApprove)
}

func TestWhoCreatesANodeRebootIsRecordedAndMayNotSayOtherwise(t *testing.T) {
	who := newPeople(t)
	for name, test := range map[string]struct {
		by   client.Client
		spec v1alpha1.NodeRebootSpec
		want string
	}{
		"who may ask":                           {by: who.requester, spec: v1alpha1.NodeRebootSpec{RequestedBy: requesterName}},
		"who may ask, at once":                  {by: who.requester, spec: v1alpha1.NodeRebootSpec{Urgency: v1alpha1.UrgencyImmediate}},
		"who may ask in the name of another":    {who.requester, v1alpha1.NodeRebootSpec{RequestedBy: leadName}, ownRequest + requesterName},
		"the administrator in that of another":  {admin, v1alpha1.NodeRebootSpec{RequestedBy: leadName}, ownRequest},
		"who may ask approves at once":          {who.requester, v1alpha1.NodeRebootSpec{Approval: v1alpha1.ApprovalGiven, ApprovedBy: requesterName}, takesApprove},
		"who may both approves at once":         {by: who.lead, spec: v1alpha1.NodeRebootSpec{Approval: v1alpha1.ApprovalGiven, ApprovedBy: leadName}},
		"who may both approves as another":      {who.lead, v1alpha1.NodeRebootSpec{Approval: v1alpha1.ApprovalGiven, ApprovedBy: approverName}, ownApproval + leadName},
		"who may ask plays a host":              {who.requester, v1alpha1.NodeRebootSpec{Trigger: v1alpha1.TriggerSentinel}, noPerson},
		"who may ask plays the manager":         {who.requester, v1alpha1.NodeRebootSpec{Trigger: v1alpha1.TriggerNodeCondition, ConditionType: "X"}, noPerson},
		"who may approve":                       {who.approver, v1alpha1.NodeRebootSpec{}, rbacForbids},
		"the administrator plays a host":        {by: admin, spec: v1alpha1.NodeRebootSpec{Trigger: v1alpha1.TriggerSentinel}},
		"the manager for a condition of a node": {by: mustClientOf(t, namespace, manager, ""), spec: v1alpha1.NodeRebootSpec{Trigger: v1alpha1.TriggerNodeCondition, ConditionType: "X"}},
	} {
		t.Run(name, func(t *testing.T) {
			reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "asked-for"}, Spec: test.spec}
			reboot.Spec.NodeName = "n1"
			check(t, test.by.Create(t.Context(), reboot, client.DryRunAll), test.want)
		})
	}
}

func TestNamesAreFilledIn(t *testing.T) {
	who := newPeople(t)
	reboot := manualReboot(t, who.requester, "without-names", "")
	requireNames := func(wantRequested, wantApproved string) {
		t.Helper()
		if got := reboot.Spec; got.RequestedBy != wantRequested || got.ApprovedBy != wantApproved {
			t.Errorf("requested by %q, approved by %q; want %q and %q", got.RequestedBy, got.ApprovedBy, wantRequested, wantApproved)
		}
	}
	requireNames(requesterName, "")
	check(t, who.requester.Patch(t.Context(), reboot.DeepCopy(), spec(`"approval":"Given"`)), takesApprove)
	check(t, who.approver.Patch(t.Context(), reboot, spec(`"approval":"Given"`)), "")
	requireNames(requesterName, approverName)
	check(t, who.requester.Patch(t.Context(), reboot, spec(`"reason":"x"`)), "")
	requireNames(requesterName, approverName)
	check(t, who.lead.Patch(t.Context(), reboot, spec(`"approval":"Given","approvedBy":null`)), "")
	requireNames(requesterName, leadName)
	check(t, who.requester.Patch(t.Context(), reboot, spec(`"approval":"NotGiven"`)), "")
	requireNames(requesterName, "")
	reboot.Spec.RequestedBy = ""
	check(t, who.requester.Update(t.Context(), reboot), "")
	requireNames(requesterName, "")
	// A helper does not wait for a manager.
	helpers := newReboot(v1alpha1.SentinelRebootName("n1", "names"), "n1")
	check(t, mustClientOf(t, namespace, helper, "helper-n1").Create(t.Context(), helpers, client.DryRunAll), "")
	if helpers.Spec.RequestedBy != "" {
		t.Errorf("requested by %q", helpers.Spec.RequestedBy)
	}
}

func TestANodeRebootWithoutASpecIsRefusedBecauseOfThat(t *testing.T) {
	await.True(t, "the webhook fills in names", func() bool { return fillsInNames(t) })
	for _, text := range []string{`{}`, `{"spec":null}`, `{"spec":"n1"}`, `{"spec":["n1"]}`} {
		reboot := &unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(text), &reboot.Object); err != nil {
			t.Fatal(err)
		}
		reboot.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodeReboot"))
		reboot.SetName("without-spec")
		err := admin.Create(t.Context(), reboot, client.DryRunAll)
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec: ") || strings.Contains(err.Error(), "policy") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
