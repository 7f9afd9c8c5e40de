package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const poolLabel = "pool"

// rebootDuration is how long a host of these stories is down.
const rebootDuration = 2 * time.Second

// pool is the nodes of one story. They are all there is besides the control plane, and they are gone when the story ends.
type pool struct {
	name  string
	hosts []*testbed.Host
}

// newPool adds nodes to a pool of their own, one for each zone that is named; a zone may be named several times.
func newPool(name string, zones ...string) *pool {
	GinkgoHelper()
	p := &pool{name: name}
	DeferCleanup(p.remove)
	for i, zone := range zones {
		p.add(testbed.NodeOptions{Name: fmt.Sprintf("%s-%s%d", name, zone, i+1), Zone: zone, RebootDuration: rebootDuration})
	}
	return p
}

func (p *pool) add(options testbed.NodeOptions) *testbed.Host {
	GinkgoHelper()
	options.Labels = map[string]string{poolLabel: p.name}
	host, err := cluster.AddNode(ctx, options)
	Expect(err).NotTo(HaveOccurred())
	p.hosts = append(p.hosts, host)
	return host
}

func (p *pool) remove() {
	GinkgoHelper()
	Expect(cluster.Client().DeleteAllOf(ctx, &v1alpha1.RebootPolicy{})).To(Succeed())
	for _, host := range p.hosts {
		Expect(host.Delete(ctx)).To(Succeed())
	}
	Expect(cluster.Client().DeleteAllOf(ctx, &v1alpha1.NodeReboot{})).To(Succeed())
	Eventually(func(g Gomega) {
		var list v1alpha1.NodeRebootList
		g.Expect(cluster.Client().List(ctx, &list)).To(Succeed())
		g.Expect(list.Items).To(BeEmpty(), "NodeReboots of a story that ended")
	}).Should(Succeed())
}

// policyOption changes a policy before it is created.
type policyOption func(*v1alpha1.RebootPolicySpec)

func maxUnavailable(n int) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(n)) }
}

func mode(m v1alpha1.Mode) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Mode = m }
}

func drainTimeout(seconds int32) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Drain.TimeoutSeconds = &seconds }
}

func drainDelay(seconds int32) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Drain.DelaySeconds = &seconds }
}

func rebootTimeout(seconds int32) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Reboot.TimeoutSeconds = &seconds }
}

func backoff(seconds int32) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Failure.BackoffSeconds = &seconds }
}

func zoneOrder(zones ...string) policyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.Order = zones }
}

// applyPolicy creates a policy for the pool, of the pool's name.
func (p *pool) applyPolicy(options ...policyOption) *v1alpha1.RebootPolicy {
	GinkgoHelper()
	return createPolicy(p.name, p.name, options...)
}

func createPolicy(name, pool string, options ...policyOption) *v1alpha1.RebootPolicy {
	GinkgoHelper()
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	policy.Spec.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{poolLabel: v1alpha1.LabelValue(pool)}}
	policy.Spec.Rollout.MinIntervalSeconds = ptr.To[int32](0)
	for _, option := range options {
		option(&policy.Spec)
	}
	Expect(cluster.Client().Create(ctx, policy)).To(Succeed())
	return policy
}

// changePolicy changes a policy's spec.
func changePolicy(name string, options ...policyOption) {
	GinkgoHelper()
	var policy v1alpha1.RebootPolicy
	Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: name}, &policy)).To(Succeed())
	before := policy.DeepCopy()
	for _, option := range options {
		option(&policy.Spec)
	}
	Expect(cluster.Client().Patch(ctx, &policy, client.MergeFrom(before))).To(Succeed())
}

func getNode(g Gomega, name string) *corev1.Node {
	GinkgoHelper()
	var node corev1.Node
	g.Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: name}, &node)).To(Succeed())
	return &node
}

// ourTaint is the node's reboot-required taint; nil if it has none.
func ourTaint(node *corev1.Node) *corev1.Taint {
	for i := range node.Spec.Taints {
		if node.Spec.Taints[i].Key == v1alpha1.TaintKey {
			return &node.Spec.Taints[i]
		}
	}
	return nil
}

// rebootsOf lists the NodeReboots of a node, oldest first; the API server filters by the selectable field.
func rebootsOf(g Gomega, node string) []v1alpha1.NodeReboot {
	GinkgoHelper()
	var list v1alpha1.NodeRebootList
	g.Expect(cluster.Client().List(ctx, &list, client.MatchingFields{"spec.nodeName": node})).To(Succeed())
	slices.SortFunc(list.Items, func(a, b v1alpha1.NodeReboot) int {
		if byTime := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); byTime != 0 {
			return byTime
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list.Items
}

// theReboot is the only NodeReboot of a node.
func theReboot(g Gomega, node string) *v1alpha1.NodeReboot {
	GinkgoHelper()
	all := rebootsOf(g, node)
	g.Expect(all).To(HaveLen(1), "NodeReboots of "+node)
	return &all[0]
}

// eventuallyPhase waits until the only NodeReboot of the host has the phase, and returns it.
func eventuallyPhase(host *testbed.Host, phase v1alpha1.Phase, reason ...string) *v1alpha1.NodeReboot {
	GinkgoHelper()
	var found *v1alpha1.NodeReboot
	Eventually(func(g Gomega) {
		found = theReboot(g, host.Name())
		g.Expect(found.Status.Phase).To(Equal(phase), "reason %s: %s", found.Status.Reason, found.Status.Message)
		if len(reason) > 0 {
			g.Expect(found.Status.Reason).To(BeElementOf(reason), found.Status.Message)
		}
	}).Should(Succeed())
	return found
}

// expectLeftAsFound checks that nothing of a reboot is left on the node.
func expectLeftAsFound(host *testbed.Host) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		node := getNode(g, host.Name())
		g.Expect(node.Spec.Unschedulable).To(BeFalse(), "cordon")
		g.Expect(ourTaint(node)).To(BeNil(), "taint")
		g.Expect(node.Annotations).NotTo(HaveKey(v1alpha1.CordonAnnotation))
		for _, condition := range node.Status.Conditions {
			g.Expect(condition.Type).NotTo(BeElementOf(
				corev1.NodeConditionType("MaintenancePlanned"), corev1.NodeConditionType("DrainInProgress"),
				corev1.NodeConditionType("Drained"), corev1.NodeConditionType("MaintenanceInProgress")))
		}
	}).Should(Succeed())
}

// expectProved checks the proof of a reboot that succeeded.
func expectProved(host *testbed.Host, reboot *v1alpha1.NodeReboot) {
	GinkgoHelper()
	s := reboot.Status
	Expect(s.Reason).To(Equal(v1alpha1.ReasonProved), s.Message)
	Expect(s.Before).NotTo(BeNil())
	Expect(s.After).NotTo(BeNil())
	Expect(s.After.BootID).NotTo(Equal(s.Before.BootID))
	Expect(s.After.KernelVersion).NotTo(Equal(s.Before.KernelVersion))
	bootID, err := host.BootID()
	Expect(err).NotTo(HaveOccurred())
	Expect(s.After.BootID).To(Equal(bootID), "the boot that the host runs")
	Expect(s.Report.Sentinel).To(Equal(v1alpha1.SentinelNotRequired))
}

// eventsOf are the reasons of the events about an object.
func eventsOf(g Gomega, name string) []string {
	GinkgoHelper()
	var list corev1.EventList
	g.Expect(cluster.Client().List(ctx, &list)).To(Succeed())
	var reasons []string
	for _, event := range list.Items {
		if event.InvolvedObject.Name == name {
			reasons = append(reasons, event.Reason)
		}
	}
	return reasons
}
