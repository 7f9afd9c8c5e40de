package manifests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// rendered is everything that can be installed.
func rendered(t *testing.T) map[string]Rendered {
	t.Helper()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d installations", len(all))
	}
	return all
}

// forEach runs a test for everything that can be installed.
func forEach(t *testing.T, run func(t *testing.T, name string, pod *corev1.PodSpec)) {
	t.Helper()
	for name, objects := range rendered(t) {
		t.Run(name, func(t *testing.T) {
			pod, err := objects.HelperPod()
			if err != nil {
				t.Fatal(err)
			}
			run(t, name, pod)
		})
	}
}

// says whether an installation has a component.
func says(name, component string) bool {
	if name == "overlays/privileged-command" {
		return component == "host-programs" || component == "sentinel-command"
	}
	return slices.Contains(strings.Split(strings.TrimPrefix(name, "overlays/"), "+"), component)
}

func container(t *testing.T, pod *corev1.PodSpec, name string) *corev1.Container {
	t.Helper()
	for i := range pod.Containers {
		if pod.Containers[i].Name == name {
			return &pod.Containers[i]
		}
	}
	t.Fatalf("there is no container %s", name)
	return nil
}

func TestTheHelpersPodHasTwoContainers(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, pod *corev1.PodSpec) {
		var names []string
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			names = append(names, c.Name)
		}
		if diff := cmp.Diff([]string{"rebooter", "helper"}, names); diff != "" {
			t.Errorf("containers (-want +got):\n%s", diff)
		}
	})
}

func TestOnlyTheContainerHelperHasAnAPIToken(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, pod *corev1.PodSpec) {
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Error("the token would be mounted into every container")
		}
		tokens := map[string]bool{}
		for _, v := range pod.Volumes {
			for _, source := range projections(v) {
				// Tokens of exactly 3607 seconds are made good for a year.
				if token := source.ServiceAccountToken; token != nil {
					tokens[v.Name] = true
					if s := token.ExpirationSeconds; s == nil || *s > 3600 {
						t.Errorf("volume %s: the token is good for %v seconds", v.Name, s)
					}
				}
			}
			if v.Secret != nil {
				t.Errorf("volume %s is a secret", v.Name)
			}
		}
		var mounted []string
		for _, c := range pod.Containers {
			for _, m := range c.VolumeMounts {
				if tokens[m.Name] {
					mounted = append(mounted, c.Name+" "+m.MountPath)
				}
			}
		}
		want := []string{"helper /var/run/secrets/kubernetes.io/serviceaccount"}
		if diff := cmp.Diff(want, mounted); diff != "" {
			t.Errorf("tokens are mounted at (-want +got):\n%s", diff)
		}
	})
}

func projections(v corev1.Volume) []corev1.VolumeProjection {
	if v.Projected == nil {
		return nil
	}
	return v.Projected.Sources
}

func TestTheContainerHelperHasNothingOfTheHost(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, pod *corev1.PodSpec) {
		helper := container(t, pod, "helper")
		checkRestricted(t, pod, helper)
		if user := helper.SecurityContext.RunAsUser; user == nil || *user != rebooter.DefaultHelperUID || !*helper.SecurityContext.RunAsNonRoot {
			t.Errorf("it runs as %v", user)
		}
		want := map[string]string{"token": "", "rebooter": ""}
		if diff := cmp.Diff(want, mountsOf(t, pod, helper)); diff != "" {
			t.Errorf("mounts (-want +got):\n%s", diff)
		}
		for _, m := range helper.VolumeMounts {
			if !m.ReadOnly {
				t.Errorf("%s can be written to", m.MountPath)
			}
		}
	})
}

func TestTheContainerRebooterHasNoMorePowerThanItsComponentsSay(t *testing.T) {
	forEach(t, func(t *testing.T, name string, pod *corev1.PodSpec) {
		rebooter := container(t, pod, "rebooter")
		privileged, signal := says(name, "host-programs"), says(name, "signal")
		if pod.HostPID != (privileged || signal) || pod.HostNetwork || pod.HostIPC {
			t.Errorf("host's namespaces: PID %t, network %t, IPC %t", pod.HostPID, pod.HostNetwork, pod.HostIPC)
		}
		security := rebooter.SecurityContext
		if *security.RunAsUser != 0 {
			t.Errorf("it runs as %d; logind and systemd listen to 0", *security.RunAsUser)
		}
		if *security.Privileged != privileged {
			t.Errorf("privileged is %t", *security.Privileged)
		}
		own, unconfined := security.AppArmorProfile.Type == corev1.AppArmorProfileTypeLocalhost,
			security.AppArmorProfile.Type == corev1.AppArmorProfileTypeUnconfined
		if apparmor := says(name, "apparmor"); own != apparmor || unconfined == apparmor {
			t.Errorf("AppArmor is %v", security.AppArmorProfile)
		}
		if confined := security.SELinuxOptions.Type != "spc_t"; confined != says(name, "selinux") {
			t.Errorf("SELinux is %v", security.SELinuxOptions)
		}
		// containerd chooses a level of its own for a container that names anything of its label, and the helper could not connect.
		if of := pod.SecurityContext.SELinuxOptions; of == nil || of.Level == "" || of.Level != security.SELinuxOptions.Level {
			t.Errorf("the pod's SELinux options are %v, and those of the rebooter %v", of, security.SELinuxOptions)
		}
		if !privileged {
			checkRestricted(t, pod, rebooter)
		}
		want := map[string]string{"rebooter": "", "run": "/run"}
		if says(name, "sentinel-kernel") {
			want["modules"], want["boot"] = "/lib/modules", "/boot"
		}
		if diff := cmp.Diff(want, mountsOf(t, pod, rebooter)); diff != "" {
			t.Errorf("mounts (-want +got):\n%s", diff)
		}
		if len(pod.Volumes) != len(want)+1 {
			t.Errorf("%d volumes: one is mounted nowhere", len(pod.Volumes))
		}
	})
}

// checkRestricted is about what every container has in common that is not privileged.
func checkRestricted(t *testing.T, pod *corev1.PodSpec, c *corev1.Container) {
	t.Helper()
	security := c.SecurityContext
	if *security.Privileged || *security.AllowPrivilegeEscalation || !*security.ReadOnlyRootFilesystem {
		t.Errorf("container %s: %s", c.Name, YAML(security))
	}
	if want := (&corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}); cmp.Diff(want, security.Capabilities) != "" {
		t.Errorf("container %s has capabilities %v", c.Name, security.Capabilities)
	}
	if security.SeccompProfile != nil || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("container %s: not the default seccomp profile", c.Name)
	}
}

// mountsOf are the volumes that a container mounts, and the directory of the host that each is, if any.
func mountsOf(t *testing.T, pod *corev1.PodSpec, c *corev1.Container) map[string]string {
	t.Helper()
	mounts := map[string]string{}
	for _, m := range c.VolumeMounts {
		i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if i < 0 {
			t.Fatalf("there is no volume %s", m.Name)
		}
		mounts[m.Name] = ""
		if host := pod.Volumes[i].HostPath; host != nil {
			mounts[m.Name] = host.Path
			if host.Type == nil || !strings.HasPrefix(string(*host.Type), "Directory") {
				t.Errorf("%s is mounted as %v; a file that is not there must not be made", host.Path, host.Type)
			}
		}
	}
	return mounts
}

// The group of the socket's directory is what lets the helper connect.
func TestTheHelperIsInTheGroupOfTheSocket(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, pod *corev1.PodSpec) {
		helper := container(t, pod, "helper")
		if group := pod.SecurityContext.FSGroup; group == nil || *group != *helper.SecurityContext.RunAsGroup {
			t.Errorf("the group is %v", group)
		}
		for _, c := range pod.Containers {
			i := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/run/reboot-operator" })
			if i < 0 || c.VolumeMounts[i].Name != "rebooter" {
				t.Errorf("container %s does not have the socket at its place", c.Name)
			}
			if c.LivenessProbe == nil || c.ReadinessProbe == nil && c.StartupProbe == nil {
				t.Errorf("container %s has no probes", c.Name)
			}
		}
	})
}

func TestOnlyTheComponentForOldClustersLetsHelpersEvictByThemselves(t *testing.T) {
	for name, objects := range rendered(t) {
		t.Run(name, func(t *testing.T) {
			old := says(name, "before-1.36")
			var mayEvict, mayImpersonate bool
			for _, object := range objects {
				if object.Kind() != "ClusterRole" || !strings.HasPrefix(object.Name(), "reboot-operator-helper") {
					continue
				}
				role, err := Find[rbacv1.ClusterRole](objects, object.Kind(), object.Name())
				if err != nil {
					t.Fatal(err)
				}
				for _, rule := range role.Rules {
					mayEvict = mayEvict || slices.Contains(rule.Resources, "pods/eviction") && slices.Contains(rule.Verbs, "create")
					mayImpersonate = mayImpersonate || strings.Contains(fmt.Sprint(rule.Verbs), "impersonate")
				}
			}
			if mayEvict != old || !mayImpersonate {
				t.Errorf("helpers may evict: %t, may impersonate: %t", mayEvict, mayImpersonate)
			}
		})
	}
}
