package node

import (
	"fmt"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// labels are what the kernel says about the helper's two programs, by the node: AppArmor's profile, or SELinux's context.
func labels() map[string]map[string]string {
	return map[string]map[string]string{
		graceful: {"rebooter": "unconfined", "helper": "cri-containerd.apparmor.d (enforce)"},
		abrupt: {
			"rebooter": "system_u:system_r:spc_t:s0:c61,c111",
			"helper":   "system_u:system_r:container_t:s0:c61,c111",
		},
	}
}

// expectConfinement looks whether the machine confines containers as it should, and those of the helper's pod.
func (s *story) expectConfinement(node string) {
	s.Helper()
	const modules = `selinux=$(cat /sys/fs/selinux/enforce 2>/dev/null || echo N)
		echo "AppArmor $(cat /sys/module/apparmor/parameters/enabled), SELinux $selinux"`
	want := map[string]string{graceful: "AppArmor Y, SELinux N", abrupt: "AppArmor N, SELinux 1"}[node]
	if got := s.on(node, modules); got != want {
		s.Fatalf("%s: %s, want %s", node, got, want)
	}
	s.expectNoPrivilege(node, labels()[node])
	if node == abrupt {
		s.expectLabeledPods()
	}
}

// expectNoPrivilege looks at the helper's processes from the host, without those of probes, which come and go.
func (s *story) expectNoPrivilege(node string, labels map[string]string) {
	s.Helper()
	const script = `for pid in $(pgrep -f '^/(helper|rebooter --reboot)'); do
		label=$(tr -d '\0' < /proc/$pid/attr/current)
		echo $(cat /proc/$pid/comm; grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp|VmRSS):' /proc/$pid/status) $label
	done`
	found := map[string]bool{}
	for line := range strings.Lines(s.on(node, script)) {
		line = strings.TrimSpace(line)
		s.journal.add(node, said, "%s", line)
		program, _, _ := strings.Cut(line, " ")
		found[program] = true
		unprivileged := []string{"CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", labels[program]}
		for _, want := range unprivileged {
			if !strings.Contains(line, " "+want) {
				s.Errorf("%s: want %q in %s", node, want, line)
			}
		}
	}
	for program := range labels {
		if !found[program] {
			s.Errorf("%s: no process of %s found", node, program)
		}
	}
}

// expectLabeledPods fails unless SELinux confines the other containers as well, and has had nothing to refuse the operator.
func (s *story) expectLabeledPods() {
	s.Helper()
	const others = `for pid in $(pgrep -f '^/(manager|workload serve)'); do
		tr -d '\0' < /proc/$pid/attr/current; echo
	done | cut -d: -f3 | sort -u`
	if output := s.on(abrupt, others); output != "container_t" {
		s.Errorf("%s: the containers of other pods run as %q", abrupt, output)
	}
	const denials = `journalctl --dmesg --no-pager --output cat | grep -E 'avc: +denied.*comm="(helper|manager|rebooter)"' || true`
	if output := s.on(abrupt, denials); output != "" {
		s.Errorf("%s: SELinux refused the operator: %s", abrupt, output)
	}
}

// labeled takes the SELinux type from the rebooter, which leaves it that of all containers.
const labeled = `spec: {template: {spec: {containers: [{name: rebooter, securityContext: {seLinuxOptions: {type: container_t}}}]}}}`

// refused has hosts that forbid the rebooter to reach logind: one by SELinux, the other by the policy of its bus. Both ask for a reboot
// before that, because SELinux hides the sentinel as well.
func refused(s *story) {
	s.setMode(v1alpha1.ModePaused)
	before := map[string]boot{graceful: s.requireReboot(graceful), abrupt: s.requireReboot(abrupt)}
	for node := range s.guests {
		s.eventually(node+" is tainted although the policy is paused", func() error { return s.isTainted(node) })
	}
	const policy = "/etc/dbus-1/system.d/node-test.conf"
	s.on(graceful, "cat > "+policy+` <<'END'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <policy context="mandatory">
    <deny send_destination="org.freedesktop.login1" send_interface="org.freedesktop.login1.Manager" send_member="CanReboot"/>
    <deny send_destination="org.freedesktop.login1" send_interface="org.freedesktop.login1.Manager" send_member="Reboot"/>
    <deny send_destination="org.freedesktop.login1" send_interface="org.freedesktop.login1.Manager" send_member="RebootWithFlags"/>
  </policy>
</busconfig>
END
systemctl reload dbus`)
	s.reinstall(installation{base: "config/default", patches: []string{labeled}})
	s.journal.add("", said, "SELinux confines the rebooter of %s, and the bus of %s takes no call to reboot", abrupt, graceful)
	for node := range s.guests {
		s.eventually("the helper of "+node+" knows", func() error { return s.hasObstacle(node, before[node]) })
	}
	s.setMode(v1alpha1.ModeEnforce)
	for node := range s.guests {
		s.eventually(node+" is not drained", func() error { return s.pendingFor(node, before[node], v1alpha1.ReasonHostCannotReboot) })
	}
	const denial = `journalctl --dmesg --no-pager --output cat | grep -E 'avc: +denied.*comm="rebooter"' | tail -n 1`
	s.journal.add(abrupt, said, "its kernel said: %s", s.on(abrupt, denial))

	// The hosts need no reboot any more before they can be rebooted again.
	for node := range s.guests {
		s.on(node, "rm /run/reboot-required*")
	}
	s.on(graceful, "rm "+policy+"; systemctl reload dbus")
	s.reinstall(installation{base: "config/default"})
	s.journal.add("", said, "config/default is installed as it is, and no host asks for a reboot")
	s.eventually("the helpers run", s.helpersUpdated)
	for node := range s.guests {
		s.eventually(node+" is in service", func() error { return s.inService(node) })
		s.expectNo(node, cordoned, drained, toldToReboot, machineReset)
		s.expectAsked(node, before[node], 0)
	}
}

// hasObstacle returns nil if the node's helper reports that something is in the way of a reboot.
func (s *story) hasObstacle(node string, before boot) error {
	reboot, err := s.rebootOf(node, before)
	if err != nil {
		return err
	}
	if report := reboot.Status.Report; report == nil || len(report.Methods) == 0 || report.Methods[0].Obstacle == "" {
		return fmt.Errorf("%s: the helper reports nothing that is in the way", node)
	}
	return nil
}

// pendingFor returns nil if the boot's NodeReboot waits for the reason, and its message says all that is given.
func (s *story) pendingFor(node string, before boot, reason string, says ...string) error {
	reboot, err := s.rebootOf(node, before)
	if err != nil {
		return err
	}
	status := reboot.Status
	if status.Reason != reason {
		return fmt.Errorf("%s is %s, %s: %s", reboot.Name, status.Phase, status.Reason, status.Message)
	}
	for _, text := range says {
		if !strings.Contains(status.Message, text) {
			return fmt.Errorf("%s does not say %q: %s", reboot.Name, text, status.Message)
		}
	}
	return nil
}
