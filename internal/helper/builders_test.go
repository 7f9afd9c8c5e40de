package helper

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

const (
	testNode  = "n1"
	bootA     = "boot-a"
	bootB     = "boot-b"
	bootEarly = "boot-of-long-ago"
)

var (
	testNow  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bootedAt = metav1.NewMicroTime(testNow.Add(-time.Hour))
	methods  = []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}}
	needName = v1alpha1.SentinelRebootName(testNode, bootA)
)

type rebootOption func(*v1alpha1.NodeReboot)

func newReboot(name string, options ...rebootOption) *v1alpha1.NodeReboot {
	reboot := &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), ResourceVersion: "1"},
		Spec:       v1alpha1.NodeRebootSpec{NodeName: testNode, Trigger: v1alpha1.TriggerSentinel},
	}
	for _, option := range options {
		option(reboot)
	}
	return reboot
}

func setAside(r *v1alpha1.NodeReboot) {
	r.Unreadable = []decode.Problem{{Path: "status.report.bootTime"}}
}

func manual(r *v1alpha1.NodeReboot)   { r.Spec.Trigger = v1alpha1.TriggerManual }
func deleting(r *v1alpha1.NodeReboot) { r.DeletionTimestamp = &metav1.Time{Time: testNow} }

func askedIn(bootID string) rebootOption {
	return func(r *v1alpha1.NodeReboot) { r.Spec.BootID = bootID }
}

func superseded(r *v1alpha1.NodeReboot) { r.Status.OutcomeReason = v1alpha1.ReasonSuperseded }

func before(bootID string) rebootOption {
	return func(r *v1alpha1.NodeReboot) { r.Status.Before = &v1alpha1.BootInfo{BootID: bootID} }
}

func after(bootID string) rebootOption {
	return func(r *v1alpha1.NodeReboot) { r.Status.After = &v1alpha1.BootInfo{BootID: bootID} }
}

func completed(outcome v1alpha1.Outcome) rebootOption {
	return func(r *v1alpha1.NodeReboot) {
		r.Status.Outcome, r.Status.CompletionTime = outcome, &metav1.MicroTime{Time: testNow}
	}
}

func ordered(sequence int64, action v1alpha1.OrderAction, change ...func(*v1alpha1.RebootOrder)) rebootOption {
	return func(r *v1alpha1.NodeReboot) {
		r.Status.Order = &v1alpha1.RebootOrder{
			Sequence: sequence, Action: action, BootID: bootA, Deadline: metav1.NewMicroTime(testNow.Add(time.Minute)),
		}
		for _, c := range change {
			c(r.Status.Order)
		}
	}
}

func expired(o *v1alpha1.RebootOrder) { o.Deadline = metav1.NewMicroTime(testNow) }

func aboutBoot(bootID string) func(*v1alpha1.RebootOrder) {
	return func(o *v1alpha1.RebootOrder) { o.BootID = bootID }
}

func selecting(text string) func(*v1alpha1.RebootOrder) {
	return func(o *v1alpha1.RebootOrder) { o.Drain = &v1alpha1.DrainOrder{Selector: selector.Of(text)} }
}

func reported(change ...func(*v1alpha1.HelperReport)) rebootOption {
	return func(r *v1alpha1.NodeReboot) { r.Status.Report = newReport(change...) }
}

// newReport is what a helper says that has no order and sees a sentinel.
func newReport(change ...func(*v1alpha1.HelperReport)) *v1alpha1.HelperReport {
	report := &v1alpha1.HelperReport{
		Protocol: v1alpha1.ProtocolLevel, BootID: bootA, BootTime: &bootedAt, Sentinel: v1alpha1.SentinelRequired, Methods: methods,
	}
	for _, c := range change {
		c(report)
	}
	return report
}

func recorded(sequence int64, state v1alpha1.OrderState) func(*v1alpha1.HelperReport) {
	return func(r *v1alpha1.HelperReport) { r.Sequence, r.State = sequence, state }
}

func saying(message string) func(*v1alpha1.HelperReport) {
	return func(r *v1alpha1.HelperReport) { r.Message = message }
}

func through(via v1alpha1.RebootVia) func(*v1alpha1.HelperReport) {
	return func(r *v1alpha1.HelperReport) { r.Via = via }
}

func drained(total, remaining int32) func(*v1alpha1.HelperReport) {
	return func(r *v1alpha1.HelperReport) {
		r.Drain = &v1alpha1.DrainProgress{Total: total, Remaining: remaining, Activity: v1alpha1.DrainProgressing}
	}
}

func sentinelIs(state v1alpha1.SentinelState) func(*v1alpha1.HelperReport) {
	return func(r *v1alpha1.HelperReport) { r.Sentinel = state }
}

func newFacts(reboots ...*v1alpha1.NodeReboot) facts {
	return facts{
		now:      testNow,
		nodeName: testNode,
		boot:     boot{id: bootA, time: &bootedAt},
		sentinel: reading{state: v1alpha1.SentinelRequired, message: "libc6"},
		methods:  methods,
		reboots:  reboots,
	}
}

type podOption func(*corev1.Pod)

func newPod(name string, options ...podOption) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, option := range options {
		option(pod)
	}
	return pod
}

func ownedBy(kind, name string) podOption {
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: ptr.To(true),
		}}
	}
}

func phase(phase corev1.PodPhase) podOption {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func labeled(key, value string) podOption {
	return func(p *corev1.Pod) { p.Labels = map[string]string{key: value} }
}

func isMirror(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }

func terminating(end time.Time) podOption {
	return func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: end} }
}

// budgetRefusal is the API server's answer when a PodDisruptionBudget does not allow an eviction.
func budgetRefusal(budget string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{
		Type: policyv1.DisruptionBudgetCause, Message: "The disruption budget " + budget + " needs 3 healthy pods and has 3 currently",
	}}
	return err
}
