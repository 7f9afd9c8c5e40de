package selectors

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// FuzzLabels: a selector that can be read selects what the one of Kubernetes selects. Its text, which the API server gets, is read there as
// the same. One that cannot be read selects nothing.
func FuzzLabels(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"matchLabels":{"app":"web"}}`, `{"matchExpressions":[{"key":"a","operator":"NotIn","values":["b","c"]}]}`,
		`{"matchExpressions":[{"key":"a","operator":"Exists"},{"key":"","operator":"In"}]}`, `{"matchLabels":{"-":"--"}}`,
		`{"matchExpressions":[{"key":"a","operator":"DoesNotExist"}],"matchLabels":{"a":""}}`,
	} {
		f.Add([]byte(seed), "app", "web")
		f.Add([]byte(seed), "a", "b")
	}
	f.Fuzz(func(t *testing.T, data []byte, key, value string) {
		var ours v1alpha1.LabelSelector
		var plain metav1.LabelSelector
		if json.Unmarshal(data, &ours) != nil || json.Unmarshal(data, &plain) != nil {
			return
		}
		pods, err := ForPods(&v1alpha1.PodSelector{LabelSelector: ours})
		want, wantErr := metav1.LabelSelectorAsSelector(&plain)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%s: error %v, want %v", data, err, wantErr)
		}
		label := map[string]string{key: value}
		if err != nil {
			if pods.Matches(label, nil) || pods.Matches(nil, nil) {
				t.Fatalf("%s cannot be read, and selects something", data)
			}
			return
		}
		if pods.Matches(label, nil) != want.Matches(labels.Set(label)) || pods.Matches(nil, nil) != want.Matches(labels.Set{}) {
			t.Fatalf("%s selects other pods than the selector of Kubernetes", data)
		}
		sent, err := labels.Parse(pods.LabelText())
		if err != nil || sent.Matches(labels.Set(label)) != pods.Matches(label, nil) {
			t.Fatalf("%s is sent as %q, which is another selector (%v)", data, pods.LabelText(), err)
		}
	})
}

// FuzzAnnotationText: a text that AnnotationText writes selects by annotations only. Any other text selects nothing, and never everything.
func FuzzAnnotationText(f *testing.F) {
	for _, seed := range []string{``, `{}`, `null`, `{"a":"b"}`, `{"a":null}`, `{"a":7}`, `[]`, `{"a":"b"`, `{"":""}`} {
		f.Add(seed, "a", "b")
	}
	f.Fuzz(func(t *testing.T, text, key, value string) {
		read := ForAnnotationText(text)
		annotations := map[string]string{key: value}
		if text == "" {
			if !read.Matches(nil, annotations) {
				t.Fatal("no text selects all pods")
			}
			return
		}
		if read.Matches(nil, nil) {
			t.Fatalf("%q selects pods without annotations", text)
		}
		if read.labels != nil && read.AnnotationText() != text {
			t.Fatalf("%q is read as %q", text, read.AnnotationText())
		}
		want, selects := read.annotations[key]
		if read.Matches(nil, annotations) != (selects && string(want) == value && len(read.annotations) == 1) {
			t.Fatalf("%q selects a pod with %q=%q, or does not", text, key, value)
		}
	})
}
