package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// The managers are processes that run as pods of the hosts and die with them, so these stories have a cluster of their own.
var _ = Describe("A small cluster, on whose nodes the manager runs", Ordered, func() {
	var first, second *testbed.Host
	app := testbed.App{Name: "web", Namespace: "small", Replicas: 2, ReadyAfter: time.Second}

	BeforeAll(func() {
		shared := cluster
		DeferCleanup(func() { cluster = shared })
		var err error
		cluster, err = testbed.Start(ctx, testbed.Options{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(own *testbed.Cluster) { Expect(own.Stop()).To(Succeed()) }, cluster)
		first = addSmallHost("first")
		Expect(cluster.InstallWithManagers(ctx)).To(Succeed())
		eventuallyManagers(2)
		sample, err := os.ReadFile(filepath.Join("..", "..", "config", "samples", "rebootpolicy.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Apply(ctx, sample)).To(Succeed())
		changePolicy("linux", func(s *v1alpha1.RebootPolicySpec) { // so that the stories are short
			s.Rollout.Zones.SoakSeconds, s.Rollout.MinIntervalSeconds = ptr.To[int32](0), ptr.To[int32](0)
			s.Recovery.SettleSeconds = ptr.To[int32](1)
		})
		Expect(cluster.CreateApp(ctx, app)).To(Succeed())
		Expect(cluster.WaitReady(ctx, app)).To(Succeed())
	})

	AfterEach(func() {
		if CurrentSpecReport().Failed() {
			AddReportEntry("managers", managerLogs())
		}
	})

	It("of one node is rebooted with it", func() {
		first.RequireReboot()
		Expect(eventuallyRebooted(first, 1).Status.Attempt.Manager).To(Equal(v1alpha1.ManagerStays))
		expectSmallClusterAsFound(app, first)
	})

	It("of one node is rebooted with it, even if its kubelet ends every pod", func() {
		first.SetGracefulShutdown(true)
		first.RequireReboot()
		Expect(eventuallyRebooted(first, 2).Status.Attempt.Manager).To(Equal(v1alpha1.ManagerStays))
		expectSmallClusterAsFound(app, first)
	})

	It("of one node says how to reboot it if its pods may not be evicted", func() {
		guarded := testbed.App{Name: "db", Namespace: "small", Replicas: 2, MinAvailable: ptr.To(1)}
		Expect(cluster.CreateApp(ctx, guarded)).To(Succeed())
		Expect(cluster.WaitReady(ctx, guarded)).To(Succeed())
		first.RequireReboot()
		Eventually(func(g Gomega) {
			status := lastReboot(g, first).Status
			g.Expect(status.Reason).To(Equal(v1alpha1.ReasonDrainImpossible), status.Message)
			g.Expect(status.Message).To(And(ContainSubstring("PodDisruptionBudget small/db"), ContainSubstring(
				"to reboot node first with its pods, write drain.mode: Skip in RebootPolicy linux")))
		}).Should(Succeed())
		Expect(getNode(Default, first.Name()).Spec.Unschedulable).To(BeFalse())
		changePolicy("linux", func(s *v1alpha1.RebootPolicySpec) {
			s.Drain.Mode, s.Drain.TimeoutSeconds = v1alpha1.DrainModeSkip, ptr.To[int32](600)
		})
		eventuallyRebooted(first, 3)
		changePolicy("linux", func(s *v1alpha1.RebootPolicySpec) { s.Drain.Mode = v1alpha1.DrainModeDrain })
		expectSmallClusterAsFound(app, first)
		kubectl("delete", "--namespace=small", "deployment/db", "poddisruptionbudget/db")
	})

	It("of two nodes reboots one after the other, wherever the manager is", func() {
		second = addSmallHost("second")
		changePolicy("linux", maxUnavailable(1))
		observer := observe()
		first.RequireReboot()
		second.RequireReboot()
		eventuallyRebooted(first, 4)
		eventuallyRebooted(second, 1)
		observer.Stop()
		Expect(observer.Summary().Down.Count).To(Equal(1), "nodes down at once")
		expectSmallClusterAsFound(app, first, second)
	})

	It("of two nodes that may go together comes back, too", func() {
		second.SetGracefulShutdown(true)
		changePolicy("linux", maxUnavailable(2))
		first.RequireReboot()
		second.RequireReboot()
		eventuallyRebooted(first, 5)
		eventuallyRebooted(second, 2)
		expectSmallClusterAsFound(app, first, second)
	})
})

func addSmallHost(name string) *testbed.Host {
	GinkgoHelper()
	host, err := cluster.AddNode(ctx, testbed.NodeOptions{Name: name, RebootDuration: rebootDuration})
	Expect(err).NotTo(HaveOccurred())
	return host
}

// eventuallyManagers waits until so many managers are Ready.
func eventuallyManagers(n int) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		ready := 0
		for _, host := range cluster.Hosts() {
			ready += len(host.ManagersOn())
		}
		g.Expect(ready).To(Equal(n))
	}).Should(Succeed())
}

func lastReboot(g Gomega, host *testbed.Host) *v1alpha1.NodeReboot {
	GinkgoHelper()
	all := rebootsOf(g, host.Name())
	g.Expect(all).NotTo(BeEmpty())
	return &all[len(all)-1]
}

// eventuallyRebooted waits until the host was rebooted so many times, and the last one is proved.
func eventuallyRebooted(host *testbed.Host, times int) *v1alpha1.NodeReboot {
	GinkgoHelper()
	var last *v1alpha1.NodeReboot
	Eventually(func(g Gomega) {
		last = lastReboot(g, host)
		g.Expect(host.RebootsAccepted()).To(Equal(times))
		g.Expect(last.Status.Phase).To(Equal(v1alpha1.PhaseSucceeded), "%s: %s", last.Status.Reason, last.Status.Message)
	}).WithTimeout(2 * waitLimit).Should(Succeed())
	expectProved(host, last)
	Expect(last.Status.Failures).To(BeNil())
	return last
}

// expectSmallClusterAsFound checks that nothing of a reboot is left, and that everything runs again.
func expectSmallClusterAsFound(app testbed.App, hosts ...*testbed.Host) {
	GinkgoHelper()
	for _, host := range hosts {
		expectLeftAsFound(host)
		Eventually(func(g Gomega) { g.Expect(getNode(g, host.Name()).Spec.Taints).To(BeEmpty()) }).Should(Succeed())
	}
	Expect(cluster.WaitReady(ctx, app)).To(Succeed())
	eventuallyManagers(2)
}

// managerLogs is the end of what each manager wrote, and where its pods are.
func managerLogs() string {
	var pods corev1.PodList
	text := ""
	if err := cluster.Client().List(ctx, &pods, client.InNamespace(testbed.Namespace)); err == nil {
		for i := range pods.Items {
			text += fmt.Sprintf("%s on %q: %s\n", pods.Items[i].Name, pods.Items[i].Spec.NodeName, pods.Items[i].Status.Phase)
		}
	}
	logs, _ := filepath.Glob(filepath.Join(cluster.WorkDir(), "manager-*.log"))
	for _, path := range logs {
		if log, err := os.ReadFile(path); err == nil {
			text += path + "\n" + string(log[max(0, len(log)-3000):])
		}
	}
	return text
}
