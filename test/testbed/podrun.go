package testbed

import (
	"crypto/sha256"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// ReadyAfterAnnotation on a pod holds how long after its start it becomes ready, such as "24s".
	ReadyAfterAnnotation = "testbed.reboot-operator.io/ready-after"
	// TerminateAfterAnnotation on a pod holds how long it takes to end once it has to, such as "5s". As on a real node, the pod's
	// grace period cuts it short.
	TerminateAfterAnnotation = "testbed.reboot-operator.io/terminate-after"
)

// podTimes is how long a pod takes.
type podTimes struct {
	readyAfter     time.Duration
	terminateAfter time.Duration
}

// timesOf reads a pod's annotations.
func timesOf(pod *corev1.Pod) (podTimes, error) {
	var times podTimes
	for key, value := range map[string]*time.Duration{
		ReadyAfterAnnotation:     &times.readyAfter,
		TerminateAfterAnnotation: &times.terminateAfter,
	} {
		text, found := pod.Annotations[key]
		if !found {
			continue
		}
		parsed, err := time.ParseDuration(text)
		if err != nil || parsed < 0 {
			return podTimes{}, fmt.Errorf("annotation %s=%q of pod %s/%s: not a duration such as 1.5s", key, text, pod.Namespace, pod.Name)
		}
		*value = parsed
	}
	if grace := pod.DeletionGracePeriodSeconds; grace != nil {
		times.terminateAfter = min(times.terminateAfter, time.Duration(*grace)*time.Second)
	}
	return times, nil
}

// podRun is what a kubelet remembers about one pod.
type podRun struct {
	boot        int       // the host's boot in which the containers were started; 0 before the first start
	started     time.Time // when the containers were started
	ip          string
	restarts    int32
	healthy     time.Time // since when the containers do what they are for; zero while they do not
	ready       bool
	changed     time.Time // when ready last changed
	terminating time.Time // when the kubelet saw the deletion
}

// advance is the next state of a run, and after how long to look again; 0 means not before something happens. A pod that was restarted is
// shown as not ready first, as a kubelet does that finds its containers gone. readyAt says when a run is found ready that is healthy.
func (r podRun) advance(boot int, healthy bool, readyAt func(podRun) time.Time, now time.Time) (podRun, time.Duration) {
	if r.boot != boot {
		restarted := r.boot != 0
		r.boot, r.started, r.healthy = boot, now, time.Time{}
		r.setReady(false, now)
		if restarted {
			r.restarts++
			r.changed = now
			return r, time.Nanosecond
		}
	}
	if !healthy {
		r.healthy = time.Time{}
		r.setReady(false, now)
		return r, 0
	}
	if r.healthy.IsZero() {
		r.healthy = now
	}
	remaining := readyAt(r).Sub(now)
	r.setReady(remaining <= 0, now)
	return r, max(remaining, 0)
}

func (r *podRun) setReady(ready bool, now time.Time) {
	if r.ready != ready || r.changed.IsZero() {
		r.ready, r.changed = ready, now
	}
}

// status is what a kubelet writes for a run.
func (r podRun) status(pod *corev1.Pod) corev1.PodStatus {
	changed, started := metav1.NewTime(r.changed), metav1.NewTime(r.started)
	startTime := pod.Status.StartTime
	if startTime == nil {
		startTime = &started
	}
	return corev1.PodStatus{
		Phase:     corev1.PodRunning,
		StartTime: startTime,
		PodIP:     r.ip,
		PodIPs:    []corev1.PodIP{{IP: r.ip}},
		Conditions: append(readiness(r.ready, changed, "ContainersNotReady"), corev1.PodCondition{
			Type: corev1.PodInitialized, Status: corev1.ConditionTrue, LastTransitionTime: *startTime,
		}),
		ContainerStatuses: r.containers(pod, started),
	}
}

func (r podRun) containers(pod *corev1.Pod, started metav1.Time) []corev1.ContainerStatus {
	statuses := make([]corev1.ContainerStatus, 0, len(pod.Spec.Containers))
	running := true
	for _, container := range pod.Spec.Containers {
		id := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", pod.UID, container.Name, r.started.UnixNano())) // another one for each start
		statuses = append(statuses, corev1.ContainerStatus{
			ContainerID: fmt.Sprintf("containerd://%x", id), RestartCount: r.restarts,
			Name: container.Name, Image: container.Image, Ready: r.ready, Started: &running,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}},
		})
	}
	return statuses
}

// readiness is both conditions that tell whether a pod is ready.
func readiness(ready bool, changed metav1.Time, reason string) []corev1.PodCondition {
	status := corev1.ConditionFalse
	if ready {
		status, reason = corev1.ConditionTrue, ""
	}
	return []corev1.PodCondition{
		{Type: corev1.PodReady, Status: status, Reason: reason, LastTransitionTime: changed},
		{Type: corev1.ContainersReady, Status: status, Reason: reason, LastTransitionTime: changed},
	}
}

// shows reports whether the API server already has what a kubelet would write.
func shows(have, want corev1.PodStatus) bool {
	if have.Phase != want.Phase || len(have.ContainerStatuses) != len(want.ContainerStatuses) {
		return false
	}
	for i := range want.ContainerStatuses {
		running := have.ContainerStatuses[i].State.Running
		if running == nil || running.StartedAt.Unix() != want.ContainerStatuses[i].State.Running.StartedAt.Unix() {
			return false
		}
		if have.ContainerStatuses[i].RestartCount != want.ContainerStatuses[i].RestartCount {
			return false
		}
	}
	return isReady(have) == isReady(want)
}

// isReady reports whether the condition Ready is True.
func isReady(status corev1.PodStatus) bool {
	for _, condition := range status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// statusPatch is a patch of a pod's status. Unlike the API's own type it can take a condition's reason away.
type statusPatch struct {
	Metadata struct {
		UID types.UID `json:"uid"`
	} `json:"metadata"`
	Status podStatusPatch `json:"status"`
}

type podStatusPatch struct {
	corev1.PodStatus
	Conditions []conditionPatch `json:"conditions"`
}

type conditionPatch struct {
	corev1.PodCondition
	Reason string `json:"reason"`
}

func newStatusPatch(pod *corev1.Pod, status corev1.PodStatus) statusPatch {
	patch := statusPatch{Status: podStatusPatch{PodStatus: status}}
	patch.Metadata.UID = pod.UID
	for _, condition := range status.Conditions {
		patch.Status.Conditions = append(patch.Status.Conditions, conditionPatch{PodCondition: condition, Reason: condition.Reason})
	}
	return patch
}
