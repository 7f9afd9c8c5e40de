package helpers

import (
	"fmt"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
)

// Problem says why a pod is not Ready. It says the same as long as it goes wrong in the same way: it becomes part of a status.
func Problem(pod *corev1.Pod) string {
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
	// wrongFormat is what the kernel says of a program for another architecture, noPlatform what container runtimes say of an image that is
	// there for others only.
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
			text += ": it is not there for the node's architecture"
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
		text += " (its image is built for another architecture than the node's)"
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
