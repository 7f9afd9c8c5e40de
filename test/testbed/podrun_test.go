package testbed

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func second(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC) }

func TestAPodTellsItsTimes(t *testing.T) {
	grace := int64(2)
	tests := map[string]struct {
		annotations map[string]string
		grace       *int64
		want        podTimes
		wantErr     string
	}{
		"none": {},
		"both": {
			annotations: map[string]string{ReadyAfterAnnotation: "24s", TerminateAfterAnnotation: "1.5s"},
			want:        podTimes{readyAfter: 24 * time.Second, terminateAfter: 1500 * time.Millisecond},
		},
		"grace period cuts the end short": {
			annotations: map[string]string{TerminateAfterAnnotation: "5s"}, grace: &grace,
			want: podTimes{terminateAfter: 2 * time.Second},
		},
		"no duration": {annotations: map[string]string{ReadyAfterAnnotation: "24"}, wantErr: `ready-after="24" of pod default/web`},
		"negative":    {annotations: map[string]string{TerminateAfterAnnotation: "-1s"}, wantErr: "not a duration"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Namespace: "default", Name: "web", Annotations: test.annotations, DeletionGracePeriodSeconds: test.grace,
			}}
			got, err := timesOf(pod)
			checkError(t, err, test.wantErr)
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// readyIn finds a run ready so long after its start.
func readyIn(after time.Duration) func(podRun) time.Time {
	return func(run podRun) time.Time { return run.started.Add(after) }
}

func TestAPodRunAdvances(t *testing.T) {
	running := podRun{boot: 1, started: second(0), healthy: second(0), changed: second(0)}
	ready := podRun{boot: 1, started: second(0), healthy: second(0), changed: second(3), ready: true}
	tests := map[string]struct {
		run       podRun
		boot      int
		unhealthy bool
		now       time.Time
		want      podRun
		wantWait  time.Duration
	}{
		"started, ready later": {boot: 1, now: second(0), want: running, wantWait: 3 * time.Second},
		"not ready yet":        {run: running, boot: 1, now: second(2), want: running, wantWait: time.Second},
		"ready on the dot":     {run: running, boot: 1, now: second(3), want: ready},
		"stays ready since":    {run: ready, boot: 1, now: second(9), want: ready},
		"containers stopped": {
			run: ready, boot: 1, unhealthy: true, now: second(9), want: podRun{boot: 1, started: second(0), changed: second(9)},
		},
		"healthy again": {
			run: podRun{boot: 1, started: second(0), changed: second(4)}, boot: 1, now: second(9),
			want: podRun{boot: 1, started: second(0), healthy: second(9), changed: second(9), ready: true},
		},
		"restarted by a boot, shown as not ready first": {
			run: ready, boot: 2, now: second(9), wantWait: time.Nanosecond,
			want: podRun{boot: 2, started: second(9), changed: second(9), restarts: 1},
		},
		"restarted before it was ready": {
			run: running, boot: 2, now: second(1), wantWait: time.Nanosecond,
			want: podRun{boot: 2, started: second(1), changed: second(1), restarts: 1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, wait := test.run.advance(test.boot, !test.unhealthy, readyIn(3*time.Second), test.now)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(podRun{})); diff != "" {
				t.Error(diff)
			}
			if wait != test.wantWait {
				t.Errorf("looks again after %s, want %s", wait, test.wantWait)
			}
		})
	}
}

func TestAPodHasOtherContainersAfterABoot(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}, {Name: "sidecar"}}}}
	ids := func(run podRun) map[string]bool {
		all := map[string]bool{}
		for _, status := range run.status(pod).ContainerStatuses {
			all[status.ContainerID] = true
		}
		return all
	}
	run, _ := podRun{}.advance(1, true, readyIn(0), second(0))
	before := ids(run)
	later, _ := run.advance(1, true, readyIn(0), second(5))
	if diff := cmp.Diff(before, ids(later)); diff != "" || len(before) != 2 {
		t.Errorf("containers of the same boot (-before +later):\n%s", diff)
	}
	rebooted, _ := run.advance(2, true, readyIn(0), second(9))
	for id := range ids(rebooted) {
		if before[id] {
			t.Errorf("container %s has outlived the boot", id)
		}
	}
}

func TestAPodThatNeedsNoTimeIsReadyWhenItStarts(t *testing.T) {
	run, wait := podRun{}.advance(1, true, readyIn(0), second(5))
	if !run.ready || !run.changed.Equal(second(5)) || wait != 0 {
		t.Errorf("got %+v, look again after %s", run, wait)
	}
}

func TestAKubeletInsistsOnWhatItKnows(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}}
	run := podRun{boot: 1, started: second(0), changed: second(3), ready: true, restarts: 1, ip: "10.128.0.1"}
	tests := map[string]struct {
		change func(*corev1.PodStatus)
		want   bool
	}{
		"nothing changed":      {change: func(*corev1.PodStatus) {}, want: true},
		"never written":        {change: func(s *corev1.PodStatus) { *s = corev1.PodStatus{Phase: corev1.PodPending} }},
		"shown as not ready":   {change: func(s *corev1.PodStatus) { s.Conditions[0].Status = corev1.ConditionFalse }},
		"condition is missing": {change: func(s *corev1.PodStatus) { s.Conditions = nil }},
		"started at another time": {change: func(s *corev1.PodStatus) {
			s.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(second(1))
		}},
		"not running":          {change: func(s *corev1.PodStatus) { s.ContainerStatuses[0].State.Running = nil }},
		"restarted less often": {change: func(s *corev1.PodStatus) { s.ContainerStatuses[0].RestartCount = 0 }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			have := run.status(pod)
			test.change(&have)
			if got := shows(have, run.status(pod)); got != test.want {
				t.Errorf("shows is %t, want %t", got, test.want)
			}
		})
	}
}

func TestAPatchTakesTheReasonAway(t *testing.T) {
	status := corev1.PodStatus{Conditions: readiness(true, metav1.NewTime(second(0)), "ContainersNotReady")}
	patch, err := json.Marshal(newStatusPatch(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "u1"}}, status))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"uid":"u1"`, `"type":"Ready","status":"True","lastProbeTime":null`, `"reason":""`} {
		if !strings.Contains(string(patch), want) {
			t.Errorf("%s does not contain %s", patch, want)
		}
	}
}
