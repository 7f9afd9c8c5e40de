package node

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// byDefault is the rebooter's container with the profile and the label that containers have by default.
const byDefault = "by-default"

// separation puts a program that tries everything into both containers of the helper's pod, with their users, rights and mounts. A third
// one has those of the rebooter, but for what takes that out of SELinux's and AppArmor's hands.
func separation(s *story) {
	var set appsv1.DaemonSet
	s.must(s.get(&set, testbed.Namespace, helperSet), "get the helper's DaemonSet")
	victim := s.podOf(abrupt, "web")
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: testbed.Namespace, Name: "probe"},
		Spec:       set.Spec.Template.Spec,
	}
	pod.Spec.NodeName = abrupt
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	third := *pod.Spec.Containers[0].DeepCopy()
	third.Name = byDefault
	third.SecurityContext.AppArmorProfile, third.SecurityContext.SELinuxOptions = nil, nil
	pod.Spec.Containers = append(pod.Spec.Containers, third)
	for i := range pod.Spec.Containers {
		container := &pod.Spec.Containers[i]
		container.Image = workloadImage
		container.Command = []string{"/workload", "probe", abrupt, victim.Namespace, victim.Name}
		container.Args = nil
		container.LivenessProbe, container.ReadinessProbe, container.StartupProbe = nil, nil, nil
	}
	s.must(s.Client().Create(s.ctx, pod), "create the probe")
	s.eventually("the probe has tried everything", func() error { return s.ended(pod) })
	want := map[string]map[string]string{
		"helper": {
			"list the host's /run":     "no",
			"ask logind for a reboot":  "no",
			"connect to containerd":    "no",
			"read a token":             "yes",
			"evict a pod of the node":  "yes",
			"delete a pod of the node": "no",
			"read secrets":             "no",
		},
		// Anyone who may talk to the host's bus as user 0 could also start containers.
		"rebooter": {
			"list the host's /run":     "yes",
			"ask logind for a reboot":  "yes",
			"connect to containerd":    "yes",
			"read a token":             "no",
			"evict a pod of the node":  "no",
			"delete a pod of the node": "no",
			"read secrets":             "no",
		},
		byDefault: {
			"list the host's /run":     "no",
			"ask logind for a reboot":  "no",
			"connect to containerd":    "no",
			"read a token":             "no",
			"evict a pod of the node":  "no",
			"delete a pod of the node": "no",
			"read secrets":             "no",
		},
	}
	for _, status := range pod.Status.ContainerStatuses {
		s.compare(status.Name, status.State.Terminated.Message, want[status.Name])
	}
	s.must(s.Client().Delete(s.ctx, pod, client.GracePeriodSeconds(0)), "delete the probe")
}

// ended reads the pod and returns nil if it has ended.
func (s *story) ended(pod *corev1.Pod) error {
	if err := s.get(pod, pod.Namespace, pod.Name); err != nil {
		return err
	}
	if pod.Status.Phase != corev1.PodSucceeded {
		return fmt.Errorf("pod %s is %s", pod.Name, pod.Status.Phase)
	}
	return nil
}

// compare looks at each line of a report, such as "read a token: no: no such file".
func (s *story) compare(container, report string, want map[string]string) {
	s.Helper()
	tried := 0
	for line := range strings.Lines(report) {
		line = strings.TrimSpace(line)
		s.journal.add(abrupt, said, "container %s, %s", container, line)
		what, result, _ := strings.Cut(line, ": ")
		got, _, _ := strings.Cut(result, ":")
		if want[what] != got {
			s.Errorf("container %s: want %q: %s", container, want[what], line)
		}
		tried++
	}
	if tried == 0 || tried != len(want) {
		s.Errorf("container %s: tried %d of %d: %s", container, tried, len(want), report)
	}
}
