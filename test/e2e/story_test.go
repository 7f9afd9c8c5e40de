package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// observe records what happens from now on until the story ends.
func observe() *testbed.Observer {
	GinkgoHelper()
	observer, err := cluster.Observe(ctx)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(observer.Stop)
	return observer
}

func requireAll(hosts []*testbed.Host) {
	for _, host := range hosts {
		host.RequireReboot()
	}
}

// measureLag measures how slow the cluster is until the story ends.
func measureLag() *testbed.Lag {
	GinkgoHelper()
	lag, err := cluster.MeasureLag(ctx)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(lag.Stop)
	return lag
}

// eventuallyProved waits until every host was rebooted, once, and that was proved. within is how long that takes on a machine that has
// nothing else to do.
func eventuallyProved(within time.Duration, hosts ...*testbed.Host) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		for _, host := range hosts {
			reboot := theReboot(g, host.Name())
			g.Expect(reboot.Status.Phase).To(Equal(v1alpha1.PhaseSucceeded), "%s: %s: %s", host.Name(), reboot.Status.Reason, reboot.Status.Message)
		}
	}).WithTimeout(within + waitLimit).Should(Succeed())
	for _, host := range hosts {
		expectProved(host, theReboot(Default, host.Name()))
		Expect(host.RebootsAccepted()).To(Equal(1), "reboots of "+host.Name())
	}
}

// readyWhenDrainsBegan is how many pods of the application were ready when each drain was ordered, in the order of the drains.
func readyWhenDrainsBegan(recording testbed.Recording, app string) []int {
	ready := map[types.UID]bool{}
	ordered := map[string]bool{}
	var counts []int
	pods := recording.Pods
	for _, reboot := range recording.Reboots {
		if ordered[reboot.Name] || reboot.Status.Attempt == nil || reboot.Status.Attempt.DrainOrderedTime == nil {
			continue
		}
		ordered[reboot.Name] = true
		for len(pods) > 0 && pods[0].Version < reboot.Version {
			if pods[0].App.Name == app {
				ready[pods[0].UID] = pods[0].Ready && !pods[0].Gone
			}
			pods = pods[1:]
		}
		count := 0
		for _, isReady := range ready {
			if isReady {
				count++
			}
		}
		counts = append(counts, count)
	}
	return counts
}

// terminations are how long the evicted pods of an application took to end, by the node that they were on.
func terminations(recording testbed.Recording, app string) map[string]time.Duration {
	began := map[types.UID]time.Time{}
	took := map[string]time.Duration{}
	for _, pod := range recording.Pods {
		if pod.App.Name != app || !pod.Evicted {
			continue
		}
		if _, known := began[pod.UID]; !known {
			began[pod.UID] = pod.At
		}
		if pod.Gone {
			took[pod.Node] = pod.At.Sub(began[pod.UID])
		}
	}
	return took
}

var _ = Describe("Four nodes in three zones, and an application of four replicas that is slow to be ready", func() {
	const (
		readyAfter = 24 * time.Second
		// stepsOfAReboot of writing and seeing what was written follow each other while a node has its turn.
		stepsOfAReboot = 10
	)

	It("never has fewer than three ready replicas, no node starts before four are ready again, and hardly any time is lost", func() {
		p := newPool("aks", "a", "a", "b", "c")
		app := testbed.App{
			Name: "checkout", Namespace: "aks", Replicas: 4, AntiAffinity: true, ReadyAfter: readyAfter, TerminateAfter: 2 * time.Second,
		}
		createApp(app)
		observer, lag := observe(), measureLag()
		p.applyPolicy()
		requireAll(p.hosts)
		eventuallyProved(4*time.Minute, p.hosts...)
		observer.Stop()

		recording := observer.Recording()
		summary := testbed.Summarize(recording)
		application := appSummary(summary, app.Name)
		Expect(application.LeastReady).To(Equal(3))
		Expect(application.Ready).To(Equal(4))
		Expect(readyWhenDrainsBegan(recording, app.Name)).To(Equal([]int{4, 4, 4, 4}))
		Expect(summary.ZonesUnderWay.Count).To(Equal(1))

		var alone time.Duration
		took := terminations(recording, app.Name)
		for _, reboot := range summary.Reboots {
			Expect(took).To(HaveKey(reboot.Node))
			Expect(reboot.Downtime).NotTo(BeNil())
			alone += took[reboot.Node] + *reboot.Downtime + readyAfter
		}
		ratio := summary.Makespan.Seconds() / alone.Seconds()
		limit := lag.OnAverage(alone*105/100, len(p.hosts)*stepsOfAReboot)
		AddReportEntry("makespan", fmt.Sprintf("%s; the nodes need %s by themselves: %.3f times that", summary.Makespan, alone, ratio))
		GinkgoWriter.Printf("makespan %s, by themselves %s, ratio %.3f, limit %s\n", summary.Makespan, alone, ratio, limit)
		Expect(summary.Makespan).To(BeNumerically("<=", limit))
	})

	It("keeps a delay that the policy asks for", func() {
		p := newPool("delay", "a", "b")
		createApp(testbed.App{Name: "checkout", Namespace: "delay", Replicas: 2, AntiAffinity: true, ReadyAfter: 4 * time.Second})
		p.applyPolicy(drainDelay(3))
		requireAll(p.hosts)
		eventuallyProved(time.Minute, p.hosts...)
		for _, host := range p.hosts {
			attempt := theReboot(Default, host.Name()).Status.Attempt
			Expect(attempt.DrainOrderedTime.Sub(attempt.CordonedTime.Time)).To(BeNumerically(">=", 3*time.Second))
		}
	})
})

func appSummary(summary testbed.Summary, name string) testbed.AppSummary {
	GinkgoHelper()
	i := slices.IndexFunc(summary.Apps, func(a testbed.AppSummary) bool { return a.App.Name == name })
	Expect(i).To(BeNumerically(">=", 0), "application "+name)
	return summary.Apps[i]
}

var _ = Describe("A node whose reboot is required", func() {
	It("is tainted within a second, whatever blocks it, and only its own taint is ever touched", func() {
		p := newPool("tainted", "a", "a", "b")
		busy, sameZone, otherZone := p.hosts[0], p.hosts[1], p.hosts[2]
		foreign := corev1.Taint{Key: "example.com/dedicated", Value: "gpu", Effect: corev1.TaintEffectPreferNoSchedule}
		addTaint(otherZone, foreign)
		observer, lag := observe(), measureLag()
		p.applyPolicy(mode(v1alpha1.ModePaused), drainDelay(3600))
		Eventually(func(g Gomega) { // or it would be measured how long the manager takes to start
			g.Expect(conditionOf(g, p.name, v1alpha1.ConditionReady)).NotTo(BeEmpty())
		}).Should(Succeed())

		By("while the policy is paused")
		busy.RequireReboot()
		eventuallyPhase(busy, v1alpha1.PhasePending, v1alpha1.ReasonPaused)
		By("while the budget is used up")
		changePolicy(p.name, mode(v1alpha1.ModeEnforce))
		eventuallyPhase(busy, v1alpha1.PhaseDraining, v1alpha1.ReasonDrainDelayed)
		sameZone.RequireReboot()
		eventuallyPhase(sameZone, v1alpha1.PhasePending, v1alpha1.ReasonBudgetExhausted)
		By("while another zone has its turn")
		otherZone.RequireReboot()
		eventuallyPhase(otherZone, v1alpha1.PhasePending, v1alpha1.ReasonZoneBusy)
		Eventually(func(g Gomega) {
			for _, host := range p.hosts {
				g.Expect(ourTaint(getNode(g, host.Name()))).To(HaveValue(HaveField("Effect", corev1.TaintEffectPreferNoSchedule)))
			}
		}).Should(Succeed())
		const steps = 5 // of writing and seeing what was written
		for _, reboot := range observer.Summary().Reboots {
			Expect(reboot.SentinelToTaint).To(HaveValue(BeNumerically("<", lag.On(time.Second, steps))), reboot.Node)
		}

		By("going with its sentinel")
		otherZone.WithdrawReboot()
		eventuallyPhase(otherZone, v1alpha1.PhaseCancelled, v1alpha1.ReasonNeedWithdrawn)
		expectLeftAsFound(otherZone)
		Expect(getNode(Default, otherZone.Name()).Spec.Taints).To(ConsistOf(foreign))

		By("measuring the lead")
		sameZone.WithdrawReboot()
		changePolicy(p.name, drainDelay(0))
		reboot := eventuallyPhase(busy, v1alpha1.PhaseSucceeded)
		Expect(reboot.Status.TaintedTime).NotTo(BeNil())
		lead := reboot.Status.Attempt.DrainOrderedTime.Sub(reboot.Status.TaintedTime.Time)
		Expect(reboot.Status.TaintLeadSeconds).To(HaveValue(BeEquivalentTo(lead / time.Second)))
		Eventually(metrics).Should(MatchRegexp(`reboot_operator_taint_lead_seconds_count\{policy="tainted"\} 1\b`))
	})
})

func addTaint(host *testbed.Host, taint corev1.Taint) {
	GinkgoHelper()
	Eventually(func() error {
		node := getNode(Default, host.Name())
		before := node.DeepCopy()
		node.Spec.Taints = append(node.Spec.Taints, taint)
		return cluster.Client().Patch(ctx, node, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}).Should(Succeed())
}

// metrics is what the manager exports.
func metrics() string {
	GinkgoHelper()
	limited, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodGet, manager.MetricsURL(), nil)
	Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(response.Body.Close()).To(Succeed()) }()
	Expect(response.StatusCode).To(Equal(http.StatusOK))
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return string(body)
}
