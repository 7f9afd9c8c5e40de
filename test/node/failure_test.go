package node

import (
	"errors"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// lostSeconds is how long the host that does not come back is waited for.
const lostSeconds = 60

// lost has a kernel that panics in its boot after the reboot.
func lost(s *story) {
	s.patchPolicy(fmt.Sprintf(`{"spec":{"reboot":{"timeoutSeconds":%d}}}`, lostSeconds))
	s.on(graceful, "touch /var/lib/node-test/panic-at-boot && sync")
	before := map[string]boot{graceful: s.requireReboot(graceful)}
	s.eventually(graceful+" is reported", func() error { return s.inPhase(graceful, before[graceful], v1alpha1.PhaseFailed) })
	reboot, err := s.rebootOf(graceful, before[graceful])
	s.must(err, "get the NodeReboot")
	if reboot.Status.Reason != v1alpha1.ReasonNodeNotBack {
		s.Errorf("the reason is %s", reboot.Status.Reason)
	}
	s.expectPanic(graceful)

	before[abrupt] = s.requireReboot(abrupt)
	s.eventually(abrupt+" waits for "+graceful, func() error {
		waiting, err := s.rebootOf(abrupt, before[abrupt])
		if err != nil {
			return err
		}
		if waiting.Status.Reason != v1alpha1.ReasonHalted || !strings.Contains(waiting.Status.Message, reboot.Name) {
			return fmt.Errorf("%s: %s", waiting.Status.Reason, waiting.Status.Message)
		}
		return nil
	})
	s.eventually(abrupt+" is tainted nevertheless", func() error { return s.isTainted(abrupt) })
	s.patchPolicy(`{"spec":{"reboot":{"timeoutSeconds":900}}}`)

	s.journal.add(graceful, said, "the test switches the machine off and on")
	s.must(s.guests[graceful].powerCut(s.ctx), "take the power away and give it back")
	s.restartHelperBetweenOrderAndReboot(abrupt, before[abrupt])
	for _, node := range []string{graceful, abrupt} {
		s.eventually(node+" is proved", func() error { return s.inPhase(node, before[node], v1alpha1.PhaseSucceeded) })
		s.expectAsked(node, before[node], 1)
	}
	s.expectOneAfterTheOther(graceful, abrupt)
	s.expectAnotherBoot(abrupt, before[abrupt])
	s.eventually("everything runs as before", s.allReady)
}

// expectPanic waits until the kernel says so.
func (s *story) expectPanic(node string) {
	s.Helper()
	s.eventually("the kernel of "+node+" has panicked", func() error {
		log, err := os.ReadFile(s.guests[node].path("kernel.log"))
		if err != nil {
			return err
		}
		_, panicked, found := strings.Cut(string(log), "Kernel panic")
		if !found {
			return errors.New("it has not")
		}
		line, _, _ := strings.Cut(panicked, "\n")
		s.journal.add(node, said, "its kernel said: Kernel panic%s", strings.TrimRight(line, "\r"))
		return nil
	})
}

// restartHelperBetweenOrderAndReboot kills both containers of the helper's pod when logind has been asked for the reboot, holds the host
// up until both work again, and then lets it go down.
func (s *story) restartHelperBetweenOrderAndReboot(node string, before boot) {
	s.Helper()
	const hold = `mkdir -p /etc/systemd/logind.conf.d
		printf '[Login]\nInhibitDelayMaxSec=120\n' > /etc/systemd/logind.conf.d/10-node-test.conf
		systemctl restart systemd-logind
		systemd-run --quiet --unit=hold systemd-inhibit --what=shutdown --mode=delay --who=node-test --why=test sleep infinity`
	s.on(node, hold)
	restarts := s.helperRestarts(node)
	s.eventually(node+" is ordered to reboot", func() error { return s.happened(node, toldToReboot) })
	const kill = "until grep -q method_call /var/lib/node-test/reboot-calls.%s; do sleep 0.2; done; pkill -KILL -x 'helper|rebooter'"
	s.on(node, fmt.Sprintf(kill, before.id))
	s.journal.add(node, said, "logind was asked; an inhibitor lock holds the host up, and both containers of the helper are killed")
	s.eventually("the helper runs again", func() error {
		if now := s.helperRestarts(node); now < restarts+2 {
			return fmt.Errorf("%d restarts, before %d", now, restarts)
		}
		return s.helperReady(node)
	})
	s.journal.add(node, said, "the helper is ready again, and the lock is released")
	// In the background, because the console goes down with the host.
	s.on(node, "(sleep 1; systemctl stop hold) > /dev/null 2>&1 &")
}

// happened returns nil if the event has happened in this chapter.
func (s *story) happened(node string, what what) error {
	if indexOf(s.events(node), what) < 0 {
		return fmt.Errorf("%s: not yet: %s", node, what)
	}
	return nil
}

// evicting returns nil while a pod of a workload on the node was evicted and has not ended yet.
func (s *story) evicting(node string) error {
	var pods corev1.PodList
	err := s.cache.List(s.ctx, &pods, client.HasLabels{appLabel})
	for _, pod := range pods.Items {
		if pod.Spec.NodeName == node && pod.DeletionTimestamp != nil {
			return err
		}
	}
	return errors.Join(fmt.Errorf("no pod on %s is being evicted", node), err)
}

func (s *story) helperPod(node string) (*corev1.Pod, error) {
	var pods corev1.PodList
	err := s.cache.List(s.ctx, &pods, client.InNamespace(testbed.Namespace), client.MatchingLabels{"app.kubernetes.io/component": "helper"})
	for _, pod := range pods.Items {
		if pod.Spec.NodeName == node && pod.Status.Phase == corev1.PodRunning {
			return &pod, err
		}
	}
	return nil, errors.Join(fmt.Errorf("no helper runs on %s", node), err)
}

// helperRestarts is how often containers of the helper's pod were restarted.
func (s *story) helperRestarts(node string) int32 {
	var restarts int32
	if pod, err := s.helperPod(node); err == nil {
		for _, container := range pod.Status.ContainerStatuses {
			restarts += container.RestartCount
		}
	}
	return restarts
}

func (s *story) helperReady(node string) error {
	pod, err := s.helperPod(node)
	if err != nil {
		return err
	}
	for _, container := range pod.Status.ContainerStatuses {
		if !container.Ready {
			return fmt.Errorf("container %s on %s is not ready", container.Name, node)
		}
	}
	return nil
}

// powerLoss takes the power from a node that is being drained.
func powerLoss(s *story) {
	before := s.requireReboot(abrupt)
	s.eventually("a pod of "+abrupt+" is being evicted", func() error { return s.evicting(abrupt) })
	s.journal.add(abrupt, said, "the test takes the power away and gives it back")
	s.must(s.guests[abrupt].powerCut(s.ctx), "take the power away and give it back")
	s.eventually(abrupt+" is proved", func() error { return s.inPhase(abrupt, before, v1alpha1.PhaseSucceeded) })
	s.eventually(abrupt+" is in service", func() error { return s.inService(abrupt) })
	s.expectNo(abrupt, toldToReboot, drained)
	s.expectNo(graceful, cordoned, nodeNotReady, machineReset)
	s.expectAnotherBoot(abrupt, before)
	s.expectAsked(abrupt, before, 0)
	s.eventually("everything runs as before", s.allReady)
}
