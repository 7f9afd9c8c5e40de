package testbed

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Probes has the simulated kubelets of a cluster probe as real ones do. What a kubelet waits for by chance is the same for the same seed,
// node, workload and boot.
type Probes struct {
	Seed uint64
}

// probed is a pod whose containers a kubelet probes.
type probed struct {
	pod *corev1.Pod
	// boot is the host's, and kubelet is when the kubelet began.
	boot    int
	kubelet time.Time
	// started is when the containers began to run, and serves when they began to answer probes.
	started, serves time.Time
}

// readyAt is when the kubelet finds all containers of a pod ready.
func (p Probes) readyAt(of probed) time.Time {
	ready := of.serves
	for i := range of.pod.Spec.Containers {
		if at := p.containerReadyAt(of, &of.pod.Spec.Containers[i]); at.After(ready) {
			ready = at
		}
	}
	return ready
}

// containerReadyAt follows the kubelet's prober (pkg/kubelet/prober): a container without a readiness probe is ready once it has started,
// and the first readiness probe comes at once when the container has started, unless its worker still waits.
func (p Probes) containerReadyAt(of probed, container *corev1.Container) time.Time {
	at := of.started
	if probe := container.StartupProbe; probe != nil {
		at = p.worker(of, container, probe, "startup").success(at, of)
	}
	if probe := container.ReadinessProbe; probe != nil {
		at = p.worker(of, container, probe, "readiness").success(at, of)
	}
	return at
}

// probeWorker probes one container in one way.
type probeWorker struct {
	// first is when it probes for the first time, delay how long after the start of the container no probe counts.
	first         time.Time
	period, delay time.Duration
}

// worker waits a random part of a period before its first probe, if the kubelet runs for less than a period: all containers of a host that
// has booted would be probed at once otherwise.
func (p Probes) worker(of probed, container *corev1.Container, probe *corev1.Probe, kind string) probeWorker {
	worker := probeWorker{first: of.started, period: 10 * time.Second, delay: time.Duration(probe.InitialDelaySeconds) * time.Second}
	if probe.PeriodSeconds > 0 {
		worker.period = time.Duration(probe.PeriodSeconds) * time.Second
	}
	if worker.period > of.started.Sub(of.kubelet) {
		worker.first = of.started.Add(time.Duration(p.chance(of, container.Name, kind) * float64(worker.period)))
	}
	return worker
}

// success is when a probe succeeds for the first time. One is made at once at the time begin, as soon as the worker makes any.
func (w probeWorker) success(begin time.Time, of probed) time.Time {
	answered := of.started.Add(w.delay)
	if of.serves.After(answered) {
		answered = of.serves
	}
	if begin.After(w.first) && !answered.After(begin) {
		return begin
	}
	probe := w.first
	for probe.Before(answered) || probe.Before(begin) {
		probe = probe.Add(w.period)
	}
	return probe
}

// chance is a number from 0 to 1, which depends on nothing that differs from one run to the next, as names of pods do.
func (p Probes) chance(of probed, container, kind string) float64 {
	workload := of.pod.Name
	if owner := metav1.GetControllerOf(of.pod); owner != nil {
		workload = owner.Kind + " " + owner.Name
	}
	hash := fnv.New64a()
	for _, part := range []string{of.pod.Spec.NodeName, of.pod.Namespace, workload, container, kind} {
		_, _ = hash.Write(append([]byte(part), 0))
	}
	//nolint:gosec // Chance that is the same in each run is what this is about.
	return rand.New(rand.NewPCG(p.Seed, hash.Sum64()+uint64(of.boot))).Float64()
}
