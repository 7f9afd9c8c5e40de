package controllers

import (
	"context"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
)

var _ = Describe("Receivers of notifications", func() {
	It("are notified of a rollout once each, and no pass waits for one that hangs", func(ctx context.Context) {
		inbox := &inbox{}
		well := httptest.NewServer(inbox)
		DeferCleanup(well.Close)
		hanging, accepted := hangs()
		createSecret(ctx, map[string]string{"well": well.URL, "hangs": "http://" + hanging, "key": "k"})
		options := Options{NotifyAllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
		seen := startOperator(options, ClientOptions())
		createPolicy(ctx, v1alpha1.ModeEnforce)
		patchPolicySpec(ctx, func(s *v1alpha1.RebootPolicySpec) {
			s.Notifications = []v1alpha1.Notification{toWebhook("hangs"), toWebhook("well")}
		})
		createNode(ctx, "n1")
		helper := createHelper(ctx, "n1")
		becameReady(ctx, helper, time.Now().Add(-time.Hour))
		createReboot(ctx, "r1", "n1")

		By("going on while a receiver hangs")
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
		Eventually(accepted).Should(Receive())
		rebootNode(ctx, "r1", "n1", helper)
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Phase", v1alpha1.PhaseSucceeded))

		By("telling the other one of the start and the end")
		Eventually(inbox.events).Should(Equal([]v1alpha1.NotificationEvent{v1alpha1.EventRolloutStarted, v1alpha1.EventRolloutFinished}))
		summary := inbox.last()
		Expect(summary.Rollout).To(And(
			HaveField("State", notify.StateFinished), HaveField("Rebooted", 1), HaveField("Remaining", 0),
			HaveField("Slowest", HaveField("Name", "n1")), HaveField("ID", inbox.received[0].Rollout.ID),
		))

		By("saying which one is not told")
		Eventually(failing(ctx)).Should(And(
			HaveField("Reason", v1alpha1.ReasonNotificationFailed), HaveField("Message", ContainSubstring("Receiver hangs has not accepted")),
		))
		Expect(meta.IsStatusConditionTrue(policyNamed(ctx)().Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
		// One that waited for the receiver would have taken the 15 seconds after which that is given up.
		Expect(slowestPass(seen)).To(BeNumerically("<", 15))
	})

	It("are not told again by another manager, and say what is not configured right", func(ctx context.Context) {
		inbox := &inbox{}
		well := httptest.NewServer(inbox)
		DeferCleanup(well.Close)
		createSecret(ctx, map[string]string{"well": well.URL, "key": "k"})
		options := Options{NotifyAllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
		startOperator(options, ClientOptions())
		createPolicy(ctx, v1alpha1.ModeEnforce)
		patchPolicySpec(ctx, func(s *v1alpha1.RebootPolicySpec) {
			s.Approval = v1alpha1.Require
			s.Notifications = []v1alpha1.Notification{toWebhook("missing"), toWebhook("well")}
		})
		Eventually(failing(ctx)).Should(And(HaveField("Reason", v1alpha1.ReasonNotificationInvalid),
			HaveField("Message", "Receiver missing: there is no key missing in Secret operator/reboot-operator-notifications, or it is empty.")))
		createNode(ctx, "n1")
		helper := createHelper(ctx, "n1")
		becameReady(ctx, helper, time.Now().Add(-time.Hour))
		createReboot(ctx, "r1", "n1")
		Eventually(inbox.events).Should(Equal([]v1alpha1.NotificationEvent{v1alpha1.EventApprovalNeeded}))
		Eventually(remembered(ctx)).Should(HaveKey("p"))

		second := startOperator(options, ClientOptions())
		atRest(second)
		patchPolicySpec(ctx, func(s *v1alpha1.RebootPolicySpec) { s.Notifications = s.Notifications[1:] })
		Eventually(failing(ctx)).Should(BeNil())
		Consistently(inbox.events).WithTimeout(8 * time.Second).Should(HaveLen(1))
	})
})

// inbox is a server that takes webhooks.
type inbox struct {
	mu       sync.Mutex
	received []notify.Event
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e notify.Event
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.Header.Get("Webhook-Signature") == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.received = append(i.received, e)
}

func (i *inbox) events() (events []v1alpha1.NotificationEvent) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n := range i.received {
		events = append(events, i.received[n].Event)
	}
	return events
}

func (i *inbox) last() notify.Event {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.received[len(i.received)-1]
}

// hangs is a server that takes connections and never says anything.
func hangs() (address string, accepted chan struct{}) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	accepted = make(chan struct{}, 100)
	var mu sync.Mutex
	var conns []net.Conn
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			accepted <- struct{}{}
		}
	}()
	DeferCleanup(func() {
		Expect(listener.Close()).To(Succeed())
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			Expect(conn.Close()).To(Succeed())
		}
	})
	return listener.Addr().String(), accepted
}

func createSecret(ctx context.Context, data map[string]string) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: testNamespace, Name: v1alpha1.NotificationsSecret, Annotations: map[string]string{v1alpha1.AllowedPoliciesAnnotation: "*"},
	}, StringData: data}
	Expect(k8s.Create(ctx, secret)).To(Succeed())
	DeferCleanup(func() { Expect(k8s.Delete(context.Background(), secret)).To(Succeed()) })
}

// toWebhook is a receiver that is signed for, whose URL is in the key with its name.
func toWebhook(name string) v1alpha1.Notification {
	key := v1alpha1.NotificationKey{Secret: v1alpha1.NotificationsSecret, Key: name}
	return v1alpha1.Notification{Name: name, Webhook: &v1alpha1.NotificationWebhook{
		URL: key, HMACKey: &v1alpha1.NotificationKey{Secret: v1alpha1.NotificationsSecret, Key: "key"},
	}}
}

func policyNamed(ctx context.Context) func() *v1alpha1.RebootPolicy {
	return func() *v1alpha1.RebootPolicy {
		policy := &v1alpha1.RebootPolicy{}
		Expect(k8s.Get(ctx, types.NamespacedName{Name: "p"}, policy)).To(Succeed())
		return policy
	}
}

func patchPolicySpec(ctx context.Context, change func(s *v1alpha1.RebootPolicySpec)) {
	policy := policyNamed(ctx)()
	before := policy.DeepCopy()
	change(&policy.Spec)
	Expect(k8s.Patch(ctx, policy, client.MergeFrom(before))).To(Succeed())
}

// failing is the condition that says which receiver is not told.
func failing(ctx context.Context) func() *metav1.Condition {
	return func() *metav1.Condition {
		return meta.FindStatusCondition(policyNamed(ctx)().Status.Conditions, v1alpha1.ConditionNotificationsFailing)
	}
}

// remembered is what is stored of what was sent.
func remembered(ctx context.Context) func() map[string]string {
	return func() map[string]string {
		object := &corev1.ConfigMap{}
		key := types.NamespacedName{Namespace: testNamespace, Name: v1alpha1.NotificationsName}
		Expect(client.IgnoreNotFound(k8s.Get(ctx, key, object))).To(Succeed())
		return object.Data
	}
}

// slowestPass is what the slowest pass of an operator took at most, in seconds: the end of the last bucket with a pass in it.
func slowestPass(t *traffic) float64 {
	families, err := t.registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		if family.GetName() != "reboot_operator_pass_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		Expect(h.GetSampleCount()).To(BeNumerically(">", 0))
		for _, bucket := range h.GetBucket() {
			if bucket.GetCumulativeCount() == h.GetSampleCount() {
				return bucket.GetUpperBound()
			}
		}
	}
	return math.Inf(1)
}

// rebootNode is what a helper and its host do when they are ordered to drain and to reboot.
func rebootNode(ctx context.Context, name, node string, helper *corev1.Pod) {
	order := rebootNamed(ctx, name)().Status.Order
	report(ctx, name, v1alpha1.HelperReport{
		Protocol: v1alpha1.ProtocolLevel, BootID: "boot-1", Sentinel: v1alpha1.SentinelRequired,
		Sequence: order.Sequence, State: v1alpha1.OrderDone,
	})
	Eventually(rebootNamed(ctx, name)).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionReboot)))
	patchNodeStatus(ctx, node, func(n *corev1.Node) { n.Status.NodeInfo.BootID = "boot-2" })
	report(ctx, name, v1alpha1.HelperReport{
		Protocol: v1alpha1.ProtocolLevel, BootID: "boot-2", BootTime: ptr.To(metav1.NowMicro()), Sentinel: v1alpha1.SentinelNotRequired,
	})
	becameReady(ctx, helper, time.Now())
}
