package node

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// join waits for the nodes, and looks whether the machines are what they should be.
func join(s *story) {
	s.apply("workload.yaml")
	s.apply("policy.yaml")
	for node := range s.guests {
		s.eventually(node+" is Ready", func() error { return s.inService(node) })
	}
	s.eventually("everything runs", s.allReady)
	for node := range s.guests {
		// A machine whose logind does not work can be a Ready node nevertheless.
		if state := s.on(node, "systemctl is-active systemd-logind dbus containerd kubelet reboot-calls | sort -u"); state != "active" {
			s.Errorf("%s: services are %s", node, state)
		}
		s.expectConfinement(node)
	}
}

// rollout reboots both nodes. The one with the leading manager on it has to be the last.
func rollout(s *story) {
	s.setMode(v1alpha1.ModePaused)
	last := s.leadersNode()
	first := map[string]string{graceful: abrupt, abrupt: graceful}[last]
	s.journal.add(last, said, "the leading manager runs here, so this node is to be the last")
	before := map[string]boot{last: s.requireReboot(last), first: s.requireReboot(first)}
	for node := range s.guests {
		s.eventually(node+" is tainted although the policy is paused", func() error { return s.isTainted(node) })
	}
	agent := s.podOf(graceful, "agent")
	s.setMode(v1alpha1.ModeEnforce)

	for _, node := range []string{first, last} {
		s.eventually(node+" is proved", func() error { return s.inPhase(node, before[node], v1alpha1.PhaseSucceeded) })
		s.eventually(node+" is in service", func() error { return s.inService(node) })
		s.expectOrder(node, tainted, cordoned, drained, toldToReboot, machineReset, newBoot, uncordoned)
		s.expectProof(node, before[node], v1alpha1.ReasonProved)
		s.expectReason(node, before[node], "/run/reboot-required: linux-image-amd64")
		s.expectAnotherBoot(node, before[node])
		s.expectAsked(node, before[node], 1)
	}
	s.expectOneAfterTheOther(first, last)
	s.eventually("everything runs as before", s.allReady)
	s.expectDrainedByNodes()
	s.expectStoppedInOrder(agent)
}

func (s *story) setMode(mode v1alpha1.Mode) {
	s.Helper()
	s.patchPolicy(fmt.Sprintf(`{"spec":{"mode":%q}}`, mode))
	s.journal.add("", said, "the policy's mode is %s", mode)
}

func (s *story) patchPolicy(patch string) {
	s.Helper()
	_, err := s.kubectl(s.ctx, "patch", "rebootpolicy", "all", "--type=merge", "--patch", patch)
	s.must(err, "change the policy")
}

func (s *story) isTainted(node string) error {
	var object corev1.Node
	if err := s.get(&object, "", node); err != nil {
		return err
	}
	if !viewOf(&object).tainted {
		return fmt.Errorf("%s is not tainted", node)
	}
	return nil
}

// podOf is the running pod of an app on the node.
func (s *story) podOf(node, app string) *corev1.Pod {
	s.Helper()
	var pods corev1.PodList
	s.must(s.cache.List(s.ctx, &pods, client.MatchingLabels{appLabel: app}), "list pods")
	for _, pod := range pods.Items {
		if pod.Spec.NodeName == node && pod.Status.Phase == corev1.PodRunning {
			return &pod
		}
	}
	s.Fatalf("no pod of %s runs on %s", app, node)
	return nil
}

// expectNeverSilent fails if anybody saw the node not Ready before it reported the new boot.
func (s *story) expectNeverSilent(node string) {
	s.Helper()
	for _, e := range s.events(node) {
		switch e.what {
		case nodeNotReady:
			s.Errorf("%s: not Ready before it came back: %s", node, e.detail)
		case newBoot:
			return
		}
	}
	s.Errorf("%s has not come back", node)
}

// expectAsked fails unless logind was asked for so many reboots in that boot.
func (s *story) expectAsked(node string, during boot, times int) {
	s.Helper()
	asked := s.on(node, "grep -c method_call /var/lib/node-test/reboot-calls."+during.id+" || true")
	if asked != strconv.Itoa(times) {
		s.Errorf("%s: logind was asked for %s reboots, want %d", node, asked, times)
	}
}

// expectStoppedInOrder fails unless the pod had the 8 seconds that it takes to stop. The kubelet of the graceful node ends pods before the
// host goes down, also those of DaemonSets, which are replaced at once and wait for the boot.
func (s *story) expectStoppedInOrder(pod *corev1.Pod) {
	s.Helper()
	node := pod.Spec.NodeName
	if !slices.ContainsFunc(s.events(node), func(e event) bool { return e.what == podEnded && e.detail == pod.Name+", exit code 0" }) {
		s.Errorf("%s: pod %s was not given the time that it takes to stop", node, pod.Name)
	}
	replacement := s.podOf(node, pod.Labels[appLabel])
	if replacement.UID == pod.UID {
		s.Errorf("%s: the pod of the DaemonSet was not replaced, so this does not show what it should", node)
	}
	s.journal.add(node, said, "pod %s was given its 8 seconds to stop, and replaced by %s", pod.Name, replacement.Name)
}

// leadersNode is where the manager runs that leads.
func (s *story) leadersNode() string {
	s.Helper()
	var lease coordinationv1.Lease
	key := client.ObjectKey{Namespace: testbed.Namespace, Name: "reboot-operator"}
	s.must(s.Client().Get(s.ctx, key, &lease), "get the lease of the managers")
	pod, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	var manager corev1.Pod
	s.must(s.get(&manager, testbed.Namespace, pod), "get the leading manager")
	return manager.Spec.NodeName
}

// expectProof looks at what the NodeReboot says.
func (s *story) expectProof(node string, before boot, reason string) {
	s.Helper()
	reboot, err := s.rebootOf(node, before)
	s.must(err, "get the NodeReboot of %s", node)
	status := reboot.Status
	if status.Reason != reason || status.Before.BootID != before.id || status.After.BootID == before.id {
		s.Errorf("%s: %s, boot %s to %s", node, status.Reason, status.Before.BootID, status.After.BootID)
	}
	if status.Attempt.Number != 1 {
		s.Errorf("%s: %d attempts", node, status.Attempt.Number)
	}
}

// expectOneAfterTheOther fails if the second node was touched, but for its taint, before the first was proved.
func (s *story) expectOneAfterTheOther(first, second string) {
	s.Helper()
	proved := slices.IndexFunc(s.events(first), func(e event) bool {
		return e.what == phaseIs && strings.HasPrefix(e.detail, string(v1alpha1.PhaseSucceeded))
	})
	if proved < 0 {
		s.Fatalf("%s was not proved", first)
	}
	done := s.events(first)[proved].at
	for _, e := range s.events(second) {
		switch e.what {
		case cordoned, drained, toldToReboot, machineReset, newBoot, nodeNotReady:
			if e.at.Before(done) {
				s.Errorf("%s: %s before %s was proved", second, e.what, first)
			}
		}
	}
}

// expectDrainedByNodes fails unless every eviction was asked for by a helper that impersonated its own node.
func (s *story) expectDrainedByNodes() {
	s.Helper()
	writes, err := s.Writes()
	s.must(err, "read the audit log")
	evictions := map[string]int{}
	for _, write := range writes {
		if write.Resource == "pods/eviction" && write.Code < 300 {
			evictions[fmt.Sprintf("%s as %s", write.Actor, write.As)]++
		}
	}
	s.journal.add("", said, "evictions: %v", evictions)
	for _, node := range []string{graceful, abrupt} {
		if evictions["reboot-operator-helper as system:node:"+node] == 0 {
			s.Errorf("%s was not drained by its helper as system:node:%s: %v", node, node, evictions)
		}
	}
	if len(evictions) != len(s.guests) {
		s.Errorf("evictions by others: %v", evictions)
	}
}
