package manifests

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

var update = flag.Bool("update", false, "write testdata/podsecurity.txt")

// podSecurityList is everything in which a container of config/default and of the overlays is not within the Pod Security level
// "restricted".
const podSecurityList = "testdata/podsecurity.txt"

// alone is the pod if it had only one of its containers: what is of the pod, and the volumes that the container mounts.
func alone(pod *corev1.PodSpec, c *corev1.Container) *corev1.PodSpec {
	one := pod.DeepCopy()
	one.InitContainers, one.Containers = nil, []corev1.Container{*c}
	one.Volumes = slices.DeleteFunc(one.Volumes, func(v corev1.Volume) bool {
		return !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == v.Name })
	})
	return one
}

// violations are the controls that a pod is not within, at every level, in every version of the Pod Security Standards.
func violations(pod *corev1.PodSpec) []string {
	var found []string
	for _, check := range policy.DefaultChecks() {
		for _, version := range check.Versions {
			result := version.CheckPod(&metav1.ObjectMeta{}, pod)
			line := fmt.Sprintf("%s %s: %s", check.Level, check.ID, result.ForbiddenDetail)
			if !result.Allowed && !slices.Contains(found, line) {
				found = append(found, line)
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestTheContainerHelperIsWithinRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	forEach(t, func(t *testing.T, name string, pod *corev1.PodSpec) {
		one := alone(pod, container(t, pod, "helper"))
		if says(name, "host-programs") || says(name, "signal") {
			one.HostPID = false // It is the pod's, for the rebooter. The list below has it.
		}
		results := evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &metav1.ObjectMeta{}, one)
		if result := policy.AggregateCheckResults(results); !result.Allowed {
			t.Errorf("the container helper: %s", result.ForbiddenDetail())
		}
		if found := violations(one); len(found) > 0 {
			t.Errorf("the container helper, in some version of the standards:\n%s", strings.Join(found, "\n"))
		}
	})
}

// Nothing may come to this list unseen.
func TestContainersDifferFromRestrictedOnlyAsListed(t *testing.T) {
	overlays, err := Overlays()
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, name := range append([]string{"default"}, overlays...) {
		objects, err := Render(name)
		if err != nil {
			t.Fatal(err)
		}
		pods, err := objects.Pods()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%s\n", name)
		for _, pod := range pods {
			for i := range pod.Spec.Containers {
				c := &pod.Spec.Containers[i]
				for _, line := range append([]string{pod.Name + ", container " + c.Name}, violations(alone(pod.Spec, c))...) {
					fmt.Fprintf(&list, "  %s\n", line)
				}
			}
		}
	}
	if *update {
		if err := os.WriteFile(podSecurityList, []byte(list.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(podSecurityList)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(list.String(), "\n")); diff != "" {
		t.Errorf("%s (-listed +rendered; -update writes it):\n%s", podSecurityList, diff)
	}
}
