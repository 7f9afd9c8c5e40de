// Package lifecycle tests drains that ask the eviction responders of pods (KEP-4563), with the API as Kubernetes serves it, in which it is
// alpha. From 1.38 on Kubernetes has controllers for it; before that the test looks at the requests in their place.
package lifecycle

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	lifecyclev1alpha1 "k8s.io/api/lifecycle/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/edition"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	responder = "example.com/migrate"
	namespace = metav1.NamespaceDefault
)

// bed is a cluster that serves EvictionRequests.
type bed struct {
	*testbed.Cluster
	t *testing.T
	// handled says that Kubernetes has controllers for them.
	handled bool
}

// programVersion is that of the API server which tests run on.
func programVersion(t *testing.T) string {
	t.Helper()
	assets, err := testbed.Assets(t.Context(), logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.CommandContext(t.Context(), filepath.Join(assets, "kube-apiserver"), "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(output)), "Kubernetes ")
}

func start(t *testing.T) *bed {
	t.Helper()
	if os.Getenv(testbed.AssetsVariable) == "" {
		t.Skip("starts a control plane: " + testbed.AssetsVariable + " is not set")
	}
	requests := edition.EvictionRequestsOf(programVersion(t))
	if !requests.Served {
		t.Skip("EvictionRequests are there since Kubernetes 1.37, and this is " + programVersion(t))
	}
	log.SetLogger(logr.Discard())
	cluster, err := testbed.Start(t.Context(), testbed.Options{EvictionRequests: true})
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{Cluster: cluster, t: t, handled: requests.Handled}
	t.Cleanup(func() { b.check(cluster.Stop()) })
	b.check(cluster.Install(t.Context()))
	manager, err := cluster.StartManager(t.Context(), testbed.ManagerOptions{Args: []string{"--leader-elect=false"}})
	b.check(err)
	t.Cleanup(func() {
		if log, err := os.ReadFile(manager.LogPath()); t.Failed() && err == nil {
			t.Logf("manager:\n%s", log[max(0, len(log)-5000):])
		}
	})
	for _, name := range []string{"a", "b"} {
		_, err := cluster.AddNode(t.Context(), testbed.NodeOptions{Name: name, RebootDuration: 2 * time.Second})
		b.check(err)
	}
	policy := &v1alpha1.RebootPolicy{}
	policy.Name, policy.Spec.Nodes = "all", v1alpha1.NodesAll
	b.check(cluster.Client().Create(t.Context(), policy))
	return b
}

func (b *bed) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// createMachine makes a Deployment whose pod has a responder, and returns the node that it runs on.
func (b *bed) createMachine() *testbed.Host {
	b.t.Helper()
	labels := map[string]string{"app": "machine"}
	b.check(b.Client().Create(b.t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "machine"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](1), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					Containers:         []corev1.Container{{Name: "c", Image: "machine"}},
					EvictionResponders: []corev1.EvictionResponder{{Name: responder, Priority: ptr.To[int32](10000)}},
				},
			},
		},
	}))
	var node string
	await.True(b.t, "the pod runs", func() bool {
		pod := b.machine()
		if pod != nil && pod.Status.Phase == corev1.PodRunning {
			node = pod.Spec.NodeName
		}
		return node != ""
	})
	return b.Host(node)
}

// machine is the pod with the responder; nil if there is none.
func (b *bed) machine() *corev1.Pod {
	b.t.Helper()
	pods, err := b.Kubernetes().CoreV1().Pods(namespace).List(b.t.Context(), metav1.ListOptions{LabelSelector: "app=machine"})
	b.check(err)
	if len(pods.Items) == 0 {
		return nil
	}
	return &pods.Items[0]
}

func (b *bed) requests() []lifecyclev1alpha1.EvictionRequest {
	b.t.Helper()
	list, err := b.Kubernetes().LifecycleV1alpha1().EvictionRequests(namespace).List(b.t.Context(), metav1.ListOptions{})
	b.check(err)
	return list.Items
}

// reboot is the NodeReboot of a host; nil if there is none.
func (b *bed) reboot(host *testbed.Host) *v1alpha1.NodeReboot {
	b.t.Helper()
	var list v1alpha1.NodeRebootList
	b.check(b.Client().List(b.t.Context(), &list))
	for i := range list.Items {
		if list.Items[i].Spec.NodeName == host.Name() {
			return &list.Items[i]
		}
	}
	return nil
}

// awaitAsked waits until the helper has asked for the pod and reports what it waits for, and returns the request.
func (b *bed) awaitAsked(host *testbed.Host) *lifecyclev1alpha1.EvictionRequest {
	b.t.Helper()
	var request *lifecyclev1alpha1.EvictionRequest
	await.True(b.t, "the responders of the pod are asked", func() bool {
		if requests := b.requests(); len(requests) == 1 {
			request = &requests[0]
		}
		return request != nil
	})
	if !b.handled {
		// In the place of the controller: someone looks at the request.
		request.Status.ObservedGeneration = &request.Generation
		_, err := b.Kubernetes().LifecycleV1alpha1().EvictionRequests(namespace).UpdateStatus(b.t.Context(), request, metav1.UpdateOptions{})
		b.check(err)
	}
	await.True(b.t, "the helper reports what holds the pod", func() bool {
		reboot := b.reboot(host)
		if reboot == nil || reboot.Status.Report == nil || reboot.Status.Report.Drain == nil {
			return false
		}
		pods := reboot.Status.Report.Drain.Terminating
		return len(pods) == 1 && pods[0].HeldBy == "its eviction responders, "+responder
	})
	if pod := b.machine(); pod == nil || pod.UID != request.Spec.Target.Pod.UID || pod.DeletionTimestamp != nil {
		b.t.Errorf("the pod was evicted before its responder did that: %v", pod)
	}
	return request
}

// respond does what a responder does when it is its turn: it removes the pod.
func (b *bed) respond(request *lifecyclev1alpha1.EvictionRequest) {
	b.t.Helper()
	evictions := b.Kubernetes().LifecycleV1alpha1().Evictions(namespace)
	pod := request.Spec.Target.Pod
	if b.handled {
		await.True(b.t, "it is the responder's turn", func() bool {
			list, err := evictions.List(b.t.Context(), metav1.ListOptions{})
			b.check(err)
			for i := range list.Items {
				if asked := list.Items[i].Spec.Target.Pod; asked != nil && asked.UID == pod.UID && isActive(&list.Items[i]) {
					return true
				}
			}
			return false
		})
	}
	b.check(b.Kubernetes().CoreV1().Pods(namespace).Delete(b.t.Context(), pod.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &pod.UID},
	}))
}

func isActive(eviction *lifecyclev1alpha1.Eviction) bool {
	for _, target := range eviction.Status.TargetResponders {
		if target.Name == responder {
			return target.State == lifecyclev1alpha1.ResponderStateActive
		}
	}
	return false
}

func TestADrainWaitsForTheResponderOfAPod(t *testing.T) {
	b := start(t)
	host := b.createMachine()
	host.RequireReboot()
	request := b.awaitAsked(host)

	t.Run("a helper asks for pods of its own node only", func(t *testing.T) { b.aHelperIsConfined(t, host, request) })

	b.respond(request)
	await.True(t, "the host is rebooted", func() bool {
		reboot := b.reboot(host)
		return reboot != nil && reboot.Status.Phase == v1alpha1.PhaseSucceeded
	})
	if host.RebootsAccepted() != 1 {
		t.Errorf("%d reboots", host.RebootsAccepted())
	}
	await.True(t, "nothing is asked for anymore", func() bool { return len(b.requests()) == 0 })
}

func TestADrainThatIsCancelledAsksNoLonger(t *testing.T) {
	b := start(t)
	host := b.createMachine()
	host.RequireReboot()
	request := b.awaitAsked(host)
	host.WithdrawReboot()
	b.check(client.IgnoreNotFound(b.Client().Delete(t.Context(), b.reboot(host))))
	await.True(t, "the request is withdrawn", func() bool { return len(b.requests()) == 0 })
	if pod := b.machine(); pod == nil || pod.UID != request.Spec.Target.Pod.UID || pod.DeletionTimestamp != nil {
		t.Errorf("the pod was evicted: %v", pod)
	}
	await.True(t, "the node takes pods again", func() bool {
		node, err := b.Kubernetes().CoreV1().Nodes().Get(t.Context(), host.Name(), metav1.GetOptions{})
		return err == nil && !node.Spec.Unschedulable
	})
}

// helperOf acts as the helper of a node.
func (b *bed) helperOf(t *testing.T, node string) kubernetes.Interface {
	t.Helper()
	pods, err := b.Kubernetes().CoreV1().Pods(testbed.Namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("%d pods of the operator on node %s, %v", len(pods.Items), node, err)
	}
	pod := &pods.Items[0]
	answer, err := b.Kubernetes().CoreV1().ServiceAccounts(testbed.Namespace).CreateToken(t.Context(), pod.Spec.ServiceAccountName,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID,
		}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(b.Config())
	config.BearerToken = answer.Status.Token
	helper, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return helper
}

// aHelperIsConfined tries what the helper of another node could do about a pod.
func (b *bed) aHelperIsConfined(t *testing.T, host *testbed.Host, request *lifecyclev1alpha1.EvictionRequest) {
	other := map[string]string{"a": "b", "b": "a"}[host.Name()]
	own := b.helperOf(t, host.Name()).LifecycleV1alpha1().EvictionRequests(namespace)
	others := b.helperOf(t, other).LifecycleV1alpha1().EvictionRequests(namespace)
	ask := func(change func(*lifecyclev1alpha1.EvictionRequest)) *lifecyclev1alpha1.EvictionRequest {
		asks := &lifecyclev1alpha1.EvictionRequest{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: "try", Labels: request.Labels, Annotations: map[string]string{"reboot-operator.io/node": other},
			},
			Spec: *request.Spec.DeepCopy(),
		}
		change(asks)
		return asks
	}
	create := func(asks *lifecyclev1alpha1.EvictionRequest) error {
		_, err := others.Create(t.Context(), asks, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	withdraw, err := json.Marshal(map[string]any{"spec": map[string]any{"intent": "Withdrawn"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a pod of another node": {
			create(ask(func(*lifecyclev1alpha1.EvictionRequest) {})),
			fmt.Sprintf("pod %s/%s is not on node %s", namespace, request.Spec.Target.Pod.Name, other),
		},
		"in the name of another node": {
			create(ask(func(r *lifecyclev1alpha1.EvictionRequest) { r.Annotations["reboot-operator.io/node"] = host.Name() })),
			"the annotation reboot-operator.io/node must be " + other,
		},
		"in the name of someone else": {
			create(ask(func(r *lifecyclev1alpha1.EvictionRequest) { r.Spec.Requester = "example.com/other" })),
			"spec.requester must be reboot-operator.io/drain",
		},
		"to withdraw what another helper asks for": {
			others.Delete(t.Context(), request.Name, metav1.DeleteOptions{}), "the annotation reboot-operator.io/node must be " + other,
		},
		"to change what it asks for itself": {
			func() error {
				_, err := own.Patch(t.Context(), request.Name, "application/merge-patch+json", withdraw, metav1.PatchOptions{})
				return err
			}(), "cannot patch resource",
		},
	} {
		if !apierrors.IsForbidden(test.err) || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v, want a refusal with %q", name, test.err, test.want)
		}
	}
	if err := own.Delete(t.Context(), request.Name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Errorf("its own request: %v", err)
	}
}
