package node

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// confined gives the rebooter AppArmor's default profile of containerd.
const confined = `spec: {template: {spec: {containers: [{name: rebooter, securityContext: {appArmorProfile: {type: RuntimeDefault}}}]}}}`

// atOnce has all helpers replaced at the same time, which saves minutes. A pod that asks for AppArmor never starts on the host without, and
// would hold up the others.
const atOnce = `spec: {updateStrategy: {rollingUpdate: {maxUnavailable: 100%}}}`

// reinstall installs something else, whose helpers take the place of the present ones.
func (s *story) reinstall(what installation) {
	s.Helper()
	what.patches = append(what.patches, atOnce)
	s.must(s.install(s.ctx, what), "install")
}

// signaled reboots the node whose kubelet holds an inhibitor lock.
func signaled(s *story) {
	s.reinstall(installation{base: "config/overlays/signal", patches: []string{confined}})
	s.journal.add("", said, "config/overlays/signal is installed, with AppArmor's default profile")
	// The kubelet of a host without AppArmor starts no pod that asks for a profile, so the other node has none now.
	s.eventually("the helper runs under AppArmor's default profile", func() error { return s.helperConfined(graceful) })
	before := s.requireReboot(graceful)
	s.eventually("AppArmor is named as the obstacle", func() error {
		waiting, err := s.rebootOf(graceful, before)
		if err != nil {
			return err
		}
		if waiting.Status.Reason != v1alpha1.ReasonHostCannotReboot || !strings.Contains(waiting.Status.Message, "AppArmor") {
			return fmt.Errorf("%s: %s", waiting.Status.Reason, waiting.Status.Message)
		}
		return nil
	})
	const denial = `journalctl --dmesg --no-pager --output cat | grep 'DENIED.*operation="signal"' | tail -n 1`
	s.journal.add(graceful, said, "its kernel said: %s", s.on(graceful, denial))
	s.expectNo(graceful, cordoned)
	agent := s.podOf(graceful, "agent")

	s.reinstall(installation{base: "config/overlays/signal"})
	s.journal.add("", said, "config/overlays/signal is installed as it is, without AppArmor")
	s.eventually(graceful+" is proved", func() error { return s.inPhase(graceful, before, v1alpha1.PhaseSucceeded) })
	s.expectAnotherBoot(graceful, before)
	s.expectAsked(graceful, before, 0)
	s.eventually("everything runs as before", s.allReady)
	// The kubelet was not told, so it ended nothing.
	for _, e := range s.events(graceful) {
		if e.what == nodeNotReady && strings.Contains(e.detail, "shutting down") {
			s.Errorf("%s: %s: inhibitor locks were not bypassed", graceful, e.detail)
		}
	}
	if s.podOf(graceful, "agent").UID != agent.UID {
		s.Errorf("%s: the pod of the DaemonSet was replaced", graceful)
	}
}

// commanded reboots by the overlay with programs of the host: one, of other distributions, that says by its exit code that a reboot is
// needed, and systemctl. Silence of the kubelet is forgiven for as long as the reboot takes, as where machines are faster than QEMU's.
func commanded(s *story) {
	// The command runs when the helper starts, and then every ten minutes.
	before := s.bootOf(abrupt)
	s.journal.add(abrupt, said, "needs-restarting says yes from now on; %s", before)
	s.on(abrupt, "touch /run/needs-restarting")
	s.must(s.RestartControllerManager(within), "restart the controller manager")
	s.reinstall(installation{base: "config/overlays/privileged-command"})
	s.journal.add("", said, "config/overlays/privileged-command is installed; the controller manager's grace period for nodes is %s", within)
	s.eventually(abrupt+" is proved", func() error { return s.inPhase(abrupt, before, v1alpha1.PhaseSucceeded) })
	s.expectAnotherBoot(abrupt, before)
	s.expectNeverSilent(abrupt)
	s.eventually("everything runs as before", s.allReady)
}

// helperConfined returns nil if the helper's pod on a node is ready, and was made with AppArmor's default profile for the rebooter.
func (s *story) helperConfined(node string) error {
	var pods corev1.PodList
	if err := s.cache.List(s.ctx, &pods, client.MatchingLabels{v1alpha1.ComponentLabel: "helper"}); err != nil {
		return err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		profile := pod.Spec.Containers[0].SecurityContext.AppArmorProfile
		ready := len(pod.Status.ContainerStatuses) == len(pod.Spec.Containers) &&
			!slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return !c.Ready })
		if pod.Spec.NodeName == node && ready && profile != nil && profile.Type == corev1.AppArmorProfileTypeRuntimeDefault {
			return nil
		}
	}
	return fmt.Errorf("no pod with the profile is ready on %s", node)
}

// helpersUpdated returns nil if every node has a helper of the DaemonSet's last version, and it is ready.
func (s *story) helpersUpdated() error {
	var set appsv1.DaemonSet
	if err := s.get(&set, testbed.Namespace, helperSet); err != nil {
		return err
	}
	return s.daemonSetReady(&set)
}
