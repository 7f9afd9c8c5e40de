package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// blocking are pods that may not be evicted: a drain waits until they have done their work. One is made every so often, and each lasts
// so long.
type blocking struct {
	every, lasts time.Duration
}

// landed is where blocking pods came to run.
type landed struct {
	made int
	// waiting is how many were bound to a node whose reboot was required and had not begun to be drained.
	waiting int
}

const blockingNamespace, blockingLabel = "blocking", "blocking"

// blocker makes blocking pods, ends them, and watches where they land.
type blocker struct {
	fleet  *fleet
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu    sync.Mutex
	phase map[string]v1alpha1.Phase // of the last NodeReboot of each node
	bound map[types.UID]bool
	seen  landed
}

// block begins to make blocking pods, if the scenario has any, and returns when as many run as there will be at any time.
func (f *fleet) block(ctx context.Context) (*blocker, error) {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &blocker{fleet: f, cancel: cancel, phase: map[string]v1alpha1.Phase{}, bound: map[types.UID]bool{}}
	if f.blocking == nil {
		return b, nil
	}
	if err := b.budget(ctx); err != nil {
		cancel()
		return nil, err
	}
	b.ended.Go(func() { b.watchReboots(background) })
	b.ended.Go(func() { b.watchPods(background) })
	b.ended.Go(func() { b.make(background) })
	return b, pause(ctx, f.blocking.lasts)
}

func (b *blocker) stop() {
	b.cancel()
	b.ended.Wait()
}

func (b *blocker) result() landed {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

// budget allows no eviction of any of these pods.
func (b *blocker) budget(ctx context.Context) error {
	meta := metav1.ObjectMeta{Namespace: blockingNamespace, Name: blockingLabel}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: blockingNamespace}},
		&policyv1.PodDisruptionBudget{ObjectMeta: meta, Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: ptr.To(intstr.FromInt(0)),
			Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{blockingLabel: blockingLabel}},
		}},
	} {
		if err := b.fleet.cluster.Client().Create(ctx, object); err != nil {
			return fmt.Errorf("create %T: %w", object, err)
		}
	}
	return nil
}

// make makes a Job of one pod every interval.
func (b *blocker) make(ctx context.Context) {
	ticker := time.NewTicker(b.fleet.blocking.every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		job := &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{Namespace: blockingNamespace, GenerateName: "work-"},
			Spec: batchv1.JobSpec{
				TTLSecondsAfterFinished: ptr.To[int32](0),
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{blockingLabel: blockingLabel}},
					Spec: corev1.PodSpec{
						Containers:                   []corev1.Container{{Name: "work", Image: "work"}},
						RestartPolicy:                corev1.RestartPolicyNever,
						AutomountServiceAccountToken: ptr.To(false),
					},
				},
			},
		}
		if err := b.fleet.cluster.Client().Create(ctx, job); err == nil {
			b.mu.Lock()
			b.seen.made++
			b.mu.Unlock()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

func (b *blocker) watchReboots(ctx context.Context) {
	seen := func(reboot *v1alpha1.NodeReboot, gone bool) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.phase[reboot.Spec.NodeName] = reboot.Status.Phase; gone {
			delete(b.phase, reboot.Spec.NodeName)
		}
		return false
	}
	for ctx.Err() == nil {
		_ = follow(ctx, b.fleet.cluster, &v1alpha1.NodeRebootList{}, "", seen) // it ends with ctx, or is begun again
	}
}

func (b *blocker) watchPods(ctx context.Context) {
	seen := func(pod *corev1.Pod, gone bool) bool {
		if pod.Namespace == blockingNamespace && pod.Spec.NodeName != "" && !gone {
			b.sawBound(ctx, pod)
		}
		return false
	}
	for ctx.Err() == nil {
		_ = follow(ctx, b.fleet.cluster, &corev1.PodList{}, "", seen) // it ends with ctx, or is begun again
	}
}

// sawBound judges where a pod landed, and ends it after its time.
func (b *blocker) sawBound(ctx context.Context, pod *corev1.Pod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bound[pod.UID] {
		return
	}
	b.bound[pod.UID] = true
	if phase, known := b.phase[pod.Spec.NodeName]; known && (phase == "" || phase == v1alpha1.PhasePending) {
		b.seen.waiting++
	}
	b.ended.Go(func() {
		if pause(ctx, b.fleet.blocking.lasts) == nil {
			_ = b.finish(ctx, pod) // it is gone with its node
		}
	})
}

// finish lets a pod have done its work, as its kubelet would say.
func (b *blocker) finish(ctx context.Context, pod *corev1.Pod) error {
	patch := []byte(`{"metadata":{"uid":"` + string(pod.UID) + `"},"status":{"phase":"Succeeded"}}`)
	pods := b.fleet.cluster.Kubernetes().CoreV1().Pods(pod.Namespace)
	_, err := pods.Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return errors.Join(err)
}
