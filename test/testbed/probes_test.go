package testbed

import (
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func probeEvery(period, delay int32) *corev1.Probe {
	return &corev1.Probe{PeriodSeconds: period, InitialDelaySeconds: delay}
}

func TestAKubeletProbesAContainer(t *testing.T) {
	old := second(0).Add(-time.Hour)
	tests := map[string]struct {
		startup, readiness *corev1.Probe
		kubelet            time.Time
		serves             int
		from, to           time.Duration
	}{
		"no probe":                         {kubelet: second(0)},
		"a kubelet that has run for long":  {readiness: probeEvery(30, 0), kubelet: old},
		"one that has just begun":          {readiness: probeEvery(30, 0), kubelet: second(0), from: time.Millisecond, to: 30 * time.Second},
		"one that began a while ago":       {readiness: probeEvery(30, 0), kubelet: second(0).Add(-31 * time.Second)},
		"the period of a probe without":    {readiness: probeEvery(0, 0), kubelet: second(0).Add(-9 * time.Second), to: 10 * time.Second},
		"served after the first probe":     {readiness: probeEvery(5, 0), kubelet: old, serves: 6, from: 10 * time.Second, to: 10 * time.Second},
		"served on the dot":                {readiness: probeEvery(5, 0), kubelet: old, serves: 5, from: 5 * time.Second, to: 5 * time.Second},
		"a delay":                          {readiness: probeEvery(5, 7), kubelet: old, from: 10 * time.Second, to: 10 * time.Second},
		"started, then ready at once":      {startup: probeEvery(1, 0), readiness: probeEvery(30, 0), kubelet: old, serves: 3, from: 3 * time.Second, to: 3 * time.Second},
		"started, and no other probe":      {startup: probeEvery(1, 0), kubelet: second(0), from: time.Millisecond, to: time.Second},
		"started while readiness waits":    {startup: probeEvery(1, 0), readiness: probeEvery(30, 0), kubelet: second(0), from: 1100 * time.Millisecond, to: 30 * time.Second},
		"ready later than it has started":  {startup: probeEvery(1, 0), readiness: probeEvery(5, 12), kubelet: old, from: 15 * time.Second, to: 15 * time.Second},
		"one that began within the period": {readiness: probeEvery(30, 0), kubelet: second(0).Add(-29 * time.Second), from: time.Millisecond, to: 30 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "app", StartupProbe: test.startup, ReadinessProbe: test.readiness,
			}}}}
			at := Probes{Seed: 1}.readyAt(probed{pod: pod, boot: 1, kubelet: test.kubelet, started: second(0), serves: second(test.serves)})
			if after := at.Sub(second(0)); after < test.from || after > test.to {
				t.Errorf("ready after %s, want %s to %s", after, test.from, test.to)
			}
		})
	}
}

func TestTheWaitsOfProbesAreThoseOfTheSeed(t *testing.T) {
	ready := func(seed uint64, pod, node string, boot int) time.Time {
		controller := true
		return Probes{Seed: seed}.readyAt(probed{
			pod: &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: pod, OwnerReferences: []metav1.OwnerReference{
					{Kind: "DaemonSet", Name: "agent", Controller: &controller},
				}},
				Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "app", ReadinessProbe: probeEvery(30, 0)}}},
			},
			boot: boot, kubelet: second(0), started: second(0), serves: second(0),
		})
	}
	first := ready(1, "agent-x", "a", 1)
	if again := ready(1, "agent-y", "a", 1); !again.Equal(first) {
		t.Errorf("another run of the same story: %s, then %s", first, again)
	}
	for name, other := range map[string]time.Time{
		"seed": ready(2, "agent-x", "a", 1), "node": ready(1, "agent-x", "b", 1), "boot": ready(1, "agent-x", "a", 2),
	} {
		if other.Equal(first) {
			t.Errorf("another %s, the same wait %s", name, other.Sub(second(0)))
		}
	}
}

// TestProbesOfTheHelperCostASlotNoTime measures how long a node that has booted waits for its helper's probes with the slot that it has.
func TestProbesOfTheHelperCostASlotNoTime(t *testing.T) {
	content, err := os.ReadFile("../../config/helper/helper.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var helper appsv1.DaemonSet
	if err := yaml.UnmarshalStrict(content, &helper); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "helper"}, Spec: helper.Spec.Template.Spec}
	const boots = 10_000
	var total, longest time.Duration
	for boot := range boots {
		wait := Probes{Seed: 1}.readyAt(probed{pod: pod, boot: boot, kubelet: second(0), started: second(0), serves: second(0)}).Sub(second(0))
		total, longest = total+wait, max(longest, wait)
	}
	t.Logf("%d boots: mean %s, longest %s", boots, total/boots, longest)
	if mean := total / boots; mean > time.Second || longest > 2*time.Second {
		t.Errorf("a node waits for probes for %s on average and up to %s, want at most 1s and 2s", mean, longest)
	}
	for _, container := range pod.Spec.Containers {
		if probe := container.StartupProbe; probe != nil && probe.HTTPGet != nil && strings.Contains(probe.HTTPGet.Path, "ready") {
			t.Errorf("container %s would be started again for what is wrong outside of it", container.Name)
		}
	}
}
