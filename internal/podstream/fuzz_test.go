package podstream

import (
	"bytes"
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// FuzzPodList: reading item by item gives the same as reading at once. A list that was cut off, or is not a list, is an error: it would
// count as a node with fewer pods.
func FuzzPodList(f *testing.F) {
	for _, seed := range []string{
		`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"},"spec":{"nodeName":"n"}}]}`,
		`{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":null,"other":[1,{}]}`,
		`{"kind":"Status","metadata":{"resourceVersion":"7"}}`,
		`{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}}`, `{}`, `[]`, `{"kind":"PodList"}`,
		`{"items":[],"kind":"PodList","metadata":{"resourceVersion":"7","continue":"x"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decode(bytes.NewReader(data), func(pod *corev1.Pod) *corev1.Pod { return pod })
		if err != nil {
			return
		}
		var want corev1.PodList
		decoder := json.NewDecoder(bytes.NewReader(data))
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("%q: %d pods of what is no list: %v", data, len(got.Items), err)
		}
		if want.Kind != "PodList" || len(got.Items) != len(want.Items) {
			t.Fatalf("%q: a %s with %d pods, want %d", data, want.Kind, len(got.Items), len(want.Items))
		}
		for i := range want.Items {
			if got.Items[i].Name != want.Items[i].Name || got.Items[i].Spec.NodeName != want.Items[i].Spec.NodeName {
				t.Fatalf("%q: pod %d is %s, want %s", data, i, got.Items[i].Name, want.Items[i].Name)
			}
		}
	})
}
