package record

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
)

var moment = judge.Moment{Version: 7, At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}

// stored is an object as an API server stores it.
func stored(t *testing.T, object runtime.Object) []byte {
	t.Helper()
	serializer := protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme)
	codec := clientgoscheme.Codecs.EncoderForVersion(serializer, schema.GroupVersion{Version: "v1"})
	var buffer bytes.Buffer
	if err := codec.Encode(object, &buffer); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func asJSON(t *testing.T, object any) []byte {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestEveryObjectThatIsJudgedIsReadAsItIsStored(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: "a1", UID: "u", Labels: map[string]string{corev1.LabelTopologyZone: "a", v1alpha1.SkipLabel: ""},
		Annotations: map[string]string{v1alpha1.CordonAnnotation: "r"},
	}}
	node.Spec.Unschedulable = true
	node.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintKey}, {Key: "gpu"}}
	node.Status.NodeInfo.BootID = "boot"
	node.Status.Conditions = []corev1.NodeCondition{
		{Type: corev1.NodeReady, Status: corev1.ConditionTrue}, {Type: "Drained", Status: corev1.ConditionTrue},
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web-1", UID: "p", Labels: map[string]string{"app": "web"}}}
	pod.Spec.NodeName = "a1"
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	other := pod.DeepCopy()
	other.Labels = nil
	slots := &corev1.ConfigMap{Data: map[string]string{"a1": `{"nodeReboot":"r","uid":"x","attempt":2}`, "a2": "no JSON"}}
	reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "r", UID: "x", Finalizers: []string{"f"}}}
	reboot.Spec.NodeName = "a1"
	reboot.Status.Phase = v1alpha1.PhaseDraining
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	policy.Spec.Mode = v1alpha1.ModePaused

	decoder := newDecoder("ns")
	var got judge.History
	for key, value := range map[string][]byte{
		"/registry/minions/a1":                                stored(t, node),
		"/registry/pods/ns/web-1":                             stored(t, pod),
		"/registry/pods/ns/other":                             stored(t, other),
		"/registry/configmaps/ns/" + v1alpha1.SlotsName:       stored(t, slots),
		"/registry/configmaps/other/" + v1alpha1.SlotsName:    stored(t, slots),
		"/registry/reboot-operator.io/nodereboots/r":          asJSON(t, reboot),
		"/registry/reboot-operator.io/rebootpolicies/p":       asJSON(t, policy),
		"/registry/leases/kube-node-lease/of-what-nobody-has": []byte("anything"),
	} {
		if err := decoder.add(&got, moment, key, value, false); err != nil {
			t.Error(err)
		}
	}
	want := judge.History{
		Nodes: []judge.Node{{
			Moment: moment, Name: "a1", UID: "u", Labels: node.Labels, Zone: "a", Skipped: true, Ready: true, Cordoned: true, Ours: true,
			Taints: []string{v1alpha1.TaintKey, "gpu"}, BootID: "boot",
			Marks: []string{"taint " + v1alpha1.TaintKey, "annotation " + v1alpha1.CordonAnnotation, "condition Drained"},
		}},
		Pods:     []judge.Pod{{Moment: moment, App: "ns/web", Name: "web-1", UID: "p", Node: "a1", Ready: true}},
		Slots:    []judge.Slots{{Moment: moment, Entries: 2, Grants: map[string]judge.Grant{"a1": {UID: "x", Attempt: 2}}}},
		Reboots:  []judge.Reboot{{Moment: moment, Name: "r", UID: "x", Node: "a1", Finalizers: []string{"f"}, Status: reboot.Status}},
		Policies: []judge.Policy{{Moment: moment, Name: "p", Spec: policy.Spec}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := decoder.add(&got, moment, "/registry/minions/a2", []byte("k8s\x00garbage"), false); err == nil {
		t.Error("what cannot be read is no error")
	}
}

func TestTheRevisionOfATimeIsTheLastOneBefore(t *testing.T) {
	r := &Recorder{times: []revisionTime{{revision: 3, at: moment.At}, {revision: 9, at: moment.At.Add(time.Second)}}}
	for name, test := range map[string]struct {
		at   time.Time
		want uint64
	}{
		"before all":  {moment.At.Add(-time.Second), 0},
		"at one":      {moment.At, 3},
		"between two": {moment.At.Add(time.Second / 2), 3},
		"after all":   {moment.At.Add(time.Hour), 9},
	} {
		t.Run(name, func(t *testing.T) {
			if got := r.RevisionAt(test.at); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
