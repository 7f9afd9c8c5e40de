package podstream_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/reboot-operator/reboot-operator/internal/podstream"
	"github.com/reboot-operator/reboot-operator/test/fatpods"
)

// nameOnly keeps the name of a pod.
func nameOnly(pod *corev1.Pod) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: strings.Clone(pod.Name)}}
}

func client(t *testing.T, config *rest.Config) rest.Interface {
	t.Helper()
	core, err := typedcorev1.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return core.RESTClient()
}

func TestAListHoldsOnePodAtATime(t *testing.T) {
	const limit = 12 // MiB
	rest := client(t, (&fatpods.Server{}).Start(t))
	peak := fatpods.NewPeak()
	list, err := podstream.Of(rest)(t.Context(), "", metav1.ListOptions{}, func(pod *corev1.Pod) *corev1.Pod {
		peak.Measure()
		return nameOnly(pod)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != fatpods.Pods || list.ResourceVersion != "5" || list.Items[109].Name != "p109" {
		t.Errorf("got %d pods of resource version %q", len(list.Items), list.ResourceVersion)
	}
	t.Logf("%d MiB", peak.MiB())
	if peak.MiB() > limit {
		t.Errorf("a list takes %d MiB, want at most %d", peak.MiB(), limit)
	}
}

// answer serves one answer to everything.
func answer(t *testing.T, status int, body string) rest.Interface {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		url, accept := r.URL.String(), r.Header.Get("Accept")
		if !strings.HasPrefix(url, "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1") || accept != "application/json" {
			t.Errorf("%s, which accepts %q", url, accept)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return client(t, &rest.Config{Host: server.URL})
}

var ofNode = metav1.ListOptions{FieldSelector: "spec.nodeName=n1"}

func TestAListIsReadWhole(t *testing.T) {
	const head = `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"c"},`
	for name, test := range map[string]struct {
		body    string
		want    []string
		wantErr string
	}{
		"pods":               {body: head + `"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}`, want: []string{"a", "b"}},
		"no pods":            {body: head + `"items":[]}`},
		"null":               {body: head + `"items":null}`},
		"fields not known":   {body: head + `"new":{"a":[1]},"items":[{"metadata":{"name":"a"},"new":1}]}`, want: []string{"a"}},
		"items first":        {body: `{"items":[{"metadata":{"name":"a"}}],` + head[1:len(head)-1] + `}`, want: []string{"a"}},
		"cut off in a pod":   {body: head + `"items":[{"metadata":{"name":"a"}},{"metadata":`, wantErr: "pod 1: unexpected "},
		"cut off after one":  {body: head + `"items":[{"metadata":{"name":"a"}}`, wantErr: "unexpected "},
		"cut off at its end": {body: head + `"items":[{"metadata":{"name":"a"}}]`, wantErr: "unexpected "},
		"empty":              {wantErr: "unexpected "},
		"no object":          {body: `[]`, wantErr: "got ["},
		"items are no list":  {body: head + `"items":{}}`, wantErr: "want a list"},
		"something else":     {body: `{"kind":"Status"}`, wantErr: `the answer is a "Status"`},
		"no version":         {body: `{"kind":"PodList","items":[]}`, wantErr: `resource version ""`},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := podstream.Of(answer(t, http.StatusOK, test.body))(t.Context(), "", ofNode, nameOnly)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Errorf("error %v, want one with %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range list.Items {
				got = append(got, list.Items[i].Name)
			}
			if !slices.Equal(got, test.want) || list.ResourceVersion != "7" || list.Continue != "c" {
				t.Errorf("got %v and %+v, want %v", got, list.ListMeta, test.want)
			}
		})
	}
}

// The reflector looks at the kind of an error.
func TestARefusalIsTheAPIServers(t *testing.T) {
	for reason, is := range map[metav1.StatusReason]func(error) bool{
		metav1.StatusReasonForbidden: apierrors.IsForbidden, metav1.StatusReasonExpired: apierrors.IsResourceExpired,
	} {
		status := map[metav1.StatusReason]int{metav1.StatusReasonForbidden: 403, metav1.StatusReasonExpired: 410}[reason]
		body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, status)
		if _, err := podstream.Of(answer(t, status, body))(t.Context(), "", ofNode, nameOnly); !is(err) {
			t.Errorf("error %v, want %s", err, reason)
		}
	}
}
