package node

import (
	"fmt"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// kexec reboots a host that has a kernel loaded for it. QEMU would report a reset of the machine, and there is none. From now on the
// rebooter has its own SELinux type, until something else is installed.
func kexec(s *story) {
	s.reinstall(installation{base: "config/default", components: []string{"selinux"}})
	s.journal.add("", said, "config/default is installed with the component selinux")
	s.eventually("the helpers run", s.helpersUpdated)
	s.eventually("the rebooter has its own type", func() error { return s.confinedTo(abrupt, selinuxType) })
	s.expectTailored(abrupt, bySELinux)
	s.rebootVia(v1alpha1.RebootViaKexec)
	s.on(abrupt, "kexec --load /boot/vmlinuz --reuse-cmdline")
	before := s.requireReboot(abrupt)
	s.eventually(abrupt+" is proved", func() error { return s.inPhase(abrupt, before, v1alpha1.PhaseSucceeded) })
	s.expectPath(abrupt, before, v1alpha1.RebootViaKexec)
	s.expectOrder(abrupt, cordoned, drained, toldToReboot, newBoot, uncordoned)
	s.expectNo(abrupt, machineReset)
	s.expectAsked(abrupt, before, 1)
	// The clock of a kernel that starts on a busy machine in this way is off, so only the boots are looked at.
	after := s.bootOf(abrupt)
	s.journal.add(abrupt, said, "before: %s", before)
	s.journal.add(abrupt, said, "now:    %s", after)
	s.expectOneBoot(abrupt, before, after)
	s.eventually("everything runs as before", s.allReady)
	s.eventually("the rebooter has its own type after the boot", func() error { return s.confinedTo(abrupt, selinuxType) })
	s.expectOnlyDenied(abrupt, bySELinux)
}

func (s *story) rebootVia(via v1alpha1.RebootVia) {
	s.Helper()
	s.patchPolicy(fmt.Sprintf(`{"spec":{"reboot":{"via":%q}}}`, via))
	s.journal.add("", said, "the policy reboots via %s", via)
}

// expectPath fails unless the NodeReboot says that logind rebooted the host by the path.
func (s *story) expectPath(node string, before boot, via v1alpha1.RebootVia) {
	s.Helper()
	reboot, err := s.rebootOf(node, before)
	s.must(err, "get the NodeReboot of %s", node)
	attempt := attemptOf(reboot)
	s.journal.add(node, said, "rebooted by %s, via %s", attempt.RebootMethod, attempt.RebootVia)
	if attempt.RebootMethod != v1alpha1.RebootLogind || attempt.RebootVia != via {
		s.Errorf("%s: rebooted by %q via %q, want Logind via %s", node, attempt.RebootMethod, attempt.RebootVia, via)
	}
}

// inhibited has inhibitor locks of the mode block, held by user 0, for whom logind would bypass them: one that is there when the host asks
// for a reboot, and one that comes while the node is drained. No kernel is loaded, so the host reboots through the firmware although the
// policy says kexec. The kubelet's lock, of the mode delay, is respected as always.
//
// The rebooter is under the AppArmor profile of its own, and the host asks for the reboot because of a kernel. The other host has no
// AppArmor, and so no helper here.
func inhibited(s *story) {
	s.inhibit(graceful, "backup", "nightly")
	s.loadProfile(graceful)
	before, newer := s.bootOf(graceful), s.newerKernel(graceful)
	s.reinstall(installation{base: "config/default", components: []string{"sentinel-kernel", "apparmor"}})
	s.journal.add("", said, "config/default is installed with the components sentinel-kernel and apparmor")
	s.eventually("the rebooter has its own profile", func() error { return s.confinedTo(graceful, appArmorProfile) })
	s.eventually(graceful+" is not drained", func() error {
		return s.pendingFor(graceful, before, v1alpha1.ReasonRebootInhibited, "backup", "nightly")
	})
	s.expectNo(graceful, cordoned)
	s.expectReason(graceful, before, newer)
	s.expectTailored(graceful, byAppArmor)
	// QEMU loads the kernel that it was started with, so the newer one must not be there after the boot. Another sentinel takes its place.
	s.requireReboot(graceful)
	s.withoutNewerKernel(graceful, newer)
	agent := s.podOf(graceful, "agent")
	s.release(graceful, "backup")

	s.eventually(graceful+" is cordoned", func() error { return s.happened(graceful, cordoned) })
	s.inhibit(graceful, "database", "checkpoint")
	s.eventually(graceful+" is drained", func() error { return s.happened(graceful, drained) })
	s.eventually(graceful+" is not rebooted", func() error {
		return s.pendingFor(graceful, before, v1alpha1.ReasonRebootInhibited, "database", "checkpoint")
	})
	s.expectNo(graceful, toldToReboot)
	s.expectAsked(graceful, before, 0)
	s.release(graceful, "database")

	s.eventually(graceful+" is proved", func() error { return s.inPhase(graceful, before, v1alpha1.PhaseSucceeded) })
	s.expectPath(graceful, before, v1alpha1.RebootViaFirmware)
	s.expectOrder(graceful, cordoned, drained, toldToReboot, machineReset, newBoot, uncordoned)
	s.expectAnotherBoot(graceful, before)
	s.expectAsked(graceful, before, 1)
	s.eventually("all but the helper of "+abrupt+" runs as before", s.workloadsReady)
	s.eventually("the rebooter has its own profile after the boot", func() error { return s.confinedTo(graceful, appArmorProfile) })
	s.expectOnlyDenied(graceful, byAppArmor)
	s.expectStoppedInOrder(agent)
	s.rebootVia(v1alpha1.RebootViaFirmware)
}

// inhibit takes a block lock, and waits until logind lists it.
func (s *story) inhibit(node, who, why string) {
	s.Helper()
	const script = `systemd-run --quiet --unit=%[1]s systemd-inhibit --what=shutdown --mode=block --who=%[1]s --why=%[2]s sleep infinity
		until systemd-inhibit --list --no-legend | grep -q '^%[1]s .*%[2]s *block'; do sleep 0.2; done`
	s.on(node, fmt.Sprintf(script, who, why))
	s.journal.add(node, said, "%s holds a block lock, for %q", who, why)
}

func (s *story) release(node, who string) {
	s.Helper()
	s.on(node, "systemctl stop "+who)
	s.journal.add(node, said, "%s releases its lock", who)
}
