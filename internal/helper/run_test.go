package helper

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/edition"
)

// answerTimeout is how long the helper may take for anything on a real API server before a test gives up.
const answerTimeout = await.Limit

// apiServer is shared by the tests of this file, which use nodes of their own.
var apiServer struct {
	once        sync.Once
	environment *envtest.Environment
	config      *rest.Config
	err         error
}

func stopAPIServer() {
	if apiServer.environment != nil {
		_ = apiServer.environment.Stop()
	}
}

// cluster is a real API server, seen by the manager, by a kubelet and by people.
type cluster struct {
	t      *testing.T
	config *rest.Config
	kube   kubernetes.Interface
	rest   *rest.RESTClient
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set")
	}
	apiServer.once.Do(func() {
		apiServer.environment = &envtest.Environment{
			CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true,
			CRDInstallOptions:        envtest.CRDInstallOptions{MaxTime: await.Limit},
			ControlPlaneStartTimeout: await.Limit, ControlPlaneStopTimeout: await.Limit,
		}
		apiServer.environment.ControlPlane.GetAPIServer().Configure().Set("authorization-mode", "Node", "RBAC").
			Append("enable-admission-plugins", "NodeRestriction")
		apiServer.config, apiServer.err = apiServer.environment.Start()
	})
	if apiServer.err != nil {
		t.Fatal(apiServer.err)
	}
	client, err := newRESTClient(apiServer.config, "/apis", v1alpha1.GroupVersion, v1alpha1.AddToScheme)
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t: t, config: apiServer.config, kube: kubernetes.NewForConfigOrDie(apiServer.config), rest: client}
}

// run runs a helper until the returned function is called.
func (c *cluster) run(node string, host Host, sentinel Sentinel) (stop func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{
			NodeName: node, Config: c.config, Host: host, Sentinel: sentinel, Log: testr.New(c.t), HealthProbeAddress: "127.0.0.1:0",
		})
	}()
	return sync.OnceFunc(func() {
		cancel()
		if err := await.Receive(c.t, "the helper ends", done); err != nil {
			c.t.Errorf("the helper ended with %v", err)
		}
	})
}

// await watches until a NodeReboot is as wanted.
func (c *cluster) await(name, what string, ok func(*v1alpha1.NodeReboot) bool) *v1alpha1.NodeReboot {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), answerTimeout)
	defer cancel()
	source := toolscache.NewListWatchFromClient(c.rest, rebootsResource, "", fields.OneTermEqualSelector("metadata.name", name))
	var last *v1alpha1.NodeReboot
	_, err := toolswatch.UntilWithSync(ctx, source, &v1alpha1.NodeReboot{}, nil, func(event watch.Event) (bool, error) {
		reboot, isReboot := event.Object.(*v1alpha1.NodeReboot)
		if !isReboot || event.Type == watch.Deleted {
			return false, nil
		}
		last = reboot
		return ok(reboot), nil
	})
	if err != nil {
		c.t.Fatalf("NodeReboot %s: %s: %v\nlast seen: %+v", name, what, err, last)
	}
	return last
}

// status applies status fields as the manager does.
func (c *cluster) status(name string, status map[string]any) {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "NodeReboot", "metadata": map[string]any{"name": name}, "status": status,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	err = c.rest.Patch(types.ApplyPatchType).Resource(rebootsResource).Name(name).SubResource("status").
		VersionedParams(&metav1.PatchOptions{FieldManager: v1alpha1.ManagerFieldManager, Force: ptr.To(true)}, metav1.ParameterCodec).
		Body(body).Do(c.t.Context()).Error()
	if err != nil {
		c.t.Fatal(err)
	}
}

func orderOf(sequence int64, action v1alpha1.OrderAction) map[string]any {
	return map[string]any{
		"sequence": sequence, "action": action, "bootID": bootA, "deadline": metav1.NewMicroTime(time.Now().Add(time.Hour)),
	}
}

// create makes a NodeReboot of a node.
func (c *cluster) create(name, node string) *v1alpha1.NodeReboot {
	c.t.Helper()
	reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.NodeRebootSpec{NodeName: node}}
	err := c.rest.Post().Resource(rebootsResource).Body(reboot).Do(c.t.Context()).Into(reboot)
	if err != nil {
		c.t.Fatal(err)
	}
	c.forget(name)
	return reboot
}

// forget deletes a NodeReboot at the end of the test.
func (c *cluster) forget(name string) {
	c.t.Cleanup(func() { _ = c.rest.Delete().Resource(rebootsResource).Name(name).Do(context.Background()).Error() })
}

// runPod makes a pod that runs on the node and is ready.
func (c *cluster) runPod(name, node string) {
	c.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "none"}}},
	}
	pods := c.kube.CoreV1().Pods("default")
	pod, err := pods.Create(c.t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = pods.Delete(context.Background(), name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})
	})
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if _, err := pods.UpdateStatus(c.t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// kubelet removes the node's pods as soon as they had to end, for as long as the test runs.
func (c *cluster) kubelet(node string) {
	pods := c.kube.CoreV1().Pods("default")
	options := metav1.ListOptions{FieldSelector: "spec.nodeName=" + node}
	events, err := pods.Watch(c.t.Context(), options)
	if err != nil {
		c.t.Fatal(err)
	}
	go func() {
		for event := range events.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if ok && event.Type != watch.Deleted && pod.DeletionTimestamp != nil {
				_ = pods.Delete(c.t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})
			}
		}
	}()
	c.t.Cleanup(events.Stop)
}

// budget makes a PodDisruptionBudget that allows so many disruptions now.
func (c *cluster) budget(name string, allowed int32) {
	c.t.Helper()
	budgets := c.kube.PolicyV1().PodDisruptionBudgets("default")
	budget, err := budgets.Get(c.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		budget, err = budgets.Create(c.t.Context(), &policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: policyv1.PodDisruptionBudgetSpec{
				MinAvailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	budget.Status = policyv1.PodDisruptionBudgetStatus{
		ObservedGeneration: budget.Generation, DisruptionsAllowed: allowed, CurrentHealthy: 1 + allowed, DesiredHealthy: 1, ExpectedPods: 1,
	}
	if _, err := budgets.UpdateStatus(c.t.Context(), budget, metav1.UpdateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

func has(sequence int64, state v1alpha1.OrderState) func(*v1alpha1.NodeReboot) bool {
	return func(r *v1alpha1.NodeReboot) bool {
		return r.Status.Report != nil && r.Status.Report.Sequence == sequence && r.Status.Report.State == state
	}
}

func TestOnARealAPIServerANodeIsDrainedAndRebootedOnce(t *testing.T) {
	c := newCluster(t)
	const node = "whole"
	host := &fakeHost{bootID: bootA}
	sentinel := newFakeSentinel(v1alpha1.SentinelRequired)
	c.runPod("guarded", node)
	c.runPod("free", node)
	c.budget("guarded", 0)
	c.kubelet(node)
	stop := c.run(node, host, sentinel)
	defer stop()

	name := v1alpha1.SentinelRebootName(node, bootA)
	c.forget(name)
	made := c.await(name, "made and reported", func(r *v1alpha1.NodeReboot) bool { return r.Status.Report != nil })
	want := v1alpha1.NodeRebootSpec{
		NodeName: node, Trigger: v1alpha1.TriggerSentinel, BootID: bootA, Reason: "libc6",
		Urgency: v1alpha1.UrgencyNormal, Approval: v1alpha1.ApprovalNotGiven,
	}
	if diff := cmp.Diff(want, made.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}

	c.status(name, map[string]any{"phase": "Draining", "order": orderOf(1, v1alpha1.ActionDrain), "lastSequence": 1})
	refused := c.await(name, "one refused", func(r *v1alpha1.NodeReboot) bool {
		drain := r.Status.Report.Drain
		return drain != nil && drain.Remaining == 1 && len(drain.Refused) == 1
	})
	wantRefused := v1alpha1.RefusedPod{
		Namespace: "default", Name: "guarded", By: "PodDisruptionBudget guarded",
		Message: "The disruption budget guarded needs 1 healthy pods and has 1 currently",
	}
	if diff := cmp.Diff(wantRefused, refused.Status.Report.Drain.Refused[0]); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	stop()
	stop = c.run(node, host, sentinel)
	defer stop()
	c.budget("guarded", 1)
	done := c.await(name, "drained by the next helper", has(1, v1alpha1.OrderDone))
	if diff := cmp.Diff(newReport(drained(2, 0)).Drain, done.Status.Report.Drain); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if done.Status.Phase != v1alpha1.PhaseDraining || done.Status.LastSequence != 1 || done.Status.Order == nil {
		t.Errorf("the manager's fields were changed: %+v", done.Status)
	}
	c.wantOwned(done)

	c.status(name, map[string]any{"phase": "Rebooting", "order": orderOf(2, v1alpha1.ActionReboot), "lastSequence": 2})
	c.await(name, "recorded", has(2, v1alpha1.OrderStarted))
	await.True(t, "the host is ordered to reboot", func() bool { return len(host.reboots()) > 0 })
	c.status(name, map[string]any{"phase": "Recovering", "lastSequence": 2})
	stop()
	host.setBootID(bootB)
	stop = c.run(node, host, sentinel)
	defer stop()
	c.await(name, "another boot", func(r *v1alpha1.NodeReboot) bool { return r.Status.Report.BootID == bootB })
	if got := len(host.reboots()); got != 1 {
		t.Errorf("the host was ordered to reboot %d times, want 1", got)
	}
}

// wantOwned checks that the helper owns its report and nothing else.
func (c *cluster) wantOwned(reboot *v1alpha1.NodeReboot) {
	c.t.Helper()
	for _, entry := range reboot.ManagedFields {
		if entry.Manager != v1alpha1.HelperFieldManager {
			continue
		}
		var owned map[string]map[string]any
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned); err != nil {
			c.t.Fatal(err)
		}
		if len(owned) != 1 || len(owned["f:status"]) != 1 || owned["f:status"]["f:report"] == nil {
			c.t.Errorf("the helper owns %s", entry.FieldsV1.GetRawString())
		}
		return
	}
	c.t.Error("the helper owns nothing")
}

func TestOnARealAPIServerAReportOnSomethingStaleIsAConflict(t *testing.T) {
	c := newCluster(t)
	seen := c.create("stale", "stale-node")
	client := &rebootClient{rest: c.rest}
	report := newReport(recorded(1, v1alpha1.OrderStarted))
	c.status("stale", map[string]any{"phase": "Pending"})
	if _, err := client.Report(t.Context(), seen, report); !apierrors.IsConflict(err) {
		t.Errorf("error %v, want a conflict", err)
	}
	now := c.await("stale", "seen", func(r *v1alpha1.NodeReboot) bool { return r.Status.Phase != "" })
	version, err := client.Report(t.Context(), now, report)
	if err != nil || !older(now.ResourceVersion, version) {
		t.Errorf("resource version %q, error %v", version, err)
	}
	c.await("stale", "reported", has(1, v1alpha1.OrderStarted))
	if err := c.rest.Delete().Resource(rebootsResource).Name("stale").Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Report(t.Context(), now, report); !apierrors.IsNotFound(err) {
		t.Errorf("error %v, want not found", err)
	}
	c.create("stale", "stale-node")
	if _, err := client.Report(t.Context(), now, report); !apierrors.IsConflict(err) {
		t.Errorf("another one of the same name: error %v, want a conflict", err)
	}
}

func TestOnARealAPIServerAHelperLeavesOtherNodesAlone(t *testing.T) {
	c := newCluster(t)
	c.runPod("elsewhere", "theirs")
	c.create("theirs", "theirs")
	c.create("ours", "ours")
	for _, name := range []string{"theirs", "ours"} {
		c.status(name, map[string]any{"order": orderOf(1, v1alpha1.ActionDrain)})
	}
	defer c.run("ours", &fakeHost{bootID: bootA}, newFakeSentinel(v1alpha1.SentinelUnknown))()
	c.await("ours", "drained", has(1, v1alpha1.OrderDone))
	theirs := c.await("theirs", "there", func(*v1alpha1.NodeReboot) bool { return true })
	if theirs.Status.Report != nil {
		t.Errorf("reported about another node: %+v", theirs.Status.Report)
	}
	pod, err := c.kube.CoreV1().Pods("default").Get(t.Context(), "elsewhere", metav1.GetOptions{})
	if err != nil || pod.DeletionTimestamp != nil {
		t.Errorf("another node's pod: deleted %v, error %v", pod.DeletionTimestamp, err)
	}
}

func TestOnARealAPIServerAnEvictionIsForThatPodAlone(t *testing.T) {
	c := newCluster(t)
	c.runPod("same-name", "n")
	client, err := newPodClient(c.config, "n", ImpersonateNever, types.NamespacedName{})
	if err != nil {
		t.Fatal(err)
	}
	pod := newPod("same-name")
	if err := client.Evict(t.Context(), pod, nil); err == nil || !strings.Contains(err.Error(), "UID") {
		t.Errorf("a pod of another UID: error %v", err)
	}
	found, err := c.kube.CoreV1().Pods("default").Get(t.Context(), "same-name", metav1.GetOptions{})
	if err != nil || found.DeletionTimestamp != nil {
		t.Errorf("deleted %v, error %v", found.DeletionTimestamp, err)
	}
}

func TestOnARealAPIServerPodsAreListedAndEvictedAsTheNode(t *testing.T) {
	c := newCluster(t)
	c.runPod("mine", "me")
	c.runPod("yours", "you")
	client, err := newPodClient(c.config, "me", ImpersonateAlways, types.NamespacedName{})
	if err != nil {
		t.Fatal(err)
	}
	installed, err := edition.Of(c.config)
	if err != nil {
		t.Fatal(err)
	}
	for name, forbidden := range map[string]bool{"mine": !installed.DrainsAsNode, "yours": true} {
		pod, err := c.kube.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Evict(t.Context(), pod, nil); apierrors.IsForbidden(err) != forbidden || (err != nil) != forbidden {
			t.Errorf("evict %s: %v", name, err)
		}
	}
}
