package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

// gateWait is how long it may take until an object that changed is seen: it is looked at every 15 seconds.
const gateWait = 40*time.Second + waitLimit

var _ = Describe("A node that runs a build, a free one, and an object that has to be well", func() {
	It("the free one goes first, its slot is freed and the other one goes when the object is well and the build is over", func() {
		p := newPool("gates", "a", "a")
		busy, free := p.hosts[0], p.hosts[1]
		health := createForStory(&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "health"}, Data: map[string]string{"health": "Green"},
		})
		build := createForStory(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "build", Labels: map[string]string{"job": "build"}},
			Spec:       corev1.PodSpec{NodeName: busy.Name(), Containers: []corev1.Container{{Name: "build", Image: "build"}}},
		})
		healthy := v1alpha1.ObjectGate{
			Name: "health", APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", ObjectName: "health",
			Expression: "object.data.health == 'Green'",
		}
		p.applyPolicy(func(s *v1alpha1.RebootPolicySpec) {
			s.Gates.Pods = []v1alpha1.PodGate{{Name: "builds", Selector: selector.Of("job=build")}}
			s.Gates.Objects = []v1alpha1.ObjectGate{healthy}
			s.Recovery.Objects = []v1alpha1.ObjectGate{healthy}
		})
		requireAll(p.hosts)

		By("saying which right the manager lacks to look at the object")
		blocked := eventuallyPhase(busy, v1alpha1.PhasePending, v1alpha1.ReasonBlockedByPod)
		Expect(blocked.Status.Message).To(ContainSubstring("Pod default/build runs on node " + busy.Name()))
		reboot := eventuallyPhase(free, v1alpha1.PhasePending, v1alpha1.ReasonGateError)
		Expect(reboot.Status.Message).To(And(ContainSubstring("may not list configmaps"), ContainSubstring("aggregate-to-manager")))
		createForStory(&rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{
				Name: "gates-read-configmaps", Labels: map[string]string{"reboot-operator.io/aggregate-to-manager": "true"},
			},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"}}},
		})

		By("starting the free node, and holding its slot while the object is ill")
		Eventually(func(g Gomega) {
			g.Expect(theReboot(g, free.Name()).Status.Phase).To(Equal(v1alpha1.PhaseDraining))
		}).WithTimeout(gateWait).Should(Succeed())
		setHealth(health, "Red")
		Eventually(func(g Gomega) {
			g.Expect(theReboot(g, free.Name()).Status.Reason).To(Equal(v1alpha1.ReasonRecoveryGateFailing))
		}).WithTimeout(gateWait).Should(Succeed())
		setHealth(health, "Green")
		eventuallyProved(gateWait, free)
		Expect(busy.RebootsAccepted()).To(BeZero())

		By("starting the other one when its build is over and the object is well")
		eventuallyPhase(busy, v1alpha1.PhasePending, v1alpha1.ReasonBlockedByPod)
		setHealth(health, "Red")
		Expect(cluster.Client().Delete(ctx, build, client.GracePeriodSeconds(0))).To(Succeed())
		Eventually(func(g Gomega) {
			reboot := theReboot(g, busy.Name())
			g.Expect(reboot.Status.Reason).To(Equal(v1alpha1.ReasonBlockedByObject))
			g.Expect(reboot.Status.Message).To(ContainSubstring("ConfigMap default/health"))
		}).WithTimeout(gateWait).Should(Succeed())
		setHealth(health, "Green")
		eventuallyProved(2*gateWait, busy)
	})
})

// createForStory creates an object that is gone when the story ends.
func createForStory[T client.Object](object T) T {
	GinkgoHelper()
	Expect(cluster.Client().Create(ctx, object)).To(Succeed())
	DeferCleanup(func() {
		err := cluster.Client().Delete(ctx, object, client.GracePeriodSeconds(0))
		Expect(client.IgnoreNotFound(err)).To(Succeed())
	})
	return object
}

func setHealth(health *corev1.ConfigMap, value string) {
	GinkgoHelper()
	health.Data["health"] = value
	Expect(cluster.Client().Update(ctx, health)).To(Succeed())
}
