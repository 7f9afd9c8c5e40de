package controllers

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/serverclock"
)

var _ = Describe("The operator", func() {
	deadlock := func(ctx context.Context, status corev1.ConditionStatus) {
		patchNodeStatus(ctx, "n1", func(n *corev1.Node) {
			n.Status.Conditions = append(n.Status.Conditions[:1], corev1.NodeCondition{
				Type: "KernelDeadlock", Status: status, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour)),
			})
		})
	}

	It("makes a NodeReboot for a condition of a Node, once, and cancels it when the condition goes", func(ctx context.Context) {
		seen := startOperator(Options{}, ClientOptions())
		policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		policy.Spec.Mode, policy.Spec.Nodes = v1alpha1.ModePaused, v1alpha1.NodesAll
		policy.Spec.Triggers = &v1alpha1.TriggersSpec{
			NodeConditions: []v1alpha1.NodeConditionTrigger{{Type: "KernelDeadlock", MinSeconds: ptr.To[int32](1)}},
		}
		Expect(k8s.Create(ctx, policy)).To(Succeed())
		createNode(ctx, "n1")
		atRest(seen)
		deadlock(ctx, corev1.ConditionTrue)

		name := v1alpha1.NodeConditionRebootName("n1", "boot-1", "KernelDeadlock")
		Eventually(func() error { return k8s.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.NodeReboot{}) }).Should(Succeed())
		Eventually(rebootNamed(ctx, name)).Should(HaveField("Status.Reason", v1alpha1.ReasonPaused))
		Expect(rebootNamed(ctx, name)().Spec).To(SatisfyAll(
			HaveField("Trigger", v1alpha1.TriggerNodeCondition), HaveField("ConditionType", "KernelDeadlock"),
		))
		atRest(seen)
		var reboots v1alpha1.NodeRebootList
		Expect(k8s.List(ctx, &reboots)).To(Succeed())
		Expect(reboots.Items).To(HaveLen(1))

		deadlock(ctx, corev1.ConditionFalse)
		Eventually(rebootNamed(ctx, name)).Should(HaveField("Status.Reason", v1alpha1.ReasonNeedWithdrawn))
	})

	It("writes the API server's time, although the clock of its machine is three hours ahead", func(ctx context.Context) {
		ahead := func() time.Time { return time.Now().Add(3 * time.Hour) }
		startOperator(Options{Clock: serverclock.New(clock.RealClock{}, ahead)}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModeEnforce)
		createNode(ctx, "n1")
		createHelper(ctx, "n1")
		createReboot(ctx, "r1", "n1")
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", Not(BeNil())))
		reboot := rebootNamed(ctx, "r1")()
		Expect(reboot.Status.Attempt.GrantedTime.Time).To(BeTemporally("~", reboot.CreationTimestamp.Time, time.Minute))
		Expect(reboot.Status.Order.Deadline.Time).To(BeTemporally("<", reboot.CreationTimestamp.Add(2*time.Hour)))
	})

	It("leaves a node alone while someone holds the Lease of its maintenance", func(ctx context.Context) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: maintenanceLeases}}
		Expect(client.IgnoreAlreadyExists(k8s.Create(ctx, namespace))).To(Succeed())
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: maintenanceLeases, Name: "node-n1"}}
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = ptr.To("nmo"), ptr.To[int32](3600)
		lease.Spec.RenewTime = ptr.To(metav1.NowMicro())
		Expect(k8s.Create(ctx, lease)).To(Succeed())
		startOperator(Options{MaintenanceLeaseNamespaces: []string{maintenanceLeases}}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModeEnforce)
		createNode(ctx, "n1")
		createHelper(ctx, "n1")
		createReboot(ctx, "r1", "n1")
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.Reason", v1alpha1.ReasonForeignMaintenance),
			HaveField("Status.Message", ContainSubstring("Lease medik8s-leases/node-n1 is held by nmo")),
		))
		Expect(k8s.Delete(ctx, lease)).To(Succeed())
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
	})

	It("reboots the node that it runs on after the others", func(ctx context.Context) {
		startOperator(Options{NodeName: "n1"}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModePaused)
		for _, node := range []string{"n1", "n2"} {
			createNode(ctx, node)
			createHelper(ctx, node)
			createReboot(ctx, "r-"+node, node)
			Eventually(rebootNamed(ctx, "r-"+node)).Should(HaveField("Status.Reason", v1alpha1.ReasonPaused))
		}
		policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		Expect(k8s.Patch(ctx, policy, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"mode":"Enforce"}}`)))).To(Succeed())
		Eventually(rebootNamed(ctx, "r-n2")).Should(HaveField("Status.Phase", v1alpha1.PhaseDraining))
		Eventually(rebootNamed(ctx, "r-n1")).Should(HaveField("Status.Reason", v1alpha1.ReasonBudgetExhausted))
	})
})
