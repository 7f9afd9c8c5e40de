package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// databaseQuiesced is the condition that the reboots of these stories wait for, and that the program which quiesces databases sets.
const (
	databaseQuiesced = "example.com/database-quiesced"
	quiescer         = "quiescer"
)

var _ = Describe("Four nodes in two zones, one of them skipped, whose policy requires a canary, approvals and a hook", func() {
	It("one goes first when it is approved and its hook is done, the others follow zone by zone, and the skipped one when it may", func() {
		const soak = 10 // seconds, which is long enough to be seen
		p := newPool("order", "a", "a", "b", "b")
		canary, sameZone, otherZone, skipped := p.hosts[0], p.hosts[1], p.hosts[2], p.hosts[3]
		hook := newQuiescer()
		observer := observe()
		labelNode(skipped, v1alpha1.SkipLabel, ptr.To(""))
		p.applyPolicy(maxUnavailable(2), func(s *v1alpha1.RebootPolicySpec) {
			s.Approval = v1alpha1.Require
			s.Rollout.Canary = &v1alpha1.CanarySpec{Count: ptr.To(intstr.FromInt32(1)), SoakSeconds: ptr.To[int32](soak)}
			s.Hooks = &v1alpha1.HooksSpec{BeforeReboot: []v1alpha1.Hook{{ConditionType: databaseQuiesced, TimeoutSeconds: ptr.To[int32](60)}}}
		})
		requireAll(p.hosts)

		By("waiting for an approval, tainted, but for the skipped one")
		for _, host := range p.hosts[:3] {
			waiting := eventuallyPhase(host, v1alpha1.PhasePending, v1alpha1.ReasonAwaitingApproval)
			Expect(waiting.Status.Message).To(ContainSubstring("kubectl patch nodereboot " + waiting.Name))
			Eventually(func(g Gomega) { g.Expect(ourTaint(getNode(g, host.Name()))).NotTo(BeNil()) }).Should(Succeed())
		}
		eventuallyPhase(skipped, v1alpha1.PhasePending, v1alpha1.ReasonSkipped)

		By("draining the canary alone when it is approved, and waiting for the hook")
		approve(canary)
		hook.eventuallyPending(canary)
		approve(skipped)
		approve(sameZone)
		approve(otherZone)
		first := eventuallyPhase(sameZone, v1alpha1.PhasePending, v1alpha1.ReasonCanaryFirst)
		Expect(first.Status.Message).To(ContainSubstring(canary.Name() + " goes first"))
		eventuallyPhase(otherZone, v1alpha1.PhasePending, v1alpha1.ReasonCanaryFirst)
		hook.done(canary)

		By("watching it for a while")
		eventuallyPhase(sameZone, v1alpha1.PhasePending, v1alpha1.ReasonCanarySoaking)
		eventuallyProved(time.Minute, canary)
		Eventually(func(g Gomega) { g.Expect(canaryOf(g, p.name)).To(HaveField("Soaking", BeEquivalentTo(1))) }).Should(Succeed())

		By("letting the others follow, zone by zone although two may go at once")
		hook.eventuallyPending(sameZone)
		eventuallyPhase(otherZone, v1alpha1.PhasePending, v1alpha1.ReasonZoneBusy)
		soaked := theReboot(Default, sameZone.Name()).Status.Attempt.GrantedTime
		Expect(soaked.Sub(theReboot(Default, canary.Name()).Status.CompletionTime.Time)).To(BeNumerically(">=", soak*time.Second))
		hook.done(sameZone)
		hook.eventuallyPending(otherZone)
		hook.done(otherZone)
		eventuallyProved(time.Minute, sameZone, otherZone)

		By("leaving the skipped one alone until it may go, and never having tainted it")
		Expect(theReboot(Default, skipped.Name()).Status.Reason).To(Equal(v1alpha1.ReasonSkipped))
		for _, node := range observer.Recording().Nodes {
			Expect(node.Name == skipped.Name() && (node.Tainted || node.Cordoned)).To(BeFalse(), "the skipped node was tainted or cordoned")
		}
		labelNode(skipped, v1alpha1.SkipLabel, nil)
		hook.eventuallyPending(skipped)
		Expect(ourTaint(getNode(Default, skipped.Name()))).NotTo(BeNil())
		hook.done(skipped)
		eventuallyProved(time.Minute, skipped)
		Expect(observer.Summary().ZonesUnderWay.Count).To(Equal(1))
	})
})

var _ = Describe("A host that cannot be rebooted, and one that can", func() {
	It("the one that cannot says so, is not drained and holds up nobody, and goes when nothing is in the way anymore", func() {
		const obstacle = "logind is masked on the simulated host"
		p := newPool("obstacle")
		// The obstacle is there before the helper looks for the first time, which it does every 10 seconds.
		unable := p.add(testbed.NodeOptions{Name: "obstacle-a1", Zone: "a", RebootDuration: rebootDuration, WithoutHelper: true})
		able := p.add(testbed.NodeOptions{Name: "obstacle-a2", Zone: "a", RebootDuration: rebootDuration})
		unable.SetObstacle(obstacle)
		unable.StartHelper()
		observer := observe()
		p.applyPolicy()
		requireAll(p.hosts)
		waiting := eventuallyPhase(unable, v1alpha1.PhasePending, v1alpha1.ReasonHostCannotReboot)
		Expect(waiting.Status.Message).To(ContainSubstring(obstacle))
		eventuallyProved(time.Minute, able)

		Expect(theReboot(Default, unable.Name()).Status).To(And(
			HaveField("Reason", v1alpha1.ReasonHostCannotReboot), HaveField("Attempt", BeNil())))
		for _, node := range observer.Recording().Nodes {
			Expect(node.Name == unable.Name() && node.Cordoned).To(BeFalse(), "a node was cordoned in vain")
		}
		unable.SetObstacle("")
		gone := time.Now()
		eventuallyProved(time.Minute, unable)
		Expect(theReboot(Default, unable.Name()).Status.Attempt.GrantedTime.Time).To(BeTemporally(">", gone))
	})
})

// approve does what the message of a NodeReboot that waits for it says. The manager fills in who does.
func approve(host *testbed.Host) {
	GinkgoHelper()
	user := kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
	kubectl("patch", "nodereboot", theReboot(Default, host.Name()).Name, "--type=merge", "-p", `{"spec":{"approval":"Given"}}`)
	Eventually(func(g Gomega) { g.Expect(theReboot(g, host.Name()).Status.ApprovedBy).To(Equal(user)) }).Should(Succeed())
}

// labelNode sets a label of a node, or removes it.
func labelNode(host *testbed.Host, key string, value *string) {
	GinkgoHelper()
	node := getNode(Default, host.Name())
	before := node.DeepCopy()
	if delete(node.Labels, key); value != nil {
		node.Labels[key] = *value
	}
	Expect(cluster.Client().Patch(ctx, node, client.MergeFrom(before))).To(Succeed())
}

func canaryOf(g Gomega, policyName string) *v1alpha1.CanaryStatus {
	GinkgoHelper()
	var policy v1alpha1.RebootPolicy
	g.Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: policyName}, &policy)).To(Succeed())
	g.Expect(policy.Status.Canary).NotTo(BeNil())
	return policy.Status.Canary
}

// hookProgram is someone else who may do what hooks wait for, and nothing else.
type hookProgram struct{ client client.Client }

func newQuiescer() *hookProgram {
	GinkgoHelper()
	createForStory(&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: quiescer},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "reboot-operator-hook"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: quiescer}},
	})
	config := cluster.Config()
	config.Impersonate.UserName = quiescer
	own, err := client.New(config, client.Options{Scheme: cluster.Client().Scheme()})
	Expect(err).NotTo(HaveOccurred())
	return &hookProgram{own}
}

// eventuallyPending waits until the drained host waits for the hook, and has not been ordered to reboot.
func (h *hookProgram) eventuallyPending(host *testbed.Host) {
	GinkgoHelper()
	waiting := eventuallyPhase(host, v1alpha1.PhaseDraining, v1alpha1.ReasonHookPending)
	Expect(waiting.Status.PendingHooks).To(ConsistOf(databaseQuiesced))
	Expect(waiting.Status.Attempt.DrainedTime).NotTo(BeNil())
	Expect(host.RebootsAccepted()).To(BeZero())
}

// done sets the condition that the host's NodeReboot waits for.
func (h *hookProgram) done(host *testbed.Host) {
	GinkgoHelper()
	reboot := theReboot(Default, host.Name())
	before := reboot.DeepCopy()
	meta.SetStatusCondition(&reboot.Status.Conditions, metav1.Condition{
		Type: databaseQuiesced, Status: metav1.ConditionTrue, Reason: "Quiesced", Message: "No transaction is open.",
	})
	Expect(h.client.Status().Patch(ctx, reboot, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))).To(Succeed())
}
