package controllers

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// fact is a change in the cluster that changes one field of a snapshot.
type fact struct {
	// path of the field: the names of fields from plan.Snapshot on.
	path string
	// with is what there is besides, before and after.
	with []client.Object
	// before and after the change; nil if the object comes or goes.
	before, after client.Object
}

// noWatch says about fields why no watch has to ask for a pass when they change.
var noWatch = map[string]string{
	"Slots.Reboot":                 "only passes write the slots object, and a grant on an old version fails",
	"Slots.UID":                    "as above",
	"Slots.Attempt":                "as above",
	"Slots.Renewed":                "as above",
	"SlotsLive":                    "says how the slots were read",
	"Nodes.HelperImpossible":       "follows from what HelperProblem does, and is for the forecast only",
	"Slots.Gone":                   "as above; that a NodeReboot is gone is an event of it",
	"Deferred":                     "is what the last plan said, and when it is due is a time at which a plan wakes up",
	"LetGo":                        "is what the last plan said, and when it ends is a time at which a plan wakes up",
	"Refusals.WriteKey.Write":      "there is another pass after one that was refused something",
	"Refusals.WriteKey.Name":       "as above",
	"Refusals.Node":                "as above",
	"Refusals.Answer":              "as above",
	"Refusals.Since":               "as above",
	"Refusals.Until":               "is a time at which a plan wakes up",
	"Refusals.Forgotten":           "as above",
	"Refusals.Grant.UID":           "as above",
	"Refusals.Grant.Attempt":       "as above",
	"Refusals.Grant.Renewed":       "as above",
	"Invalid":                      "is made of the specs of policies",
	"Answers.Obstacle":             "the gates ask for a pass (besides)",
	"Answers.Nodes":                "as above",
	"Answers.Failure":              "as above",
	"Answers.Since":                "as above",
	"Answers.Excused.By.Node":      "as above",
	"Answers.Excused.By.RebootUID": "as above",
	"Answers.Excused.By.Number":    "as above",
	"Answers.Excused.Obstacle":     "as above",
	"Answers.Stale":                "as above",
	"Answers.Until":                "is a time at which a plan wakes up",
	"SilenceFailures.Silence":      "who keeps silences asks for a pass (besides)",
	"SilenceFailures.Ending":       "as above",
	"SilenceFailures.Finding":      "as above",
	"SilenceFailures.Node":         "as above",
	"SilenceFailures.Nodes":        "as above",
	"SilenceFailures.Message":      "as above",
	"SilenceFailures.Since":        "as above",
	"SilenceFailures.Until":        "as above",
	"NotificationProblems.Reason":  "the notifier asks for a pass (besides)",
	"NotificationProblems.Message": "as above",
	"TellPlaces":                   "is the same for every plan of the manager",
	"Forecasts":                    "who makes forecasts asks for a pass (besides)",
	"ClusterMaxUnavailable":        "is a flag of the manager",
	"PodsUnread":                   "the passes that read pods find it out, and are made again after an error",
	"LeaderNode":                   "is a flag of the manager",
	"Namespace":                    "is a flag of the manager",
	"QuorumLabels":                 "is a flag of the manager",
	"Pods.Workloads.Kind":          "names a workload, see Pods.Workloads.Name",

	"Undrainable.Node":            "is what an earlier pass found out (podMemory)",
	"Undrainable.Policy":          "as above",
	"Undrainable.Generation":      "as above",
	"Undrainable.Verdict.Reason":  "as above",
	"Undrainable.Verdict.Message": "as above",
	"Undrainable.Verdict.Until":   "as above",
	"Undrainable.Until":           "is a time at which a plan wakes up",
}

func TestEveryFactOfASnapshotHasAWatchThatAsksForAPassWhenItChanges(t *testing.T) {
	paths := leaves(reflect.TypeFor[plan.Snapshot](), "")
	covered := map[string]bool{}
	for i, f := range facts() {
		covered[f.path] = true
		t.Run(fmt.Sprintf("%02d %s", i, f.path), func(t *testing.T) { f.check(t) })
	}
	for _, path := range paths {
		switch why := noWatch[path]; {
		case why == "" && !covered[path]:
			t.Errorf("%s: add a row to facts that changes it, so that it is known to ask for a pass, or to noWatch why nothing has to", path)
		case why != "" && covered[path]:
			t.Errorf("%s has a row in facts and in noWatch", path)
		}
	}
	for _, path := range slices.Concat(slices.Collect(maps.Keys(covered)), slices.Collect(maps.Keys(noWatch))) {
		if !slices.Contains(paths, path) {
			t.Errorf("%s is no field of a snapshot", path)
		}
	}
}

// leaves are the paths of all fields of a type. Types of this project's plan are looked into, those of the API are not.
func leaves(of reflect.Type, path string) []string {
	of = elem(of)
	if of.Kind() != reflect.Struct || !strings.Contains(of.PkgPath(), "/controllers/plan") {
		return []string{path}
	}
	var all []string
	for i := range of.NumField() {
		all = append(all, leaves(of.Field(i).Type, strings.TrimPrefix(path+"."+of.Field(i).Name, "."))...)
	}
	return all
}

// elem is what a type has many of.
func elem(of reflect.Type) reflect.Type {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
		of = of.Elem()
	}
	return of
}

// values of the fields at a path, in the order of keys.
func values(of reflect.Value, path []string) []any {
	var all []any
	switch {
	case len(path) == 0:
		return []any{of.Interface()}
	case of.Kind() == reflect.Pointer:
		return values(of.Elem(), path)
	case of.Kind() == reflect.Slice:
		for i := range of.Len() {
			all = append(all, values(of.Index(i), path)...)
		}
	case of.Kind() == reflect.Map:
		keys := of.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, key := range keys {
			all = append(all, values(of.MapIndex(key), path)...)
		}
	default:
		return values(of.FieldByName(path[0]), path[1:])
	}
	return all
}

// check reads the cluster before and after the change: the field differs, and an event of the change asks for a pass.
func (f *fact) check(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testNow)
	r := &reader{
		gates: noGates{}, observed: newObserved(clock), interest: &interest{}, namespace: testNamespace,
		leaseNamespaces: []string{maintenanceLeases},
	}
	watched := watches(r.interest, r.observed, r.leaseNamespaces)
	before, after := cached(f.before), cached(f.after)
	was := f.read(t, r, before)
	clock.SetTime(testNow.Add(time.Minute))
	// The watch sees the change with what the pass before has left.
	if !asks(watched, before, after) {
		t.Error("no watch asks for a pass")
	}
	is := f.read(t, r, after)
	path := strings.Split(f.path, ".")
	from, to := values(reflect.ValueOf(was.Snapshot), path), values(reflect.ValueOf(is.Snapshot), path)
	if cmp.Equal(from, to) {
		t.Errorf("the change does not change it: %v", from)
	}
}

// read makes a snapshot of the cluster, with the pods of all nodes.
func (f *fact) read(t *testing.T, r *reader, object client.Object) *snapshot {
	t.Helper()
	var objects []client.Object
	pods := map[string][]*corev1.Pod{}
	var maintenances fakeMaintenances
	for _, each := range append(slices.Clone(f.with), object) {
		switch typed := cached(each).(type) {
		case nil:
		case *unstructured.Unstructured:
			maintenances.objects = append(maintenances.objects, *typed)
		case *corev1.Pod:
			if typed.Namespace != testNamespace {
				pods[typed.Spec.NodeName] = append(pods[typed.Spec.NodeName], typed)
				continue
			}
			objects = append(objects, typed)
		default:
			objects = append(objects, typed)
		}
	}
	w := newWorld(t, objects...)
	r.cache, r.live, r.pods, r.maintenances, r.slotsKnown = w, w, &fakePods{pods: pods}, maintenances, &slotsMemory{}
	s, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var nodes []string
	for i := range s.Nodes {
		nodes = append(nodes, s.Nodes[i].Name)
	}
	if err := r.fill(t.Context(), s, nodes); err != nil {
		t.Fatal(err)
	}
	return s
}

// cached is an object as the cache keeps it: what is cut off makes no difference. nil means none.
func cached(object client.Object) client.Object {
	if pod, is := object.(*corev1.Pod); is && pod.Namespace != testNamespace {
		return projection.StripPod(pod, nil)
	}
	for kind, options := range CacheOptions(testNamespace, maintenanceLeases).ByObject {
		if object == nil || reflect.TypeOf(kind) != reflect.TypeOf(object) || options.Transform == nil {
			continue
		}
		if stripped, err := options.Transform(object.DeepCopyObject()); err == nil {
			kept := stripped.(client.Object)
			kept.SetFinalizers(object.GetFinalizers()) // without any the fake client takes nothing that is being deleted
			return kept
		}
	}
	return object
}

// asks says whether an event asks for a pass.
func asks(watched []kindWatch, before, after client.Object) bool {
	for _, object := range []client.Object{before, after} {
		switch typed := object.(type) {
		case *corev1.Pod:
			if typed.Namespace != testNamespace {
				return true // every change of a pod whose node is looked at does (nodePods)
			}
		case *unstructured.Unstructured:
			from, was := before.(*unstructured.Unstructured)
			return !was || after == nil || nodeMaintenanceChanged(from, after.(*unstructured.Unstructured))
		}
	}
	return slices.ContainsFunc(watched, func(w kindWatch) bool {
		switch {
		case before == nil:
			return w.came(after)
		case after == nil:
			return w.went(before)
		}
		return w.changed(before, after)
	})
}
