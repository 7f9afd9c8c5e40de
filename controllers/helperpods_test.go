package controllers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

func waitingState(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func endedState(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}
}

var runningState = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}

func TestWhyAPodIsNotReady(t *testing.T) {
	const wrongArchitecture = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: " +
		"unable to start container process: error during container init: exec /helper: exec format error"
	const otherArchitecture = " (its image is built for a different architecture than the node's)"
	helper := func(state, last corev1.ContainerState) *corev1.Pod {
		return newPod("h", func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{
				{Name: "rebooter", Ready: true, State: runningState},
				{Name: "helper", Image: "example.com/r:v1", State: state, LastTerminationState: last},
			}
		})
	}
	for name, test := range map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"an image for another architecture": {
			helper(waitingState("CrashLoopBackOff", "back-off 5m0s restarting"), endedState(128, "StartError", wrongArchitecture)),
			"container helper ended with exit code 128 (StartError): " + wrongArchitecture + otherArchitecture,
		},
		"the same, just now": {
			helper(endedState(128, "StartError", wrongArchitecture), corev1.ContainerState{}),
			"container helper ended with exit code 128 (StartError): " + wrongArchitecture + otherArchitecture,
		},
		"an image without its architecture": {
			helper(waitingState("ErrImagePull", `no match for platform in manifest: not found`), corev1.ContainerState{}),
			"container helper has no image: example.com/r:v1 cannot be pulled: it does not exist for the node's architecture",
		},
		"it crashes": {
			helper(waitingState("CrashLoopBackOff", "back-off 20s"), endedState(1, "Error", "")), "container helper ended with exit code 1 (Error)",
		},
		"no image": {
			helper(waitingState("ImagePullBackOff", "Back-off pulling image"), corev1.ContainerState{}),
			"container helper has no image: example.com/r:v1 cannot be pulled",
		},
		"no image, tried again": {
			helper(waitingState("ErrImagePull", "rpc error"), corev1.ContainerState{}),
			"container helper has no image: example.com/r:v1 cannot be pulled",
		},
		"it cannot be made": {
			helper(waitingState("CreateContainerError", "no such device"), corev1.ContainerState{}),
			"container helper waits: CreateContainerError no such device",
		},
		"it is being made": {
			helper(waitingState("ContainerCreating", ""), corev1.ContainerState{}), "container helper waits: ContainerCreating",
		},
		"it runs": {helper(runningState, corev1.ContainerState{}), "container helper runs and is not ready"},
		"it runs again": {
			helper(runningState, endedState(137, "OOMKilled", "")),
			"container helper runs and is not ready; it last ended with exit code 137 (OOMKilled)",
		},
		"nothing is known of it": {helper(corev1.ContainerState{}, corev1.ContainerState{}), "container helper has no state yet"},
		"nothing is known":       {newPod("h"), "the kubelet has not started its containers"},
		"evicted": {
			newPod("h", func(p *corev1.Pod) {
				p.Status.Reason, p.Status.Message = "Evicted", "The node was low on resource: memory."
			}),
			"Evicted The node was low on resource: memory.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.pod.Namespace = testNamespace
			if diff := cmp.Diff(test.want, strings.TrimPrefix(projection.HelperOf(cached(test.pod).(*corev1.Pod)).Problem, "pod h: ")); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheHelperOfANodeIsItsPodThatIsReadyOrElseTheFirstByName(t *testing.T) {
	helper := func(name, node string, status corev1.ConditionStatus) *corev1.Pod {
		pod := newPod(name, labeled(componentLabel, helperComponent), ready(status, testNow))
		pod.Namespace, pod.Spec.NodeName = testNamespace, node
		return pod
	}
	going := helper("going", "c", corev1.ConditionFalse)
	going.DeletionTimestamp, going.Finalizers = &metav1.Time{Time: testNow}, []string{"example.com/f"}
	w := newWorld(t, newNode("a"), newNode("b"), newNode("c"), newHelperSet("helper", func(*corev1.PodSpec) {}),
		helper("a-1", "a", corev1.ConditionFalse), helper("a-2", "a", corev1.ConditionTrue), helper("a-3", "a", corev1.ConditionFalse),
		helper("b-2", "b", corev1.ConditionFalse), helper("b-1", "b", corev1.ConditionFalse), helper("b-3", "b", corev1.ConditionFalse),
		going, helper("unbound", "", corev1.ConditionFalse))
	got := map[string]projection.Helper{}
	for _, node := range w.read(t).Nodes {
		got[node.Name] = projection.Helper{Ready: node.HelperReady, Problem: node.HelperProblem}
	}
	want := map[string]projection.Helper{
		"a": {Ready: true}, "b": {Problem: "pod b-1: the kubelet has not started its containers"}, "c": {Problem: projection.NotMade},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("helpers (-want +got):\n%s", diff)
	}
}
