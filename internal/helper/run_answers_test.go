package helper

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// TestOnARealAPIServerAnOrderThatWasWithdrawnIsNeverCarriedOut has the helper decide to begin an order that is withdrawn before it is
// recorded.
func TestOnARealAPIServerAnOrderThatWasWithdrawnIsNeverCarriedOut(t *testing.T) {
	c := newCluster(t)
	const name = "withdrawn"
	c.create(name, name)
	deciding, withdrawn, answered := make(chan struct{}), make(chan struct{}), make(chan int, 1)
	var once sync.Once
	config := rest.CopyConfig(c.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return answering(func(r *http.Request) (*http.Response, error) {
			recording := false
			if r.Method == http.MethodPatch {
				reboot := c.await(name, "read", func(*v1alpha1.NodeReboot) bool { return true })
				once.Do(func() { recording = reboot.Status.Order != nil })
			}
			if recording {
				close(deciding)
				<-withdrawn
			}
			response, err := next.RoundTrip(r)
			if recording && err == nil {
				answered <- response.StatusCode
			}
			return response, err
		})
	})
	c.status(name, map[string]any{"order": orderOf(1, v1alpha1.ActionReboot)})
	host := &fakeHost{bootID: bootA}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{
			NodeName: name, Config: config, Host: host, Sentinel: newFakeSentinel(v1alpha1.SentinelNotRequired), Log: testr.New(t),
		})
	}()
	<-deciding
	c.status(name, map[string]any{"phase": "Pending"})
	close(withdrawn)
	if got := <-answered; got != http.StatusConflict {
		t.Errorf("the API server answers %d, want a conflict", got)
	}
	reported := c.await(name, "reported", func(r *v1alpha1.NodeReboot) bool { return r.Status.Report != nil })
	if reported.Status.Report.Sequence != 0 {
		t.Errorf("order %d was recorded", reported.Status.Report.Sequence)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := len(host.reboots()); got != 0 {
		t.Errorf("the host was ordered to reboot %d times", got)
	}
}

func TestOnARealAPIServerEveryRefusalSaysWhatRefusedAndWhy(t *testing.T) {
	c := newCluster(t)
	c.guardEvictions()
	const node = "refusals"
	for _, name := range []string{"one-budget", "two-budgets", "policy", "webhook"} {
		c.runPod(name, node)
	}
	c.budget("one-budget", 0)
	c.budget("two-budgets", 1)
	c.anotherBudget("two-budgets")
	client, err := newPodClient(c.config, node, ImpersonateNever, types.NamespacedName{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]v1alpha1.RefusedPod{
		"one-budget": {By: "PodDisruptionBudget one-budget", Message: "The disruption budget one-budget needs 1 healthy pods and has 1 currently"},
		"two-budgets": {By: "more than one PodDisruptionBudget",
			Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."},
		"policy":  {By: `ValidatingAdmissionPolicy "guard.example.com"`, Message: "it is moved by hand"},
		"webhook": {By: `admission webhook "guard.example.com"`, Message: "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			pod, err := c.kube.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			err = client.Evict(t.Context(), pod, nil)
			if err == nil {
				t.Fatal("the eviction was accepted")
			}
			got := refusal(pod, err)
			if got.By != want.By || !strings.Contains(got.Message, want.Message) {
				t.Errorf("refused by %q: %q, want by %q: %q", got.By, got.Message, want.By, want.Message)
			}
		})
	}
}

// guardEvictions has an admission policy and a webhook, which does not answer, refuse evictions of the pods of their names.
func (c *cluster) guardEvictions() {
	c.t.Helper()
	const name = "guard.example.com"
	rules := []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods/eviction"}},
	}}
	admission := c.kube.AdmissionregistrationV1()
	_, err := admission.ValidatingAdmissionPolicies().Create(c.t.Context(), &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: rules[0]}},
			},
			Validations: []admissionregistrationv1.Validation{{Expression: "request.name != 'policy'", Message: "it is moved by hand"}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = admission.ValidatingAdmissionPolicyBindings().Create(c.t.Context(), &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = admission.ValidatingWebhookConfigurations().Create(c.t.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: name, Rules: rules, SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			ClientConfig:    admissionregistrationv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:1/")},
			MatchConditions: []admissionregistrationv1.MatchCondition{{Name: "its-pod", Expression: "request.name == 'webhook'"}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = admission.ValidatingWebhookConfigurations().Delete(context.Background(), name, metav1.DeleteOptions{})
		_ = admission.ValidatingAdmissionPolicyBindings().Delete(context.Background(), name, metav1.DeleteOptions{})
		_ = admission.ValidatingAdmissionPolicies().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	for _, pod := range []string{"policy", "webhook"} {
		c.awaitRefusal(pod)
	}
}

// awaitRefusal waits until the API server has noticed what refuses an eviction. There is nothing to watch for that.
func (c *cluster) awaitRefusal(pod string) {
	c.t.Helper()
	eviction := &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: pod}, DeleteOptions: &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}},
	}
	err := wait.PollUntilContextTimeout(c.t.Context(), 50*time.Millisecond, answerTimeout, true, func(ctx context.Context) (bool, error) {
		err := c.kube.CoreV1().Pods("default").EvictV1(ctx, eviction)
		return err != nil && !apierrors.IsNotFound(err), nil
	})
	if err != nil {
		c.t.Fatalf("evictions of pod %s are not refused: %v", pod, err)
	}
}

// anotherBudget makes a second budget for the pods with a name.
func (c *cluster) anotherBudget(name string) {
	c.t.Helper()
	_, err := c.kube.PolicyV1().PodDisruptionBudgets("default").Create(c.t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-2"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestOnARealAPIServerAHelperOnAHostWhoseClockIsOffDrainsAndReboots(t *testing.T) {
	c := newCluster(t)
	for name, off := range map[string]time.Duration{"ahead": 2 * time.Hour, "behind": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			c := &cluster{t: t, config: c.config, kube: c.kube, rest: c.rest}
			c.create(name, name)
			c.runPod("on-"+name, name)
			c.kubelet(name)
			clock := &hostClock{began: time.Now()}
			clock.off.set(off)
			host := &fakeHost{bootID: bootA}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- Run(ctx, Options{
					NodeName: name, Config: c.config, Host: host, Sentinel: newFakeSentinel(v1alpha1.SentinelNotRequired), Log: testr.New(t), Clock: clock,
				})
			}()
			reported := c.await(name, "reported", func(r *v1alpha1.NodeReboot) bool { return r.Status.Report != nil })
			if got := reported.Status.Report.ClockOffsetSeconds; got == nil || (time.Duration(*got)*time.Second-off).Abs() > 2*time.Second {
				t.Errorf("clockOffsetSeconds is %v, want %s", ptr.Deref(got, 0), off)
			}
			c.status(name, map[string]any{"order": orderOf(1, v1alpha1.ActionDrain)})
			c.await(name, "drained", has(1, v1alpha1.OrderDone))
			expired := orderOf(2, v1alpha1.ActionReboot)
			expired["deadline"] = metav1.NewMicroTime(time.Now().Add(-10 * time.Second))
			c.status(name, map[string]any{"order": expired})
			c.await(name, "noted", func(r *v1alpha1.NodeReboot) bool { return strings.HasPrefix(r.Status.Report.Message, notePrefix) })
			if got := len(host.reboots()); got != 0 {
				t.Errorf("the host was ordered to reboot by an order that is over")
			}
			c.status(name, map[string]any{"order": orderOf(3, v1alpha1.ActionReboot)})
			c.await(name, "recorded", has(3, v1alpha1.OrderStarted))
			await.True(t, "the host is ordered to reboot", func() bool { return len(host.reboots()) == 1 })
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// longest is a report about pods whose every text is as long as can be.
func longest(t *testing.T) *v1alpha1.HelperReport {
	text := strings.Repeat("\U0001F54B", 700)
	var report *v1alpha1.HelperReport
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods()
		name := func(prefix string, i int) string { return fmt.Sprintf("%s%d%s", prefix, i, strings.Repeat("x", 250)) }
		for i := range 12 {
			held := newPod(name("held", i), terminating(time.Now()), finalizers(text, text))
			refused, returns := newPod(name("refused", i)), newPod(name("returns", i), controlledBy(text, text, text))
			for _, pod := range []*corev1.Pod{held, refused, returns} {
				pod.Namespace = strings.Repeat("n", 63)
				pod.Name = pod.Name[:253]
				pods.put(pod)
			}
			pods.refuse[refused.Name] = answer(http.StatusForbidden, metav1.StatusReasonForbidden, `admission webhook "`+text+`" denied: `+text)
			pods.refuse["again"+returns.Name[5:]] = answer(http.StatusInternalServerError, "", text)
		}
		pods.keep.Store(true)
		pods.onEvict.set(func(pod *corev1.Pod) {
			again := pod.DeepCopy()
			again.Name, again.UID, again.DeletionTimestamp = "again"+pod.Name[5:], "again-"+pod.UID, nil
			pods.put(again)
		})
		run := startDrain(t, pods, v1alpha1.DrainOrder{ReturningPods: v1alpha1.ReturningPodsRefuse})
		pass(drainTimeout)
		got := run.state.get()
		report = newReport(recorded(1, v1alpha1.OrderTimedOut), offsetIs(-9223372036))
		report.Drain, report.Message = &got.progress, truncate(got.err.Error(), maxMessage)
	})
	return report
}

func TestOnARealAPIServerAReportIsAcceptedWhateverPodsAreCalled(t *testing.T) {
	c := newCluster(t)
	report := longest(t)
	got := []int{len(report.Drain.Refused), len(report.Drain.Terminating), len(report.Drain.Returned)}
	if want := []int{maxNamed, maxNamed, maxReturned}; !slices.Equal(got, want) {
		t.Errorf("%v pods are refused, terminating and returned, want %v", got, want)
	}
	client := &rebootClient{rest: c.rest}
	if _, err := client.Report(t.Context(), c.create("longest", "longest"), report); err != nil {
		t.Fatal(err)
	}
	stored := c.await("longest", "reported", func(r *v1alpha1.NodeReboot) bool { return r.Status.Report != nil })
	if diff := cmp.Diff(report.Drain, stored.Status.Report.Drain); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}
