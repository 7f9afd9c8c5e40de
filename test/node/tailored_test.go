package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What the components apparmor and selinux confine the rebooter to, as the kernel calls it.
const (
	appArmorProfile = "reboot-operator-rebooter (enforce)"
	selinuxType     = "system_u:system_r:reboot_operator_t:s0:c61,c111"
)

// loadProfile loads the AppArmor profile of the component as its file says, which also has it loaded at every boot.
func (s *story) loadProfile(node string) {
	s.Helper()
	profile, err := os.ReadFile(filepath.Join(s.source, "config", "components", "apparmor", "reboot-operator-rebooter"))
	s.must(err, "read the AppArmor profile")
	s.on(node, fmt.Sprintf("cat > /tmp/reboot-operator-rebooter <<'END'\n%s\nEND\n"+
		"install -m 0644 /tmp/reboot-operator-rebooter /etc/apparmor.d/ && apparmor_parser -r /etc/apparmor.d/reboot-operator-rebooter", profile))
	s.journal.add(node, said, "the AppArmor profile reboot-operator-rebooter is loaded")
}

// confinedTo returns nil if the rebooter of the node runs under the label, and both containers of its pod are ready.
func (s *story) confinedTo(node, label string) error {
	if err := s.helperReady(node); err != nil {
		return err
	}
	const script = `pid=$(pgrep -o -f '^/rebooter --reboot') && tr -d '\0' < /proc/$pid/attr/current || echo none`
	if got := s.on(node, script); got != label {
		return fmt.Errorf("%s: the rebooter runs as %q, want %q", node, got, label)
	}
	return nil
}

// confinement is what the rebooter is confined to, and one thing that it must not do there, although nothing else keeps it from that.
type confinement struct {
	label string
	// attempt are arguments of the rebooter's program, and subject what the denial names.
	attempt, subject string
	// denial is what the kernel writes of every one.
	denial string
}

// AppArmor of Debian's kernel does not mediate connections to sockets, only files: the rebooter may make no other socket than its own.
var byAppArmor = confinement{
	label: appArmorProfile, attempt: "--socket=/run/reboot-operator/another.sock", subject: "another.sock",
	denial: `apparmor="DENIED".*profile="reboot-operator-rebooter"`,
}

// By the socket of containerd, user 0 could start privileged containers. As spc_t it may connect to it, see separation.
var bySELinux = confinement{
	label: selinuxType, attempt: "--probe --socket=/host/run/containerd/containerd.sock", subject: "containerd",
	denial: `avc: +denied.*scontext=system_u:system_r:reboot_operator_t`,
}

// expectTailored looks whether a rebooter under its own profile or type may do what it has to, and not what it has not.
func (s *story) expectTailored(node string, c confinement) {
	s.Helper()
	s.expectNoPrivilege(node, map[string]string{"rebooter": c.label})
	const asRebooter = `pid=$(pgrep -o -f '^/rebooter --reboot')
		id=$(sed -n 's/.*cri-containerd-\([0-9a-f]*\)[.]scope.*/\1/p' /proc/$pid/cgroup | head -n 1)
		timeout 60 ctr --namespace k8s.io tasks exec --exec-id try-$RANDOM$RANDOM "$id" /rebooter %s 2>&1 && echo answered || true`
	if output := s.on(node, fmt.Sprintf(asRebooter, "--probe")); output != "answered" {
		s.Errorf("%s: as %s the rebooter does not reach its own socket: %s", node, c.label, output)
	}
	output := s.on(node, fmt.Sprintf(asRebooter, c.attempt))
	if !strings.Contains(output, "permission denied") {
		s.Errorf("%s: as %s the rebooter is not kept from %s: %s", node, c.label, c.subject, output)
	}
	s.journal.add(node, said, "as %s, rebooter %s: %s", c.label, c.attempt, strings.Join(strings.Fields(output), " "))
	const denied = `journalctl --dmesg --no-pager --output cat | grep -E '%s' | grep '%s' | tail -n 1`
	line := s.on(node, fmt.Sprintf(denied, c.denial, c.subject))
	if line == "" {
		s.Errorf("%s: the kernel says of no denial", node)
	}
	s.journal.add(node, said, "its kernel said: %s", line)
	s.expectOnlyDenied(node, c)
}

// expectOnlyDenied fails if the kernel refused the rebooter anything but what expectTailored tried.
func (s *story) expectOnlyDenied(node string, c confinement) {
	s.Helper()
	const others = `journalctl --dmesg --no-pager --output cat | grep -E '%s' | grep -v '%s' || true`
	if output := s.on(node, fmt.Sprintf(others, c.denial, c.subject)); output != "" {
		s.Errorf("%s: it was refused what it needs: %s", node, output)
	}
}

// newerKernel installs a kernel that is newer than the running one, as far as a package manager would; the files are removed again by
// withoutNewerKernel. The running one has an image next to it, as on every host.
func (s *story) newerKernel(node string) (release string) {
	s.Helper()
	release = s.on(node, `running=$(uname -r); newer=$(echo $running | sed -E 's/^([0-9]+[.][0-9]+[.][0-9]+)-[0-9]+/\1-999/')
		[ "$running" != "$newer" ] || exit 1
		cp -p /boot/vmlinuz "/boot/vmlinuz-$running"
		mkdir -p "/lib/modules/$newer" && cp /boot/vmlinuz "/boot/vmlinuz-$newer" && sync && echo $newer`)
	s.journal.add(node, said, "kernel %s is installed", release)
	return release
}

func (s *story) withoutNewerKernel(node, release string) {
	s.Helper()
	s.on(node, fmt.Sprintf("rm -r /lib/modules/%[1]s /boot/vmlinuz-%[1]s && sync", release))
	s.journal.add(node, said, "kernel %s is removed", release)
}

// expectReason fails unless the NodeReboot of the boot was made for a reason that has the text.
func (s *story) expectReason(node string, before boot, text string) {
	s.Helper()
	reboot, err := s.rebootOf(node, before)
	s.must(err, "get the NodeReboot of %s", node)
	s.journal.add(node, said, "asked for because of: %s", reboot.Spec.Reason)
	if reboot.Spec.Trigger != v1alpha1.TriggerSentinel || !strings.Contains(reboot.Spec.Reason, text) {
		s.Errorf("%s: %s because of %q, want %q", node, reboot.Spec.Trigger, reboot.Spec.Reason, text)
	}
}
