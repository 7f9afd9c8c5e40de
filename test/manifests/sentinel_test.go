package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// sentinelsOf are the files that a rebooter is given.
func sentinelsOf(c *corev1.Container) []string {
	var paths []string
	for _, arg := range c.Args {
		if path, found := strings.CutPrefix(arg, "--sentinel="); found {
			paths = append(paths, path)
		}
	}
	return paths
}

// checkSentinels makes sure that every sentinel is in a directory that is mounted from the same place of the host, in a way that what
// changes there changes here.
func checkSentinels(t *testing.T, pod *corev1.PodSpec) {
	t.Helper()
	rebooter := container(t, pod, "rebooter")
	if !slices.Contains(rebooter.Args, "--host-root=/host") {
		t.Errorf("arguments %q", rebooter.Args)
	}
	for _, path := range sentinelsOf(rebooter) {
		mounted := slices.ContainsFunc(rebooter.VolumeMounts, func(m corev1.VolumeMount) bool {
			i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
			directory, below := strings.CutPrefix(m.MountPath, "/host")
			return below && strings.HasPrefix(filepath.Dir(path)+"/", directory+"/") && m.ReadOnly && pod.Volumes[i].HostPath != nil &&
				pod.Volumes[i].HostPath.Path == directory &&
				m.MountPropagation != nil && *m.MountPropagation == corev1.MountPropagationHostToContainer
		})
		if !mounted {
			t.Errorf("the directory of the sentinel %s is not mounted from the host", path)
		}
	}
}

func TestEverySentinelIsInADirectoryOfTheHost(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, pod *corev1.PodSpec) {
		checkSentinels(t, pod)
		if got := sentinelsOf(container(t, pod, "rebooter")); len(got) == 0 {
			t.Error("there are no sentinels")
		}
	})
}

// The example is what people copy.
func TestTheExampleOfASentinelElsewhereWorks(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n### Sentinels\n")
	if !found {
		t.Fatal("docs/operations.md has no section Sentinels")
	}
	_, example, _ := strings.Cut(section, "\n```yaml\n")
	example, _, _ = strings.Cut(example, "\n```\n")
	objects, err := RenderOverlay(example)
	if err != nil {
		t.Fatal(err)
	}
	pod, err := objects.HelperPod()
	if err != nil {
		t.Fatal(err)
	}
	checkSentinels(t, pod)
	if got := sentinelsOf(container(t, pod, "rebooter")); !slices.Contains(got, "/var/lib/updates/reboot-required") {
		t.Errorf("sentinels %q", got)
	}
}
