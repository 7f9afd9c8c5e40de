package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	lifecyclev1alpha1 "k8s.io/api/lifecycle/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const requestsPath = "/apis/lifecycle.k8s.io/v1alpha1"

func asksFirst(names ...string) podOption {
	return func(p *corev1.Pod) {
		for _, name := range names {
			p.Spec.EvictionResponders = append(p.Spec.EvictionResponders, corev1.EvictionResponder{Name: name, Priority: ptr.To[int32](10000)})
		}
	}
}

// fakeLifecycle is the API of EvictionRequests, with nobody who looks at them.
type fakeLifecycle struct {
	now      time.Time
	requests map[string]*lifecyclev1alpha1.EvictionRequest
	// refuse is the status that every request is answered with, and keep that of deletions; 0 means none.
	refuse, keep int
	log          []string
}

func (f *fakeLifecycle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	f.log = append(f.log, r.Method+" "+strings.TrimPrefix(r.URL.Path, requestsPath))
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch request := f.requests[name]; {
	case f.refuse != 0:
		writeStatus(w, f.refuse)
	case r.Method == http.MethodPost:
		request := &lifecyclev1alpha1.EvictionRequest{}
		if err := json.NewDecoder(r.Body).Decode(request); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		request.CreationTimestamp, request.Generation = metav1.NewTime(f.now), 1
		request.UID = "uid-of-" + "request"
		f.requests[request.Name] = request
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(request)
	case name == requestsResource:
		list := &lifecyclev1alpha1.EvictionRequestList{TypeMeta: metav1.TypeMeta{
			APIVersion: lifecyclev1alpha1.SchemeGroupVersion.String(), Kind: "EvictionRequestList",
		}}
		if r.URL.Query().Get("labelSelector") != "app.kubernetes.io/managed-by=reboot-operator-helper" {
			w.WriteHeader(http.StatusBadRequest)
		}
		for _, request := range f.requests {
			list.Items = append(list.Items, *request)
		}
		_ = json.NewEncoder(w).Encode(list)
	case request == nil:
		writeStatus(w, http.StatusNotFound)
	case r.Method == http.MethodDelete && f.keep != 0:
		writeStatus(w, f.keep)
	case r.Method == http.MethodDelete:
		delete(f.requests, name)
		writeStatus(w, http.StatusOK)
	default:
		_ = json.NewEncoder(w).Encode(request)
	}
}

func writeStatus(w http.ResponseWriter, code int) {
	reason := map[int]metav1.StatusReason{404: metav1.StatusReasonNotFound, 403: metav1.StatusReasonForbidden}[code]
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Reason: reason, Code: int32(code),
		Message: fmt.Sprintf("%s, says the test", reason),
	})
}

func newFakeLifecycle(t *testing.T, pods *fakePods) (*fakeLifecycle, *evictionRequests) {
	t.Helper()
	f := &fakeLifecycle{now: testNow, requests: map[string]*lifecyclev1alpha1.EvictionRequest{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	e, err := newEvictionRequests(&rest.Config{Host: server.URL}, testNode, clocktesting.NewFakePassiveClock(testNow), pods)
	if err != nil {
		t.Fatal(err)
	}
	return f, e
}

func TestRespondersOfAPodAreAskedToEvictIt(t *testing.T) {
	pods := newFakePods()
	api, e := newFakeLifecycle(t, pods)
	pod := newPod("vm", asksFirst("example.com/migrate", "example.com/stop"))
	for range 2 { // as the drain repeats it
		err := e.Evict(t.Context(), pod, nil)
		asked, ok := errors.AsType[*askedError](err)
		if !ok || !slices.Equal(asked.responders, []string{"example.com/migrate", "example.com/stop"}) {
			t.Fatalf("answer %v, want that the responders are asked", err)
		}
	}
	path := "/namespaces/default/evictionrequests"
	name := "reboot-operator-uid-vm"
	if want := []string{"GET " + path + "/" + name, "POST " + path, "GET " + path + "/" + name}; !slices.Equal(api.log, want) {
		t.Errorf("requests %q, want %q", api.log, want)
	}
	want := &lifecyclev1alpha1.EvictionRequest{
		TypeMeta: metav1.TypeMeta{APIVersion: "lifecycle.k8s.io/v1alpha1", Kind: "EvictionRequest"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, UID: "uid-of-request", Generation: 1, CreationTimestamp: metav1.NewTime(testNow),
			Labels:          map[string]string{"app.kubernetes.io/managed-by": "reboot-operator-helper"},
			Annotations:     map[string]string{"reboot-operator.io/node": testNode},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "vm", UID: "uid-vm"}},
		},
		Spec: lifecyclev1alpha1.EvictionRequestSpec{
			Target:    lifecyclev1alpha1.EvictionRequestTarget{Pod: &lifecyclev1alpha1.EvictionRequestPodReference{Name: "vm", UID: "uid-vm"}},
			Requester: "reboot-operator.io/drain", Intent: "Eviction",
		},
	}
	if diff := cmp.Diff(want, api.requests[name]); diff != "" {
		t.Errorf("EvictionRequest (-want +got):\n%s", diff)
	}
	wantAsked(t, pods)
}

// Who evicts a pod, by what became of its request.
func TestAPodIsEvictedWhenNothingMoreComesOfItsRequest(t *testing.T) {
	failed := func(reason lifecyclev1alpha1.EvictionConditionReason) func(*fakeLifecycle, *lifecyclev1alpha1.EvictionRequest) {
		return func(_ *fakeLifecycle, r *lifecyclev1alpha1.EvictionRequest) {
			r.Status.ObservedGeneration = ptr.To[int64](1)
			r.Status.Conditions = []metav1.Condition{{Type: "Failed", Status: metav1.ConditionTrue, Reason: string(reason)}}
		}
	}
	const waits = "waiting for eviction responders example.com/a"
	for name, test := range map[string]struct {
		change  func(*fakeLifecycle, *lifecyclev1alpha1.EvictionRequest)
		evicted bool
		wantErr string
	}{
		"no responder is left":          {failed(lifecyclev1alpha1.EvictionConditionReasonNoFurtherResponder), true, ""},
		"it is not valid":               {failed(lifecyclev1alpha1.EvictionConditionReasonEvictionInvalid), true, ""},
		"an earlier one was withdrawn":  {failed(lifecyclev1alpha1.EvictionConditionReasonCanceledDueToNoRequesters), false, waits},
		"they are not served (anymore)": {func(f *fakeLifecycle, _ *lifecyclev1alpha1.EvictionRequest) { f.refuse = 404 }, true, ""},
		"the helper may not ask":        {func(f *fakeLifecycle, _ *lifecyclev1alpha1.EvictionRequest) { f.refuse = 403 }, false, "Forbidden, says the test"},
		"nobody looks at it": {func(_ *fakeLifecycle, r *lifecyclev1alpha1.EvictionRequest) {
			r.CreationTimestamp = metav1.NewTime(testNow.Add(-time.Minute))
		}, true, ""},
		"a controller looks at it": {func(_ *fakeLifecycle, r *lifecyclev1alpha1.EvictionRequest) {
			r.CreationTimestamp, r.Status.ObservedGeneration = metav1.NewTime(testNow.Add(-time.Hour)), ptr.To[int64](1)
		}, false, waits},
	} {
		t.Run(name, func(t *testing.T) {
			pod := newPod("vm", asksFirst("example.com/a"))
			pods := newFakePods(pod)
			api, e := newFakeLifecycle(t, pods)
			_ = e.Evict(t.Context(), pod, nil)
			test.change(api, api.requests[requestName(pod.UID)])
			err := e.Evict(t.Context(), pod, ptr.To[int64](7))
			if test.wantErr == "" && err != nil || test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)) {
				t.Errorf("error %v, want one with %q", err, test.wantErr)
			}
			if asked := pods.takeAsked(); (len(asked) > 0) != test.evicted {
				t.Errorf("evicted: %v, want %t", asked, test.evicted)
			}
		})
	}
}

func TestAPodWithoutRespondersIsEvictedAsEver(t *testing.T) {
	pod := newPod("web")
	pods := newFakePods(pod)
	api, e := newFakeLifecycle(t, pods)
	if err := e.Evict(t.Context(), pod, nil); err != nil {
		t.Error(err)
	}
	wantAsked(t, pods, "web")
	if len(api.log) > 0 {
		t.Errorf("requests %q", api.log)
	}
}

func TestOnlyTheNodesOwnRequestsAreWithdrawn(t *testing.T) {
	api, e := newFakeLifecycle(t, newFakePods())
	for _, name := range []string{"a", "b"} {
		_ = e.Evict(t.Context(), newPod(name, asksFirst("example.com/a")), nil)
	}
	other := api.requests[requestName("uid-a")].DeepCopy()
	other.Name, other.Annotations = requestName("uid-c"), map[string]string{nodeAnnotation: "n2"}
	api.requests[other.Name] = other
	if err := e.withdraw(t.Context()); err != nil {
		t.Error(err)
	}
	if len(api.requests) != 1 || api.requests[other.Name] == nil {
		t.Errorf("left are %v, want that of the other node", api.requests)
	}
	for status, wantErr := range map[int]bool{404: false, 403: true} {
		api.refuse = status
		if err := e.withdraw(t.Context()); (err != nil) != wantErr {
			t.Errorf("status %d: error %v", status, err)
		}
	}
}

func TestARequestThatCannotBeWithdrawnIsNamed(t *testing.T) {
	api, e := newFakeLifecycle(t, newFakePods())
	_ = e.Evict(t.Context(), newPod("a", asksFirst("example.com/a")), nil)
	for status, want := range map[int]string{404: "", 403: "withdraw EvictionRequest default/" + requestName("uid-a")} {
		api.keep = status
		if err := e.withdraw(t.Context()); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("status %d: error %v, want %q", status, err, want)
		}
	}
}

func TestADrainSaysWhichRespondersItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pods := newFakePods(newPod("vm", asksFirst("example.com/migrate")))
		pods.refuse["vm"] = &askedError{responders: []string{"example.com/migrate"}}
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		pass(11 * time.Second)
		want := v1alpha1.DrainProgress{Total: 1, Remaining: 1, Activity: v1alpha1.DrainProgressing, Terminating: []v1alpha1.TerminatingPod{
			{Namespace: "default", Name: "vm", HeldBy: "its eviction responders, example.com/migrate"},
		}}
		if diff := cmp.Diff(want, run.state.get().progress); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		pods.remove("vm") // by the responder
		pass(0)
		if state := run.state.get(); !state.done || state.err != nil {
			t.Errorf("done: %t, %v", state.done, state.err)
		}
	})
}

// A responder that removes the pod does not keep its owner from putting it back.
func TestAPodThatComesBackAfterItsRespondersRemovedItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := func(uid string) *corev1.Pod {
			pod := newPod("agent-"+uid, asksFirst("example.com/migrate"), ownedBy("StatefulSet", "agent"))
			return pod
		}
		pods := newFakePods(agent("0"))
		for i := range 10 {
			pods.refuse[fmt.Sprintf("agent-%d", i)] = &askedError{responders: []string{"example.com/migrate"}}
		}
		run := startDrain(t, pods, v1alpha1.DrainOrder{})
		for i := range 5 {
			pass(time.Minute)
			pods.put(agent(fmt.Sprint(i + 1))) // before its predecessor is gone: a drain that sees no pod at all is done
			pods.remove(fmt.Sprintf("agent-%d", i))
		}
		pass(time.Minute)
		state := run.state.get()
		if !state.done || state.err != nil || len(state.progress.Returned) != 1 || state.progress.Returned[0].Evictions != maxReturns {
			t.Errorf("done: %t, %v, %+v", state.done, state.err, state.progress)
		}
	})
}

// countedWithdrawals counts how often the node's EvictionRequests were withdrawn.
type countedWithdrawals struct {
	count atomic.Int32
	fails atomic.Bool
}

func (c *countedWithdrawals) withdraw(context.Context) error {
	c.count.Add(1)
	if c.fails.Load() {
		return errors.New("no answer")
	}
	return nil
}

func TestRequestsAreWithdrawnWhenNoDrainNeedsThem(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"withdrawn": func(w *world) { w.withdraw() },
		"done":      func(w *world) { w.pods.remove("a") },
		"timed out": func(*world) { pass(drainTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				requests := &countedWithdrawals{}
				w.requests = requests
				w.pods.put(newPod("a"))
				w.pods.refuse["a"] = budgetRefusal("web")
				defer w.start()()
				if n := requests.count.Load(); n != 1 {
					t.Errorf("withdrawn %d times by a helper that begins, want once: one before it may have left some", n)
				}
				w.order(1, v1alpha1.ActionDrain)
				pass(30 * time.Second)
				if n := requests.count.Load(); n != 1 {
					t.Errorf("withdrawn %d times while a drain is under way", n)
				}
				requests.fails.Store(true)
				end(w)
				pass(2 * time.Second)
				requests.fails.Store(false)
				pass(time.Minute)
				withdrawn := requests.count.Load()
				if withdrawn < 3 {
					t.Errorf("withdrawn %d times, want again after a failure", withdrawn)
				}
				pass(time.Hour)
				if requests.count.Load() != withdrawn {
					t.Error("withdrawn again, although nothing was asked for since")
				}
			})
		})
	}
}
