package projection

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/intern"
)

// HelperComponent is the value of the component label of helper pods and of their DaemonSets.
const HelperComponent = "helper"

// Helpers are those of each node that has a helper pod.
func Helpers(pods []corev1.Pod) map[string][]HelperPod {
	helpers := make(map[string][]HelperPod, len(pods))
	for i := range pods {
		if pod, counts := HelperPodOf(&pods[i]); counts {
			node := pods[i].Spec.NodeName
			helpers[node] = append(helpers[node], pod)
		}
	}
	return helpers
}

// HelperPod is one of the helper pods of a node. While a pod is replaced there are two.
type HelperPod struct {
	Name string
	Helper
}

// HelperPodOf is what a helper pod says, and whether it counts: one without a node does not, nor one that is being deleted.
func HelperPodOf(pod *corev1.Pod) (helper HelperPod, counts bool) {
	if pod.Spec.NodeName == "" || !pod.DeletionTimestamp.IsZero() {
		return HelperPod{}, false
	}
	return HelperPod{Name: pod.Name, Helper: HelperOf(pod)}, true
}

// HelperAmong is the helper of a node that has pods: one that is Ready, otherwise always the same one, so that a message does not flap.
func HelperAmong(pods []HelperPod) Helper {
	return slices.MinFunc(pods, func(a, b HelperPod) int {
		switch {
		case a.Ready == b.Ready:
			return cmp.Compare(a.Name, b.Name)
		case a.Ready:
			return -1
		}
		return 1
	}).Helper
}

// Helper is what is known of the helper of a node. Without a pod it is zero.
type Helper struct {
	Ready bool
	// Problem says why it is not Ready.
	Problem string
}

// HelperOf is what the pod of a helper says.
func HelperOf(pod *corev1.Pod) Helper {
	view := Helper{Ready: PodReady(pod)}
	if !view.Ready {
		view.Problem = fmt.Sprintf("pod %s: %s", pod.Name, podProblem(pod))
	}
	return view
}

// podProblem says why a pod is not Ready. It says the same as long as it goes wrong in the same way: it becomes part of a status.
func podProblem(pod *corev1.Pod) string {
	var problems []string
	for i := range pod.Status.ContainerStatuses {
		if status := &pod.Status.ContainerStatuses[i]; !status.Ready {
			problems = append(problems, fmt.Sprintf("container %s %s", status.Name, containerProblem(status)))
		}
	}
	switch {
	case len(problems) > 0:
		return strings.Join(problems, "; ")
	case pod.Status.Reason != "":
		return lastOf(pod.Status.Reason + " " + pod.Status.Message)
	case len(pod.Status.ContainerStatuses) == 0:
		return "the kubelet has not started its containers"
	}
	return "it is not Ready"
}

const (
	// maxProblem is how much of what a kubelet says is kept, in bytes.
	maxProblem = 256
	crashLoop  = "CrashLoopBackOff"
	// wrongFormat is what the kernel says about a program for another architecture, noPlatform what container runtimes say about an image that
	// is there for others only.
	wrongFormat = "exec format error"
	noPlatform  = "no match for platform"
)

// containerProblem says what is wrong with a container. The kubelet says in turns that it runs, has ended, and waits for its next start,
// each time for longer; how it ended says more than any of that.
func containerProblem(status *corev1.ContainerStatus) string {
	ended := status.State.Terminated
	if ended == nil {
		ended = status.LastTerminationState.Terminated
	}
	waiting := status.State.Waiting
	switch {
	case status.State.Running != nil && ended != nil:
		return "runs and is not ready; it last ended with " + describeEnd(ended)
	case status.State.Running != nil:
		return "runs and is not ready"
	case ended != nil && (waiting == nil || waiting.Reason == crashLoop):
		return "ended with " + describeEnd(ended)
	case waiting == nil:
		return "has no state yet"
	case waiting.Reason == "ErrImagePull" || waiting.Reason == "ImagePullBackOff":
		text := fmt.Sprintf("has no image: %s cannot be pulled", status.Image)
		if strings.Contains(waiting.Message, noPlatform) {
			text += ": it does not exist for the node's architecture"
		}
		return text
	}
	return "waits: " + lastOf(strings.TrimSpace(waiting.Reason+" "+waiting.Message))
}

func describeEnd(ended *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d (%s)", ended.ExitCode, ended.Reason)
	if message := strings.Join(strings.Fields(ended.Message), " "); message != "" {
		text += ": " + lastOf(message)
	}
	if strings.Contains(ended.Message, wrongFormat) {
		text += " (its image is built for a different architecture than the node's)"
	}
	return text
}

// lastOf keeps the end of a text: a chain of errors has its cause there.
func lastOf(text string) string {
	const mark = "..."
	if len(text) <= maxProblem {
		return text
	}
	begin := len(text) - maxProblem + len(mark)
	for begin < len(text) && !utf8.RuneStart(text[begin]) {
		begin++
	}
	return mark + text[begin:]
}

// The pods of helpers have their labels in common, and those that are Ready have their condition in common. Nothing changes what a cache
// holds.
var (
	helperLabels = map[string]string{v1alpha1.ComponentLabel: HelperComponent}
	helperReady  = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
)

// StripHelper keeps where the pod of a helper runs, and what says why it is not Ready.
func StripHelper(pod *corev1.Pod) *corev1.Pod {
	stripped := &corev1.Pod{ObjectMeta: stripMeta(&pod.ObjectMeta)}
	stripped.Namespace, stripped.Labels = intern.Text(pod.Namespace), helperLabels
	stripped.Spec.NodeName, stripped.Status.Phase = intern.Text(pod.Spec.NodeName), intern.Text(pod.Status.Phase)
	if PodReady(pod) {
		stripped.Status.Conditions = helperReady
		return stripped
	}
	if ready := readyCondition(pod); ready != nil {
		stripped.Status.Conditions = []corev1.PodCondition{{Type: intern.Text(ready.Type), Status: intern.Text(ready.Status)}}
	}
	stripped.Status.Reason, stripped.Status.Message = pod.Status.Reason, pod.Status.Message
	stripped.Status.ContainerStatuses = make([]corev1.ContainerStatus, 0, len(pod.Status.ContainerStatuses))
	for i := range pod.Status.ContainerStatuses {
		status := &pod.Status.ContainerStatuses[i]
		stripped.Status.ContainerStatuses = append(stripped.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: status.Name, Image: status.Image, Ready: status.Ready, ContainerID: shortID(status.ContainerID),
			State: status.State, LastTerminationState: status.LastTerminationState,
		})
	}
	return stripped
}
