package testbed

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// AppSummary is what one application went through.
type AppSummary struct {
	App      AppKey
	Replicas int
	// EverReady reports whether all replicas were ready at once; LeastReady and what follows count from then on.
	EverReady    bool
	LeastReady   int
	LeastReadyAt time.Time
	// Ready is how many were ready at the end.
	Ready     int
	Evictions int
	// Repeated is how many evictions hit a pod that had taken the place of an evicted one: a replica that was moved again.
	Repeated int
	// MostEvictions of one replica. Replicas of a StatefulSet have names; a new pod of a Deployment is taken for the successor of the
	// pod that has been gone for longest.
	MostEvictions int
}

// appSummaries has one entry for each application that exists, in the order of their names.
func appSummaries(recording Recording) []AppSummary {
	trackers := map[AppKey]*appTracker{}
	apps, pods := recording.Apps, recording.Pods
	for len(apps) > 0 || len(pods) > 0 {
		if len(pods) == 0 || len(apps) > 0 && apps[0].Version <= pods[0].Version {
			tracker(trackers, apps[0].App).setApp(apps[0])
			apps = apps[1:]
			continue
		}
		tracker(trackers, pods[0].App).setPod(pods[0])
		pods = pods[1:]
	}
	var summaries []AppSummary
	for _, tracker := range trackers {
		if tracker.exists {
			summaries = append(summaries, tracker.summary)
		}
	}
	slices.SortFunc(summaries, func(a, b AppSummary) int { return cmp.Compare(a.App.String(), b.App.String()) })
	return summaries
}

func tracker(trackers map[AppKey]*appTracker, app AppKey) *appTracker {
	if trackers[app] == nil {
		trackers[app] = &appTracker{summary: AppSummary{App: app}, pods: map[types.UID]trackedPod{}}
	}
	return trackers[app]
}

// appTracker plays the recording of one application again.
type appTracker struct {
	exists  bool
	summary AppSummary
	pods    map[types.UID]trackedPod
	orphans []trackedPod // ended pods that have no successor yet, oldest first
}

// trackedPod is a pod and how often its replica was evicted before.
type trackedPod struct {
	PodRecord
	evictions int
}

func (t *appTracker) setApp(record AppRecord) {
	t.exists = !record.Gone
	t.summary.Replicas = int(record.Replicas)
	t.judge(record.Moment)
}

func (t *appTracker) setPod(record PodRecord) {
	pod, known := t.pods[record.UID]
	if !known {
		if record.Gone {
			return
		}
		pod = trackedPod{evictions: t.succeed(record)}
	}
	if (record.Terminating || record.Gone) && !pod.Terminating {
		t.end(&pod, record)
	}
	pod.PodRecord = record
	t.pods[record.UID] = pod
	if record.Gone {
		delete(t.pods, record.UID)
	}
	t.judge(record.Moment)
}

// succeed finds the ended pod whose place a new one takes, and returns how often that replica was evicted.
func (t *appTracker) succeed(record PodRecord) int {
	index := slices.IndexFunc(t.orphans, func(orphan trackedPod) bool {
		return record.App.Kind != StatefulSet || orphan.Name == record.Name
	})
	if index < 0 {
		return 0
	}
	evictions := t.orphans[index].evictions
	t.orphans = slices.Delete(t.orphans, index, index+1)
	return evictions
}

// end counts an eviction and leaves the pod's place to a successor.
func (t *appTracker) end(pod *trackedPod, record PodRecord) {
	if record.Evicted {
		t.summary.Evictions++
		if pod.evictions > 0 {
			t.summary.Repeated++
		}
		pod.evictions++
		t.summary.MostEvictions = max(t.summary.MostEvictions, pod.evictions)
	}
	t.orphans = append(t.orphans, trackedPod{PodRecord: record, evictions: pod.evictions})
}

// judge counts the ready replicas after a change.
func (t *appTracker) judge(now Moment) {
	ready := 0
	for _, pod := range t.pods {
		if pod.Ready && !pod.Terminating {
			ready++
		}
	}
	t.summary.Ready = ready
	switch {
	case !t.summary.EverReady:
		if t.summary.Replicas > 0 && ready >= t.summary.Replicas {
			t.summary.EverReady, t.summary.LeastReady, t.summary.LeastReadyAt = true, ready, now.At
		}
	case ready < t.summary.LeastReady:
		t.summary.LeastReady, t.summary.LeastReadyAt = ready, now.At
	}
}
