package testbed

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// theAPIServerIsAway has a host reboot while there is no API server: pods on other hosts keep running, and the kubelet reports what it
// could not say once the API server is back.
func (s *story) theAPIServerIsAway() {
	rebooted, other := s.cluster.Host("worker-a1"), s.cluster.Host("worker-b1")
	before, untouched := s.podOn(rebooted.Name()), s.podOn(other.Name())
	s.check(s.cluster.KillAPIServer())
	boots := rebooted.boots()
	rebooted.PowerCycle()
	waitUntil(s, "the host has booted", func() bool { return rebooted.boots() > boots })
	if rebooted.Up() {
		s.t.Error("its kubelet runs pods that no API server can have told it of")
	}
	s.check(s.cluster.StartAPIServer(s.ctx))
	bootID, err := rebooted.BootID()
	s.check(err)
	waitUntil(s, "the node says that its host has booted", func() bool {
		node, err := s.cluster.Kubernetes().CoreV1().Nodes().Get(s.ctx, rebooted.Name(), metav1.GetOptions{})
		return err == nil && nodeReady(node) && node.Status.NodeInfo.BootID == bootID
	})
	waitUntil(s, "the pod was restarted", func() bool {
		pod := s.podOn(rebooted.Name())
		return pod.UID == before.UID && isReady(pod.Status) && restarts(pod) == restarts(before)+1
	})
	if after := s.podOn(other.Name()); after.UID != untouched.UID || restarts(after) != restarts(untouched) || !isReady(after.Status) {
		s.t.Errorf("a pod was disturbed by the API server: %v", after.Status.ContainerStatuses)
	}
}

// aNodeIsKnownAgain has others say that nobody knows whether a node is Ready, as the node lifecycle controller does after an outage.
func (s *story) aNodeIsKnownAgain() {
	name := "worker-b1"
	node, err := s.cluster.Kubernetes().CoreV1().Nodes().Get(s.ctx, name, metav1.GetOptions{})
	s.check(err)
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == corev1.NodeReady {
			node.Status.Conditions[i].Status = corev1.ConditionUnknown
		}
	}
	_, err = s.cluster.Kubernetes().CoreV1().Nodes().UpdateStatus(s.ctx, node, metav1.UpdateOptions{})
	s.check(err)
	see(s, s.watchNode(name), "the node is Ready again", func(_ watch.EventType, n *corev1.Node) bool { return nodeReady(n) })
}

func restarts(pod *corev1.Pod) int32 {
	if len(pod.Status.ContainerStatuses) == 0 {
		return 0
	}
	return pod.Status.ContainerStatuses[0].RestartCount
}

func waitUntil(s *story, what string, is func() bool) {
	s.t.Helper()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			s.t.Fatalf("never: %s", what)
		}
	}
}
