package admission

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// Answers of the webhook about evictions, by what they say.
const (
	notOnNode  = "is not on node n1"
	noPod      = "not bound to a pod on a node"
	noUID      = "deleteOptions.preconditions.uid"
	anotherPod = "a different pod now"
	noAnswer   = `failed calling webhook "evictions.reboot-operator.io"`
)

// grantRemovals gives helpers of both namespaces the right to evict and delete every pod, as someone might, on any version of Kubernetes.
func grantRemovals(t *testing.T) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "removals-of-helpers"}
	role := &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods/eviction"}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"delete", "deletecollection"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		Subjects: []rbacv1.Subject{
			{Kind: "ServiceAccount", Namespace: namespace, Name: helper}, {Kind: "ServiceAccount", Namespace: "default", Name: helper},
		},
	}
	removal := right{verb: "deletecollection", resource: "pods", namespace: "default"}
	for _, object := range []client.Object{role, binding} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	awaitAllowed(t, namespace, helper, removal)
	t.Cleanup(func() {
		for _, object := range []client.Object{binding, role} {
			if err := admin.Delete(context.Background(), object); err != nil {
				t.Error(err)
			}
		}
		await.True(t, "helpers may no longer delete pods", func() bool {
			allowed, err := mayDo(context.Background(), namespace, helper, removal)
			return err == nil && !allowed
		})
	})
}

func mustUID(t *testing.T, pod string) types.UID {
	t.Helper()
	uid, err := uidOf(t.Context(), "default", pod)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func evictPod(t *testing.T, by client.Client, pod string, eviction *policyv1.Eviction, options ...client.SubResourceCreateOption) error {
	t.Helper()
	return by.SubResource("eviction").Create(t.Context(), newPod("default", pod, "", ""), eviction, options...)
}

func TestAHelperThatMayRemovePodsRemovesThoseOfItsNodeOnly(t *testing.T) {
	grantRemovals(t)
	elsewhere := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: helper}}
	createNow(t, elsewhere)
	createNow(t, newPod("default", "helper-elsewhere", "n1", helper))
	createNow(t, newPod("default", "unscheduled", "", ""))
	own, unbound := mustClientOf(t, namespace, helper, "helper-n1"), mustClientOf(t, namespace, helper, "")
	toNode := &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Node", Name: "n1"}
	node, err := clientBoundTo(t.Context(), namespace, helper, toNode)
	if err != nil {
		t.Fatal(err)
	}
	another := mustClientOf(t, "default", helper, "helper-elsewhere")
	uids := map[string]types.UID{"app-n1": mustUID(t, "app-n1"), "app-n2": mustUID(t, "app-n2"), "unscheduled": mustUID(t, "unscheduled")}
	evict := func(by client.Client, pod string, uid types.UID) error {
		return evictPod(t, by, pod, evictionOfUID(uid), client.DryRunAll)
	}
	remove := func(by client.Client, pod string) error {
		return by.Delete(t.Context(), newPod("default", pod, "", ""), client.DryRunAll)
	}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"evict a pod of its node":                     {err: evict(own, "app-n1", uids["app-n1"])},
		"evict a pod of another node":                 {evict(own, "app-n2", uids["app-n2"]), notOnNode},
		"evict a pod of another node by another UID":  {evict(own, "app-n2", uids["app-n1"]), notOnNode},
		"evict a pod of no node":                      {evict(own, "unscheduled", uids["unscheduled"]), notOnNode},
		"evict a pod that is not there":               {evict(own, "unknown", "u"), notOnNode},
		"evict what was another pod":                  {evict(own, "app-n1", "another"), anotherPod},
		"evict whatever has the name":                 {evictPod(t, own, "app-n1", eviction(), client.DryRunAll), noUID},
		"evict by a token without a pod":              {evict(unbound, "app-n1", uids["app-n1"]), noPod},
		"evict by a token of a node":                  {evict(node, "app-n1", uids["app-n1"]), noPod},
		"in another namespace, a pod of its node":     {err: evict(another, "app-n1", uids["app-n1"])},
		"in another namespace, a pod of another node": {evict(another, "app-n2", uids["app-n2"]), notOnNode},
		"delete a pod of its node":                    {err: remove(own, "app-n1")},
		"delete a pod of another node":                {remove(own, "app-n2"), notOnNode},
		"delete by a token without a pod":             {remove(unbound, "app-n1"), noPod},
		"delete all pods":                             {own.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace("default"), client.DryRunAll), notOnNode},
		"an administrator evicts without a UID":       {err: evictPod(t, admin, "app-n2", eviction(), client.DryRunAll)},
		"an administrator deletes a pod of any node":  {err: remove(admin, "app-n2")},
	} {
		t.Run(name, func(t *testing.T) { check(t, test.err, test.want) })
	}
}

func TestAPodThatWasMadeAgainElsewhereIsNotEvicted(t *testing.T) {
	grantRemovals(t)
	own := mustClientOf(t, namespace, helper, "helper-n1")
	first := newPod("default", "moves", "n1", "")
	if err := admin.Create(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	check(t, evictPod(t, own, "moves", evictionOfUID(first.UID), client.DryRunAll), "")
	if err := admin.Delete(t.Context(), first.DeepCopy(), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	second := newPod("default", "moves", "n2", "")
	createNow(t, second)
	check(t, evictPod(t, own, "moves", evictionOfUID(first.UID)), notOnNode)
	check(t, evictPod(t, own, "moves", evictionOfUID(second.UID)), notOnNode)
	other := mustClientOf(t, namespace, helper, "helper-n2")
	check(t, evictPod(t, other, "moves", evictionOfUID(first.UID)), anotherPod)
	if got := mustUID(t, "moves"); got != second.UID {
		t.Errorf("the pod is %s, want %s", got, second.UID)
	}
}

func TestWhileNoManagerRunsHelpersEvictNothingAndOthersAreNotHeldUp(t *testing.T) {
	grantRemovals(t)
	who := newPeople(t)
	own := mustClientOf(t, namespace, helper, "helper-n1")
	uid := mustUID(t, "app-n1")
	if err := stopWebhooks(); err != nil {
		t.Fatal(err)
	}
	if err := evictPod(t, own, "app-n1", evictionOfUID(uid), client.DryRunAll); err == nil || !strings.Contains(err.Error(), noAnswer) {
		t.Errorf("evict without an answer: %v", err)
	}
	for name, ask := range map[string]func() error{
		"evict":    func() error { return evictPod(t, admin, "app-n1", eviction(), client.DryRunAll) },
		"delete":   func() error { return admin.Delete(t.Context(), newPod("default", "app-n1", "", ""), client.DryRunAll) },
		"a helper": func() error { return own.Create(t.Context(), newReboot("n1-0", "n1"), client.DryRunAll) },
		"a person": func() error {
			reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "without-manager"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "n1"}}
			return who.requester.Create(t.Context(), reboot, client.DryRunAll)
		},
	} {
		begin := time.Now()
		if err := ask(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
	// An approval holds without names being filled in, and the answer says what to write.
	reboot := manualReboot(t, who.requester, "approved-without-manager", "")
	if reboot.Spec.RequestedBy != "" {
		t.Errorf("requested by %q", reboot.Spec.RequestedBy)
	}
	checkAny(t, who.approver.Patch(t.Context(), reboot.DeepCopy(), spec(`"approval":"Given"`), client.DryRunAll), goesWithName)
	given := func(by string) client.Patch { return spec(`"approval":"Given","approvedBy":"` + by + `"`) }
	check(t, who.approver.Patch(t.Context(), reboot.DeepCopy(), given(leadName), client.DryRunAll), ownApproval+approverName)
	check(t, who.requester.Patch(t.Context(), reboot.DeepCopy(), given(requesterName), client.DryRunAll), takesApprove)
	check(t, who.approver.Patch(t.Context(), reboot.DeepCopy(), given(approverName), client.DryRunAll), "")

	var err error
	if stopWebhooks, err = startWebhooks(t.Context(), webhookAddress); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the next manager answers", func() bool {
		return evictPod(t, own, "app-n1", evictionOfUID(uid), client.DryRunAll) == nil
	})
}

// trusted is of the Secret, and of what the API server knows of the webhooks.
type trusted struct{ secret, evictions, names string }

func readTrusted(t *testing.T) (versions, bundles trusted) {
	t.Helper()
	secret := &corev1.Secret{}
	evictions, names := &admissionregistrationv1.ValidatingWebhookConfiguration{}, &admissionregistrationv1.MutatingWebhookConfiguration{}
	for _, of := range []struct {
		object client.Object
		key    client.ObjectKey
	}{
		{secret, client.ObjectKey{Namespace: namespace, Name: "reboot-operator-webhook"}},
		{evictions, client.ObjectKey{Name: "reboot-operator-evictions"}},
		{names, client.ObjectKey{Name: "reboot-operator-names"}},
	} {
		if err := admin.Get(t.Context(), of.key, of.object); err != nil {
			t.Fatal(err)
		}
	}
	versions = trusted{secret.ResourceVersion, evictions.ResourceVersion, names.ResourceVersion}
	bundles = trusted{
		string(secret.Data["ca.crt"]), string(evictions.Webhooks[0].ClientConfig.CABundle), string(names.Webhooks[0].ClientConfig.CABundle),
	}
	return versions, bundles
}

// fillsInNames says whether the webhook about names answers.
func fillsInNames(t *testing.T) bool {
	t.Helper()
	asked := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "asked"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "n1"}}
	return admin.Create(t.Context(), asked, client.DryRunAll) == nil && asked.Spec.RequestedBy != ""
}

func TestWhatTheAPIServerTrustsIsKept(t *testing.T) {
	settled := func() bool {
		_, got := readTrusted(t)
		return got.secret != "" && got.secret == got.evictions && got.secret == got.names && fillsInNames(t)
	}
	await.True(t, "the webhooks answer", settled)
	for name, spoil := range map[string]func() error{
		"the certificate is gone": func() error {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reboot-operator-webhook"}}
			return admin.Patch(t.Context(), secret, mergePatch(`{"data":null}`))
		},
		"the bundle is gone": func() error {
			names := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "reboot-operator-names"}}
			remove := []byte(`[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`)
			return admin.Patch(t.Context(), names, client.RawPatch(types.JSONPatchType, remove))
		},
	} {
		if err := spoil(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		await.True(t, "the webhooks answer although "+name, settled)
	}
}

func TestTwoManagersServeTheSameCertificateAndWriteNothingMore(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	before, _ := readTrusted(t)
	stop, err := startWebhooks(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	served := func(address string) string {
		connection, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return ""
		}
		defer func() { _ = connection.Close() }()
		return string(connection.ConnectionState().PeerCertificates[0].Raw)
	}
	first := served(webhookAddress)
	await.True(t, "the second serves what the first does", func() bool { return first != "" && served(address) == first })
	if after, _ := readTrusted(t); after != before {
		t.Errorf("versions %v, before %v", after, before)
	}
}
