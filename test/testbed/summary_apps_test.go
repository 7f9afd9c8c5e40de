package testbed

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var (
	web = AppKey{Kind: Deployment, Namespace: "default", Name: "web"}
	db  = AppKey{Kind: StatefulSet, Namespace: "default", Name: "db"}
)

func appPod(n int, app AppKey, name, uid string, change ...func(*PodRecord)) PodRecord {
	record := PodRecord{Moment: at(n), App: app, Name: name, UID: types.UID(uid)}
	for _, c := range change {
		c(&record)
	}
	return record
}

func readyPod(r *PodRecord) { r.Ready = true }
func ending(r *PodRecord)   { r.Terminating = true }
func evicted(r *PodRecord)  { r.Ready, r.Terminating, r.Evicted = true, true, true }
func podGone(r *PodRecord)  { r.Gone = true }

func TestApplicationsAreFollowed(t *testing.T) {
	two := func(app AppKey) []AppRecord { return []AppRecord{{Moment: at(1), App: app, Replicas: 2}} }
	tests := map[string]struct {
		apps []AppRecord
		pods []PodRecord
		want []AppSummary
	}{
		"never ready at once": {
			apps: two(web),
			pods: []PodRecord{appPod(2, web, "w1", "u1", readyPod), appPod(3, web, "w2", "u2")},
			want: []AppSummary{{App: web, Replicas: 2, Ready: 1}},
		},
		"the least ready counts from the time that all were": {
			apps: two(web),
			pods: []PodRecord{
				appPod(2, web, "w1", "u1"), appPod(3, web, "w1", "u1", readyPod), appPod(4, web, "w2", "u2", readyPod),
				appPod(5, web, "w1", "u1"), appPod(6, web, "w1", "u1", readyPod),
			},
			want: []AppSummary{{App: web, Replicas: 2, EverReady: true, LeastReady: 1, LeastReadyAt: second(5), Ready: 2}},
		},
		"a pod that ends does not count although it is still ready": {
			apps: two(web),
			pods: []PodRecord{
				appPod(2, web, "w1", "u1", readyPod), appPod(3, web, "w2", "u2", readyPod), appPod(4, web, "w3", "u3", readyPod),
				appPod(5, web, "w1", "u1", readyPod, ending), appPod(6, web, "w2", "u2", readyPod, ending),
			},
			want: []AppSummary{{App: web, Replicas: 2, EverReady: true, LeastReady: 1, LeastReadyAt: second(6), Ready: 1}},
		},
		"a replica that is moved again": {
			apps: two(web),
			pods: []PodRecord{
				appPod(2, web, "w1", "u1", readyPod), appPod(3, web, "w2", "u2", readyPod),
				appPod(4, web, "w1", "u1", evicted), appPod(5, web, "w3", "u3", readyPod), appPod(6, web, "w1", "u1", evicted, podGone),
				appPod(7, web, "w3", "u3", evicted), appPod(8, web, "w4", "u4", readyPod),
				appPod(9, web, "w2", "u2", evicted), appPod(10, web, "w5", "u5", readyPod),
			},
			want: []AppSummary{{
				App: web, Replicas: 2, EverReady: true, LeastReady: 1, LeastReadyAt: second(4), Ready: 2,
				Evictions: 3, Repeated: 1, MostEvictions: 2,
			}},
		},
		"a deletion is no eviction and keeps the count of its replica": {
			apps: two(web),
			pods: []PodRecord{
				appPod(2, web, "w1", "u1", readyPod), appPod(3, web, "w2", "u2", readyPod),
				appPod(4, web, "w1", "u1", evicted), appPod(5, web, "w3", "u3", readyPod),
				appPod(6, web, "w3", "u3", readyPod, podGone), appPod(7, web, "w4", "u4", readyPod),
				appPod(8, web, "w4", "u4", evicted), appPod(9, web, "w5", "u5", readyPod),
			},
			want: []AppSummary{{
				App: web, Replicas: 2, EverReady: true, LeastReady: 1, LeastReadyAt: second(4), Ready: 2,
				Evictions: 2, Repeated: 1, MostEvictions: 2,
			}},
		},
		"replicas of a StatefulSet are known by name": {
			apps: two(db),
			pods: []PodRecord{
				appPod(2, db, "db-0", "u1", readyPod), appPod(3, db, "db-1", "u2", readyPod),
				appPod(4, db, "db-1", "u2", evicted), appPod(5, db, "db-1", "u3", readyPod),
				appPod(6, db, "db-0", "u1", evicted), appPod(7, db, "db-1", "u3", evicted),
				appPod(8, db, "db-1", "u5", readyPod), appPod(9, db, "db-0", "u4", readyPod),
				appPod(10, db, "db-1", "u5", evicted), appPod(11, db, "db-1", "u6", readyPod),
			},
			want: []AppSummary{{
				App: db, Replicas: 2, EverReady: true, LeastReady: 0, LeastReadyAt: second(7), Ready: 2,
				Evictions: 4, Repeated: 2, MostEvictions: 3,
			}},
		},
		"only applications that exist, by name": {
			apps: []AppRecord{{Moment: at(1), App: db}, {Moment: at(2), App: web}, {Moment: at(3), App: db, Gone: true}},
			pods: []PodRecord{appPod(4, AppKey{Kind: Deployment, Name: "old"}, "o", "u1", readyPod)},
			want: []AppSummary{{App: web}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, appSummaries(Recording{Apps: test.apps, Pods: test.pods})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPodIsCountedToItsApplication(t *testing.T) {
	controller := true
	tests := map[string]struct {
		owner  metav1.OwnerReference
		labels map[string]string
		want   AppKey
	}{
		"of a Deployment": {
			owner:  metav1.OwnerReference{Kind: "ReplicaSet", Name: "web-5dcdf9d856", Controller: &controller},
			labels: map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: "5dcdf9d856"}, want: web,
		},
		"of a StatefulSet": {owner: metav1.OwnerReference{Kind: "StatefulSet", Name: "db", Controller: &controller}, want: db},
		"of a DaemonSet":   {owner: metav1.OwnerReference{Kind: "DaemonSet", Name: "agent", Controller: &controller}},
		"of nobody":        {owner: metav1.OwnerReference{Kind: "StatefulSet", Name: "db"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Namespace: "default", Name: "x", Labels: test.labels, OwnerReferences: []metav1.OwnerReference{test.owner},
			}}
			record, ok := newPodRecord(at(1), pod, false)
			if ok != (test.want != AppKey{}) || record.App != test.want {
				t.Errorf("got %v (%t), want %v", record.App, ok, test.want)
			}
		})
	}
}

func TestOnlyAnEvictionByTheAPIIsAnEviction(t *testing.T) {
	controller := true
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: "db", Controller: &controller}},
	}}
	for reason, want := range map[string]bool{"EvictionByEvictionAPI": true, "DeletionByTaintManager": false} {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason}}
		if record, _ := newPodRecord(at(1), pod, false); record.Evicted != want {
			t.Errorf("reason %s: evicted is %t, want %t", reason, record.Evicted, want)
		}
	}
}
