package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

var _ = Describe("A node with a job, a front end before a database, and a volume", func() {
	It("lets the job finish, leaves load balancers, is drained in stages, waits for its volume, and is as before in the end", func() {
		const steps = 5 // of writing and seeing what was written, from a cause to its effect
		p := newPool("drain", "a")
		host := p.hosts[0]
		Expect(cluster.Client().Patch(ctx, getNode(Default, host.Name()), client.RawPatch(types.MergePatchType,
			[]byte(`{"metadata":{"labels":{"state":"serving"}}}`)))).To(Succeed())
		for _, name := range []string{"front", "database"} {
			createApp(testbed.App{Name: name, Namespace: "drain", Replicas: 1, TerminateAfter: time.Second})
		}
		work := runJob("drain")
		volume := attachVolume(host)
		observer, lag := observe(), measureLag()
		p.applyPolicy(func(s *v1alpha1.RebootPolicySpec) {
			s.Drain.WaitForPods.Selector = selector.Of("work")
			s.Drain.Stages = selector.Stages("app=front", "app=database")
			s.Drain.VolumeDetachSeconds = ptr.To[int32](3600)
			s.Drain.ExcludeFromLoadBalancers = &v1alpha1.LoadBalancerExclusion{LeadSeconds: ptr.To[int32](2)}
			s.NodeLabels = &v1alpha1.NodeLabels{
				During: map[string]v1alpha1.LabelValue{"state": "rebooting"}, After: map[string]v1alpha1.LabelValue{"state-of-disk": "fresh"},
			}
		})
		host.RequireReboot()

		By("waiting for the job, cordoned and marked, and still behind load balancers")
		waiting := eventuallyPhase(host, v1alpha1.PhaseDraining, v1alpha1.ReasonWaitingForPods)
		Expect(waiting.Status.Message).To(ContainSubstring("1 pod may finish until"))
		Expect(waiting.Status.Message).To(ContainSubstring(work.Namespace + "/" + work.Name))
		Eventually(func(g Gomega) {
			node := getNode(g, host.Name())
			g.Expect(node.Spec.Unschedulable).To(BeTrue())
			g.Expect(node.Labels).To(And(
				HaveKeyWithValue("state", "rebooting"), Not(HaveKey(v1alpha1.ExcludeLabel)), Not(HaveKey("state-of-disk"))))
		}).Should(Succeed())

		By("leaving load balancers when it has finished")
		finishPod(work)
		eventuallyPhase(host, v1alpha1.PhaseDraining, v1alpha1.ReasonLoadBalancerLead)
		Eventually(func(g Gomega) { g.Expect(getNode(g, host.Name()).Labels).To(HaveKey(v1alpha1.ExcludeLabel)) }).Should(Succeed())

		By("waiting for the volume when it is drained, and going on as soon as that is detached")
		held := eventuallyPhase(host, v1alpha1.PhaseDraining, v1alpha1.ReasonVolumesAttached)
		Expect(held.Status.Message).To(ContainSubstring("1 volume may take until"))
		Expect(held.Status.Message).To(ContainSubstring("to be detached: pv-of-the-database."))
		Expect(host.RebootsAccepted()).To(BeZero())
		detached := time.Now()
		Expect(cluster.Client().Delete(ctx, volume)).To(Succeed())
		eventuallyProved(time.Minute, host)
		observer.Stop()

		attempt := theReboot(Default, host.Name()).Status.Attempt
		Expect(attempt.DrainOrderedTime.Sub(attempt.ExcludedTime.Time)).To(BeNumerically(">=", 2*time.Second))
		Expect(attempt.AttachedVolumes).To(BeEmpty())
		Expect(attempt.RebootOrderedTime.Sub(detached)).To(And(BeNumerically(">", 0), BeNumerically("<", lag.On(2*time.Second, steps))))
		Expect(firstEvicted(observer.Recording(), "database")).To(BeNumerically(">", firstGone(observer.Recording(), "front")),
			"the front end is gone before the database is evicted")
		expectLeftAsFound(host)
		Eventually(func(g Gomega) {
			g.Expect(getNode(g, host.Name()).Labels).To(And(
				HaveKeyWithValue("state", "serving"), Not(HaveKey(v1alpha1.ExcludeLabel)), HaveKeyWithValue("state-of-disk", "fresh")))
		}).Should(Succeed())

		By("continuing with a warning when a volume is not detached in time")
		attachVolume(host)
		changePolicy(p.name, func(s *v1alpha1.RebootPolicySpec) { s.Drain.VolumeDetachSeconds = ptr.To[int32](2) })
		again := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "again"}, Spec: v1alpha1.NodeRebootSpec{NodeName: host.Name()}}
		Expect(cluster.Client().Create(ctx, again)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(cluster.Client().Get(ctx, client.ObjectKeyFromObject(again), again)).To(Succeed())
			g.Expect(again.Status.Phase).To(Equal(v1alpha1.PhaseSucceeded), "%s: %s", again.Status.Reason, again.Status.Message)
		}).Should(Succeed())
		attempt = again.Status.Attempt
		Expect(attempt.AttachedVolumes).To(ConsistOf("pv-of-the-database"))
		Expect(attempt.DetachedTime.Sub(attempt.DrainedTime.Time)).To(And(
			BeNumerically(">=", 2*time.Second), BeNumerically("<", lag.On(4*time.Second, steps))))
		Eventually(func(g Gomega) { g.Expect(eventsOf(g, host.Name())).To(ContainElement(v1alpha1.ReasonVolumesAttached)) }).Should(Succeed())
	})
})

// runJob runs a job, and returns its pod when it is bound to a node.
func runJob(namespace string) *corev1.Pod {
	GinkgoHelper()
	createForStory(&batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "work"},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"work": "long"}},
			Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "work", Image: "work"}},
			},
		}},
	})
	var pods corev1.PodList
	Eventually(func(g Gomega) {
		g.Expect(cluster.Client().List(ctx, &pods, client.InNamespace(namespace), client.HasLabels{"work"})).To(Succeed())
		g.Expect(pods.Items).To(ConsistOf(HaveField("Status.Phase", corev1.PodRunning)))
	}).Should(Succeed())
	return &pods.Items[0]
}

// finishPod is what a kubelet says when all containers of a pod have ended well.
func finishPod(pod *corev1.Pod) {
	GinkgoHelper()
	before := pod.DeepCopy()
	pod.Status.Phase = corev1.PodSucceeded
	Expect(cluster.Client().Status().Patch(ctx, pod, client.MergeFrom(before))).To(Succeed())
}

// attachVolume makes what the controller of volumes makes; there is no storage here that could detach it.
func attachVolume(host *testbed.Host) *storagev1.VolumeAttachment {
	GinkgoHelper()
	return createForStory(&storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: "csi-of-the-database"},
		Spec: storagev1.VolumeAttachmentSpec{
			Attacher: "csi.example.com", NodeName: host.Name(),
			Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: ptr.To("pv-of-the-database")},
		},
	})
}

// firstEvicted is the version of the cluster at which the first pod of an application was evicted.
func firstEvicted(recording testbed.Recording, app string) uint64 {
	return firstVersion(recording, app, func(pod *testbed.PodRecord) bool { return pod.Evicted })
}

func firstGone(recording testbed.Recording, app string) uint64 {
	return firstVersion(recording, app, func(pod *testbed.PodRecord) bool { return pod.Gone })
}

func firstVersion(recording testbed.Recording, app string, is func(*testbed.PodRecord) bool) uint64 {
	GinkgoHelper()
	for i := range recording.Pods {
		if pod := &recording.Pods[i]; pod.App.Name == app && is(pod) {
			return pod.Version
		}
	}
	Fail("nothing of the kind was seen of " + app)
	return 0
}
