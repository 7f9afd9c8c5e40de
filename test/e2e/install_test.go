package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/edition"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// The kinds come and go here, so these stories have a cluster of their own. They leave the one that all others share as it is.
var _ = Describe("The installation", Ordered, func() {
	var manifests string

	BeforeAll(func() {
		sharedCluster, sharedManager := cluster, manager
		DeferCleanup(func() { cluster, manager = sharedCluster, sharedManager })
		var err error
		cluster, err = testbed.Start(ctx, testbed.Options{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(own *testbed.Cluster) { Expect(own.Stop()).To(Succeed()) }, cluster)
		installed, err := edition.Of(cluster.Config())
		Expect(err).NotTo(HaveOccurred())
		manifests = filepath.Join("..", "..", installed.Manifests)
		install()
	})

	It("uses every right that it asks for", func() {
		p := newPool("rights", "a", "a")
		createApp(testbed.App{Name: "web", Namespace: "rights", Replicas: 2, AntiAffinity: true})
		p.applyPolicy(drainDelay(1), func(s *v1alpha1.RebootPolicySpec) {
			s.History.Succeeded = ptr.To[int32](1)
			s.Triggers = &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{
				{Type: deadlock, Status: v1alpha1.TriggerTrue, MinSeconds: ptr.To[int32](0)},
			}}
			s.Gates.Objects = []v1alpha1.ObjectGate{{
				Name: "pods", APIVersion: "v1", Kind: "Pod", Expect: v1alpha1.ExpectNone, OnError: v1alpha1.Ignore,
			}}
			s.Gates.Prometheus = []v1alpha1.PrometheusGate{{
				Name: "away", URL: "http://127.0.0.1:1", Query: "up == 0",
				GateConnection: v1alpha1.GateConnection{
					OnError: v1alpha1.Ignore, Auth: &v1alpha1.GateAuth{BearerToken: &v1alpha1.SecretKey{Key: "token"}},
				},
			}}
		})

		By("pausing a drain, and giving a node up while there is a slot that another leader left")
		p.hosts[0].RequireReboot()
		reboot := eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining)
		changePolicy(p.name, mode(v1alpha1.ModePaused))
		eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonPaused)
		changePolicy(p.name, mode(v1alpha1.ModeEnforce), drainDelay(3600))
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining)
		slots := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: testbed.Namespace, Name: v1alpha1.SlotsName}}
		Expect(cluster.Client().Patch(ctx, slots, client.RawPatch(types.MergePatchType,
			[]byte(`{"data":{"left":"{\"nodeReboot\":\"left\",\"uid\":\"left\",\"attempt\":1}"}}`)))).To(Succeed())
		p.hosts[0].WithdrawReboot()
		Expect(cluster.Client().Delete(ctx, reboot)).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(rebootsOf(g, p.hosts[0].Name())).To(BeEmpty()) }).Should(Succeed())
		By("asking for a reboot by a condition of the node, and withdrawing it")
		changePolicy(p.name, mode(v1alpha1.ModePaused), drainDelay(0))
		setCondition(p.hosts[0].Name(), corev1.ConditionTrue)
		asked := eventuallyPhase(p.hosts[0], v1alpha1.PhasePending, v1alpha1.ReasonPaused)
		Expect(asked.Spec.Trigger).To(Equal(v1alpha1.TriggerNodeCondition))
		setCondition(p.hosts[0].Name(), corev1.ConditionFalse)
		eventuallyPhase(p.hosts[0], v1alpha1.PhaseCancelled, v1alpha1.ReasonNeedWithdrawn)
		changePolicy(p.name, mode(v1alpha1.ModeEnforce))

		By("rebooting a node twice, of which one is kept")
		for i := range 2 {
			p.hosts[1].RequireReboot()
			Eventually(func(g Gomega) {
				all := rebootsOf(g, p.hosts[1].Name())
				g.Expect(all).NotTo(BeEmpty())
				g.Expect(all[len(all)-1].Status.Phase).To(Equal(v1alpha1.PhaseSucceeded))
				g.Expect(p.hosts[1].RebootsAccepted()).To(Equal(i + 1))
			}).Should(Succeed())
			eventuallyPhase(p.hosts[1], v1alpha1.PhaseSucceeded)
		}

		By("reading the metrics")
		expectMetricsOnlyForReaders()

		Eventually(func(g Gomega) {
			g.Expect(unusedRights(g)).To(BeEmpty(), "rights that nothing used")
			g.Expect(refusedReads(g)).To(BeEmpty(), "lists and watches that the manager may not make")
		}).Should(Succeed())
	})

	It("leaves nothing behind when it is removed in the order that the docs say", func() {
		p := newPoolUnderWay("ordered")
		kubectl("delete", "rebootpolicies", "--all")
		kubectl("delete", "nodereboots", "--all")
		kubectl("delete", "daemonset", "--namespace", testbed.Namespace, "reboot-operator-helper", "--cascade=foreground")
		kubectl("delete", "nodereboots", "--all")
		kubectl("delete", "-k", manifests, "--ignore-not-found")
		for _, host := range p.hosts {
			expectLeftAsFound(host)
			Expect(host.RebootsAccepted()).To(BeZero())
		}
		expectRemoved()
		Expect(manager.Kill()).To(Succeed())
	})

	It("leaves nodes as they are when it is removed while no manager runs, which another install and removal in order repairs", func() {
		install()
		p := newPoolUnderWay("atonce")
		Expect(manager.Kill()).To(Succeed())
		kubectl("delete", "-k", manifests, "--wait=false")
		Eventually(func(g Gomega) {
			var namespace corev1.Namespace
			err := cluster.Client().Get(ctx, client.ObjectKey{Name: testbed.Namespace}, &namespace)
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the namespace is there: %v", err)
		}).Should(Succeed())
		left := getNode(Default, p.hosts[0].Name())
		Expect(left.Annotations).To(HaveKey(v1alpha1.CordonAnnotation))
		Expect(ourTaint(left)).NotTo(BeNil())

		install()
		for _, host := range p.hosts {
			expectLeftAsFound(host)
		}
		kubectl("delete", "daemonset", "--namespace", testbed.Namespace, "reboot-operator-helper", "--cascade=foreground")
		kubectl("delete", "-k", manifests, "--ignore-not-found")
		expectRemoved()
		Expect(manager.Kill()).To(Succeed())
	})
})

// deadlock is the type of a condition that node-problem-detector sets on a Node.
const deadlock = "KernelDeadlock"

// setCondition sets it, as node-problem-detector does.
func setCondition(node string, status corev1.ConditionStatus) {
	GinkgoHelper()
	now := metav1.Now()
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{{
		Type: deadlock, Status: status, Reason: "Test", LastHeartbeatTime: now, LastTransitionTime: now,
	}}}})
	Expect(err).NotTo(HaveOccurred())
	Expect(cluster.Client().Status().Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}},
		client.RawPatch(types.StrategicMergePatchType, patch))).To(Succeed())
}

// install installs the operator and starts a manager that elects a leader and keeps its metrics to those who may read them.
func install() {
	GinkgoHelper()
	Expect(cluster.Install(ctx)).To(Succeed())
	var err error
	manager, err = cluster.StartManager(ctx, testbed.ManagerOptions{Args: []string{"--metrics-secure=true"}})
	Expect(err).NotTo(HaveOccurred())
}

// newPoolUnderWay has one node that is being drained and one that waits. Both continue asking for a reboot.
func newPoolUnderWay(name string) *pool {
	GinkgoHelper()
	p := &pool{name: name}
	for i := range 2 {
		p.add(testbed.NodeOptions{Name: fmt.Sprintf("%s-%d", name, i+1), Zone: "a", RebootDuration: rebootDuration})
	}
	DeferCleanup(func() {
		for _, host := range p.hosts {
			Expect(host.Delete(ctx)).To(Succeed())
		}
	})
	p.applyPolicy(drainDelay(3600))
	p.hosts[0].RequireReboot()
	eventuallyPhase(p.hosts[0], v1alpha1.PhaseDraining)
	p.hosts[1].RequireReboot()
	eventuallyPhase(p.hosts[1], v1alpha1.PhasePending, v1alpha1.ReasonBudgetExhausted)
	Eventually(func(g Gomega) {
		g.Expect(getNode(g, p.hosts[0].Name()).Spec.Unschedulable).To(BeTrue())
		for _, host := range p.hosts {
			g.Expect(ourTaint(getNode(g, host.Name()))).NotTo(BeNil())
		}
	}).Should(Succeed())
	return p
}

// expectRemoved checks that no object of the installation is left.
func expectRemoved() {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		for _, kinds := range []string{
			"namespaces,customresourcedefinitions,clusterroles,clusterrolebindings",
			"validatingadmissionpolicies,validatingadmissionpolicybindings",
		} {
			left := kubectl("get", kinds, "-o", "name")
			g.Expect(left).NotTo(ContainSubstring("reboot-operator"))
		}
	}).Should(Succeed())
}

// expectMetricsOnlyForReaders asks for the metrics without a token, and with one that may read them.
func expectMetricsOnlyForReaders() {
	GinkgoHelper()
	const reader = "metrics-reader"
	_, err := cluster.Kubernetes().CoreV1().ServiceAccounts("default").Create(ctx,
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: reader}}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	token := strings.TrimSpace(kubectl("create", "token", reader))
	url := strings.Replace(manager.MetricsURL(), "http:", "https:", 1)
	Expect(statusOf(url, "")).To(Equal(http.StatusUnauthorized))
	Expect(statusOf(url, token)).To(Equal(http.StatusForbidden))
	kubectl("create", "clusterrolebinding", reader, "--clusterrole=reboot-operator-metrics-reader", "--serviceaccount=default:"+reader)
	Eventually(func() int { return statusOf(url, token) }).Should(Equal(http.StatusOK))
}

func statusOf(url, token string) int {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	doer := &http.Client{Timeout: waitLimit, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	response, err := doer.Do(request)
	Expect(err).NotTo(HaveOccurred())
	Expect(response.Body.Close()).To(Succeed())
	return response.StatusCode
}
