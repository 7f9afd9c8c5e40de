package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// recordedRequest is what matters of a request.
type recordedRequest struct {
	Method, URL, User, Body string
}

// recordRequests serves answers and records what was asked.
func recordRequests(t *testing.T, status int) (*rest.Config, *[]recordedRequest) {
	t.Helper()
	var requests []recordedRequest
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests = append(requests, recordedRequest{r.Method, r.URL.String(), r.Header.Get("Impersonate-User"), string(body)})
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1"}`)
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}, &requests
}

func TestPodsAreTheNodesBusinessAndDaemonSetsTheHelpers(t *testing.T) {
	for name, test := range map[string]struct {
		impersonation Impersonation
		user          string
	}{
		"impersonating": {ImpersonateAlways, "system:node:n1"},
		"not":           {ImpersonateNever, ""},
	} {
		t.Run(name, func(t *testing.T) {
			config, requests := recordRequests(t, http.StatusOK)
			client, err := newPodClient(config, testNode, test.impersonation, types.NamespacedName{})
			if err != nil {
				t.Fatal(err)
			}
			pods := client.Pods(func(pod *corev1.Pod) *corev1.Pod { return pod })
			_, _ = pods.ListWithContext(t.Context(), metav1.ListOptions{})
			_, _ = pods.WatchWithContext(t.Context(), metav1.ListOptions{})
			if err := client.Evict(t.Context(), newPod("a"), ptr.To[int64](5)); err != nil {
				t.Error(err)
			}
			if _, err := client.DaemonSetExists(t.Context(), "kube-system", "cni"); err != nil {
				t.Error(err)
			}
			want := []recordedRequest{
				{"GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", test.user, ""},
				{"GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1&watch=true", test.user, ""},
				{"POST", "/api/v1/namespaces/default/pods/a/eviction", test.user, `{"kind":"Eviction","apiVersion":"policy/v1",` +
					`"metadata":{"name":"a","namespace":"default"},"deleteOptions":{"gracePeriodSeconds":5,"preconditions":{"uid":"uid-a"}}}`},
				{"GET", "/apis/apps/v1/namespaces/kube-system/daemonsets/cni", "", ""},
			}
			if diff := cmp.Diff(want, *requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if config.Impersonate.UserName != "" {
				t.Error("the caller's config was changed")
			}
		})
	}
}

func TestARefusedEvictionIsNotRepeatedBehindTheDrainsBack(t *testing.T) {
	config, requests := recordRequests(t, http.StatusTooManyRequests)
	client, err := newPodClient(config, testNode, ImpersonateNever, types.NamespacedName{})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Evict(t.Context(), newPod("a"), nil); err == nil {
		t.Error("no error")
	}
	if len(*requests) != 1 {
		t.Errorf("%d requests, want 1", len(*requests))
	}
}

func TestADaemonSetThatIsNotThereIsNoError(t *testing.T) {
	for status, wantErr := range map[int]bool{http.StatusNotFound: false, http.StatusForbidden: true} {
		config, _ := recordRequests(t, status)
		client, err := newPodClient(config, testNode, ImpersonateNever, types.NamespacedName{})
		if err != nil {
			t.Fatal(err)
		}
		exists, err := client.DaemonSetExists(t.Context(), "kube-system", "cni")
		if exists || (err != nil) != wantErr {
			t.Errorf("status %d: exists %v, error %v", status, exists, err)
		}
	}
}

func TestAMirrorTakesOnlyWhatItIsFor(t *testing.T) {
	m := newMirror[*corev1.Pod]()
	for name, err := range map[string]error{
		"add": m.Add(&corev1.Node{}), "update": m.Update(&corev1.Node{}), "delete": m.Delete(&corev1.Node{}),
		"replace": m.Replace([]any{&corev1.Node{}}, ""),
	} {
		if err == nil {
			t.Errorf("%s took a Node", name)
		}
	}
}

func TestAReportLeavesOutWhatAnOlderKindDoesNotHave(t *testing.T) {
	refused := func(fields ...string) string {
		answer := "failed to create typed patch object (/x; reboot-operator.io/v1alpha1, Kind=NodeReboot): errors:"
		for _, field := range fields {
			answer += "\n  .status.report." + field + ": field not declared in schema"
		}
		return answer
	}
	for name, test := range map[string]struct {
		answers []string
		want    []string
		wantErr bool
	}{
		"one that has all": {want: []string{"bootID protocol sentinel sequence version"}},
		"one that has less": {
			answers: []string{refused("version", "protocol")},
			want:    []string{"bootID protocol sentinel sequence version", "bootID sentinel sequence"},
		},
		"one that says so one by one": {
			answers: []string{refused("version"), refused("protocol")},
			want:    []string{"bootID protocol sentinel sequence version", "bootID protocol sentinel sequence", "bootID sentinel sequence"},
		},
		"one that lacks what a report cannot do without": {
			answers: []string{refused("bootID")},
			want:    []string{"bootID protocol sentinel sequence version"}, wantErr: true,
		},
		"another refusal": {answers: []string{"no"}, want: []string{"bootID protocol sentinel sequence version"}, wantErr: true},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var body struct {
					Status struct{ Report map[string]any }
				}
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
					t.Error(err)
				}
				got = append(got, strings.Join(slices.Sorted(maps.Keys(body.Status.Report)), " "))
				w.Header().Set("Content-Type", "application/json")
				if len(got) > len(test.answers) {
					_, _ = io.WriteString(w, `{"kind":"NodeReboot","apiVersion":"reboot-operator.io/v1alpha1","metadata":{"resourceVersion":"2"}}`)
					return
				}
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"code":500}`, test.answers[len(got)-1])
			}))
			defer server.Close()
			bare, err := newRESTClient(&rest.Config{Host: server.URL}, "/apis", v1alpha1.GroupVersion, v1alpha1.AddToScheme)
			if err != nil {
				t.Fatal(err)
			}
			_, err = (&rebootClient{rest: bare}).Report(t.Context(), newReboot("x"), &v1alpha1.HelperReport{
				Version: "v2", Protocol: 2, BootID: bootA, Sentinel: v1alpha1.SentinelRequired,
			})
			if (err != nil) != test.wantErr {
				t.Errorf("error %v, want one: %v", err, test.wantErr)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("reports (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHealthProbes(t *testing.T) {
	notReady := errors.New("not yet")
	handler := healthHandler(func() error { return notReady })
	probe := func(path string) int {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, path, nil))
		return response.Code
	}
	if got := probe("/healthz"); got != http.StatusOK {
		t.Errorf("/healthz says %d", got)
	}
	if got := probe("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("/readyz says %d before the cache is synced", got)
	}
	notReady = nil
	if got := probe("/readyz"); got != http.StatusOK {
		t.Errorf("/readyz says %d", got)
	}
}

func TestHealthProbesEndWithTheHelper(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ready := func() error { return nil }
	if err := serveHealth(t.Context(), listener.Addr().String(), ready); err == nil {
		t.Error("an address that is taken is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := serveHealth(ctx, "127.0.0.1:0", ready); err != nil {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if err := Run(t.Context(), Options{}); err == nil {
		t.Error("options without anything are accepted")
	}
}

func TestANodeRebootIsFoundByItsName(t *testing.T) {
	const list = `{"kind":"NodeRebootList","apiVersion":"reboot-operator.io/v1alpha1","metadata":{},"items":[%s]}`
	for name, tc := range map[string]struct {
		status  int
		answer  string
		want    string
		wantErr string
	}{
		"there is one":       {http.StatusOK, fmt.Sprintf(list, `{"metadata":{"name":"n1-0"},"spec":{"nodeName":"n2"}}`), "n2", ""},
		"there is none":      {http.StatusOK, fmt.Sprintf(list, ""), "", ""},
		"it is not answered": {http.StatusForbidden, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no right","code":403}`, "", "no right"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.Method + " " + r.URL.String()
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.answer)
			}))
			defer server.Close()
			client, err := newRESTClient(&rest.Config{Host: server.URL}, "/apis", v1alpha1.GroupVersion, v1alpha1.AddToScheme)
			if err != nil {
				t.Fatal(err)
			}
			found, err := (&rebootClient{rest: client}).Find(t.Context(), "n1-0")
			if (err == nil) != (tc.wantErr == "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error %v, want %q", err, tc.wantErr)
			}
			if (found != nil) != (tc.want != "") || found != nil && found.Spec.NodeName != tc.want {
				t.Errorf("found %+v, want one of node %q", found, tc.want)
			}
			if want := "GET /apis/reboot-operator.io/v1alpha1/nodereboots?fieldSelector=metadata.name%3Dn1-0"; asked != want {
				t.Errorf("asked %s, want %s", asked, want)
			}
		})
	}
}

func TestAPodOfTheNodeIsFoundOnlyByItsName(t *testing.T) {
	const one = `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":[{"metadata":{"name":"p","uid":"u"}}]}`
	const none = `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":[]}`
	for name, tc := range map[string]struct {
		pod, answer, want, selector string
		fails                       bool
	}{
		"it is there":       {"p", one, "u", "spec.nodeName=" + testNode + ",metadata.name=p", false},
		"it is not there":   {"p", none, "", "spec.nodeName=" + testNode + ",metadata.name=p", false},
		"it has no name":    {"", one, "", "spec.nodeName=" + testNode, false},
		"it cannot be read": {"p", "{", "", "spec.nodeName=" + testNode + ",metadata.name=p", true},
	} {
		t.Run(name, func(t *testing.T) {
			selector := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				selector = r.URL.Query().Get("fieldSelector")
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, tc.answer)
			}))
			defer server.Close()
			client, err := newPodClient(&rest.Config{Host: server.URL}, testNode, ImpersonateNever, ownPod)
			if err != nil {
				t.Fatal(err)
			}
			uid, err := client.find(t.Context(), client.current.Load(), tc.pod)
			if string(uid) != tc.want || (err != nil) != tc.fails || selector != tc.selector {
				t.Errorf("UID %q, error %v, asked for %s; want %q and %s", uid, err, selector, tc.want, tc.selector)
			}
		})
	}
}
