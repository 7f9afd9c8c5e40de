package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// fakeRights says what is in the way of evictions.
type fakeRights struct {
	// gone says that no other pod is on the node, looked counts who asked.
	gone     atomic.Bool
	looked   atomic.Int32
	obstacle shared[string]
	err      shared[error]
	finds    shared[int]
	checks   shared[int]
	refused  chan struct{}
}

func (f *fakeRights) PodExists(context.Context, string) (bool, error) {
	f.looked.Add(1)
	return !f.gone.Load(), nil
}

func newFakeRights() *fakeRights { return &fakeRights{refused: make(chan struct{}, 1)} }

func (f *fakeRights) Find(context.Context) (string, error) {
	f.finds.edit(func(n *int) { *n++ })
	return f.obstacle.get(), f.err.get()
}

func (f *fakeRights) Check(context.Context) string {
	f.checks.edit(func(n *int) { *n++ })
	return f.obstacle.get()
}

func (f *fakeRights) Refused() <-chan struct{} { return f.refused }

func TestAHelperThatMayNotEvictSaysSoAndLooksAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.rights.obstacle.set("no right")
		defer w.start()()
		w.wantObstacle("no right")
		w.rights.obstacle.set("")
		pass(rightsPause)
		w.wantObstacle("")
		finds := w.rights.finds.get()
		pass(24 * time.Hour)
		if got := w.rights.finds.get(); got != finds {
			t.Errorf("asked %d times for a right that it has", got-finds)
		}
		w.rights.obstacle.set("no longer")
		w.rights.refused <- struct{}{}
		pass(rightsPause)
		w.wantObstacle("no longer")
	})
}

func TestARightThatStaysAwayIsAskedForSeldom(t *testing.T) {
	for name, set := range map[string]func(*fakeRights){
		"refused":   func(f *fakeRights) { f.obstacle.set("no right") },
		"not known": func(f *fakeRights) { f.err.set(errors.New("overloaded")) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				set(w.rights)
				defer w.start()()
				pass(time.Hour)
				if got := w.rights.finds.get(); got < 30 || got > 40 {
					t.Errorf("asked %d times in an hour", got)
				}
			})
		})
	}
}

func TestWhatIsNotKnownIsNoObstacle(t *testing.T) {
	inWorld(t, func(w *world) {
		w.rights.obstacle.set("no right")
		defer w.start()()
		w.wantObstacle("no right")
		w.rights.err.set(errors.New("overloaded"))
		w.rights.obstacle.set("")
		pass(time.Hour)
		w.wantObstacle("no right") // nor does it make one go away
		w.rights.err.set(nil)
		pass(maxRightsPause)
		w.wantObstacle("")
	})
}

func TestADrainThatMayNotEvictFailsAfterAMinute(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		defer w.start()()
		w.rights.obstacle.set("no right")
		w.order(1, v1alpha1.ActionDrain)
		pass(rightsGrace - 10*time.Second)
		if report := w.report(); report.State == v1alpha1.OrderFailed || report.Message != "nothing is evicted yet: no right" {
			t.Errorf("state %s, message %q", report.State, report.Message)
		}
		pass(20 * time.Second)
		if report := w.report(); report.State != v1alpha1.OrderFailed || report.Message != "nothing was evicted: no right" {
			t.Errorf("state %s, message %q", report.State, report.Message)
		}
		wantAsked(t, w.pods)
		if got := w.rights.checks.get(); got < 5 || got > 15 {
			t.Errorf("checked %d times", got)
		}
	})
}

func TestADrainThatMayNotEvictFailsBeforeItsDeadline(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		defer w.start()()
		w.rights.obstacle.set("no right")
		w.order(1, v1alpha1.ActionDrain, func(o *v1alpha1.RebootOrder) { o.Deadline = metav1.NewMicroTime(time.Now().Add(20 * time.Second)) })
		pass(20*time.Second - rightsMargin)
		if report := w.report(); report.State != v1alpha1.OrderFailed || report.Message != "nothing was evicted: no right" {
			t.Errorf("state %s, message %q", report.State, report.Message)
		}
	})
}

// Before Kubernetes 1.36 evictions depend on the manager's webhook. The manager may be starting when its order is read.
func TestADrainWaitsForARightThatIsAwayForAMoment(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pods.put(newPod("a"))
		defer w.start()()
		w.rights.obstacle.set("failed calling webhook")
		w.order(1, v1alpha1.ActionDrain)
		pass(5 * time.Second)
		wantAsked(t, w.pods)
		w.rights.obstacle.set("")
		pass(time.Minute)
		wantAsked(t, w.pods, "a")
		if report := w.report(); report.State != v1alpha1.OrderDone {
			t.Errorf("state %s, message %q", report.State, report.Message)
		}
	})
}

func (w *world) wantObstacle(want string) {
	w.t.Helper()
	if got := w.report().EvictionObstacle; got != want {
		w.t.Errorf("obstacle %q, want %q", got, want)
	}
}

func TestAnAnswerToAnEvictionTellsWhetherThereIsARight(t *testing.T) {
	forbidden := func(why string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "helper-x", errors.New(why))
	}
	internal := func(why string) error { return apierrors.NewInternalError(errors.New(why)) }
	for name, test := range map[string]struct {
		err  error
		want rightTo
	}{
		"accepted":              {nil, rightGranted},
		"by the authorizer":     {forbidden(`User "system:serviceaccount:ns:h" cannot create resource "pods/eviction" in API group ""`), rightDenied},
		"by NodeRestriction":    {forbidden(`node "n1" can only evict pods with spec.nodeName set to itself`), rightDenied},
		"by the token":          {apierrors.NewUnauthorized("expired"), rightDenied},
		"by a budget":           {budgetRefusal("web"), rightGranted},
		"by two budgets":        {internal("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."), rightGranted},
		"by the manager":        {errors.New(`admission webhook "evictions.reboot-operator.io" denied the request: no`), rightDenied},
		"because there is none": {internal(`failed calling webhook "evictions.reboot-operator.io": failed to call webhook: connection refused`), rightDenied},
		"by another webhook":    {errors.New(`admission webhook "pods.example.com" denied the request: no`), rightGranted},
		"by another that fails": {internal(`failed calling webhook "pods.example.com": timeout`), rightGranted},
		"because it is gone":    {apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "x"), rightGranted},
		"because of the load":   {apierrors.NewTooManyRequestsError("later"), rightUnknown},
		"by a fault":            {internal("etcdserver: request timed out"), rightUnknown},
		"by nobody":             {errors.New("connection refused"), rightUnknown},
	} {
		if got := rightToEvict(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	if _, is := apierrors.StatusCause(budgetRefusal("web"), policyv1.DisruptionBudgetCause); !is {
		t.Error("the budget's refusal is none")
	}
}

// ownPod is the helper's.
var ownPod = types.NamespacedName{Namespace: "ns", Name: "helper-x"}

// fakeServer is an API server as far as rights go. Answers are by who asks ("node" or "itself") and what ("list" or "evict").
type fakeServer struct {
	minor   string
	refused map[string]string
	asked   []string
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/version" {
		_, _ = fmt.Fprintf(w, `{"major":"1","minor":%q}`, f.minor)
		return
	}
	who, what := "itself", "list"
	if r.Header.Get("Impersonate-User") != "" {
		who = "node"
	}
	if r.Method == http.MethodPost {
		what = "evict"
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"dryRun":["All"]`) || !strings.Contains(string(body), `"uid":"u1"`) {
			what = "evict for good"
		}
	}
	f.asked = append(f.asked, who+" "+what)
	w.Header().Set("Content-Type", "application/json")
	if why := f.refused[who+" "+what]; why != "" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":%q}`, why)
		return
	}
	if what == "list" {
		if want := "metadata.name=helper-x,spec.nodeName=n1"; r.URL.Query().Get("fieldSelector") != want && r.URL.Query().Get("fieldSelector") !=
			"spec.nodeName=n1,metadata.name=helper-x" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":[{"metadata":{"uid":"u1"}}]}`)
		return
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
}

func TestAHelperFindsOutAsWhomItMayEvict(t *testing.T) {
	const (
		noImpersonation = `users "system:node:n1" is forbidden: User "system:serviceaccount:ns:helper" cannot impersonate resource "users"`
		noEviction      = `pods "helper-x" is forbidden: User "system:serviceaccount:ns:helper" cannot create resource "pods/eviction"`
		noList          = `pods is forbidden: User "system:serviceaccount:ns:helper" cannot list resource "pods"`
		byWebhook       = `admission webhook "evictions.reboot-operator.io" denied the request: This token is not bound to a pod`
	)
	for name, test := range map[string]struct {
		impersonation Impersonation
		minor         string
		refused       map[string]string
		asNode        bool
		want          string
		asked         string
	}{
		"as its node": {ImpersonateAuto, "36", nil, true, "", "node list, node evict"},
		"as itself":   {ImpersonateAuto, "35", map[string]string{"node list": noImpersonation}, false, "", "node list, itself list, itself evict"},
		"not before 1.36": {
			ImpersonateAuto, "35", map[string]string{"node list": noImpersonation, "itself list": noList}, true,
			"this API server, 1.35, has no constrained impersonation, and ServiceAccount ns/helper may not list and evict pods: " +
				"apply config/components/before-1.36/role.yaml", "node list, itself list",
		},
		"of a vendor": {
			ImpersonateAuto, "34+", map[string]string{"node list": noImpersonation, "itself evict": noEviction}, true,
			"this API server, 1.34+, has no constrained impersonation", "node list, itself list, itself evict",
		},
		"of a version that is not known": {
			ImpersonateAuto, "x", map[string]string{"node list": noImpersonation, "itself list": noList}, true,
			"ServiceAccount ns/helper may not act as its node", "node list, itself list",
		},
		"without the role": {
			ImpersonateAuto, "36", map[string]string{"node list": noImpersonation, "itself list": noList}, true,
			"ServiceAccount ns/helper may not act as its node: apply config/rbac/helper.yaml: users", "node list, itself list",
		},
		"not as itself, as was asked": {
			ImpersonateNever, "36", map[string]string{"itself list": noList}, false,
			"ServiceAccount ns/helper may not list and evict pods: apply config/components/before-1.36/role.yaml: pods is forbidden", "itself list",
		},
		"not as its node, as was asked": {
			ImpersonateAlways, "36", map[string]string{"node evict": noEviction}, true, "may not act as its node", "node list, node evict",
		},
		"not through the webhook": {
			ImpersonateAuto, "35", map[string]string{"node list": noImpersonation, "itself evict": byWebhook}, true,
			"the manager's webhook does not let the helper evict anything: admission webhook", "node list, itself list, itself evict",
		},
	} {
		t.Run(name, func(t *testing.T) {
			api := &fakeServer{minor: test.minor, refused: test.refused}
			server := httptest.NewServer(api)
			defer server.Close()
			client, err := newPodClient(&rest.Config{Host: server.URL}, testNode, test.impersonation, ownPod)
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.Find(t.Context())
			if err != nil || (got == "") != (test.want == "") || !strings.HasPrefix(got, test.want) && !strings.Contains(got, test.want) {
				t.Errorf("obstacle %q, want %q; error %v", got, test.want, err)
			}
			if client.current.Load().node != test.asNode {
				t.Errorf("as its node: %t", !test.asNode)
			}
			if asked := strings.Join(api.asked, ", "); asked != test.asked {
				t.Errorf("asked: %s; want %s", asked, test.asked)
			}
			if len(got) > maxObstacle {
				t.Errorf("%d characters", len(got))
			}
		})
	}
}

func TestBeforeADrainOneRequestIsEnough(t *testing.T) {
	api := &fakeServer{minor: "36", refused: map[string]string{}}
	server := httptest.NewServer(api)
	defer server.Close()
	client, err := newPodClient(&rest.Config{Host: server.URL}, testNode, ImpersonateAuto, ownPod)
	if err != nil {
		t.Fatal(err)
	}
	check := func(wantObstacle bool, want string) {
		t.Helper()
		api.asked = nil
		got := client.Check(t.Context())
		if asked := strings.Join(api.asked, ", "); (got != "") != wantObstacle || asked != want {
			t.Errorf("obstacle %q, asked: %s; want %s", got, asked, want)
		}
	}
	check(false, "node list, node evict") // It is not known yet.
	check(false, "node evict")
	api.refused["node evict"] = "pods is forbidden"
	check(false, "node evict, node list, node evict, itself list, itself evict")
	if len(client.Refused()) != 1 {
		t.Error("the refusal was not noted")
	}
	api.refused["itself evict"] = "pods is forbidden"
	check(true, "itself evict, node list, node evict, itself list, itself evict")
	server.Close()
	check(false, "") // Nothing is known.
}

func TestARefusalForWantOfARightIsNoted(t *testing.T) {
	api := &fakeServer{minor: "36", refused: map[string]string{"node list": "pods is forbidden", "node evict for good": "pods is forbidden"}}
	server := httptest.NewServer(api)
	defer server.Close()
	client, err := newPodClient(&rest.Config{Host: server.URL}, testNode, ImpersonateAuto, types.NamespacedName{})
	if err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func() error{
		"list": func() error {
			_, err := client.Pods(func(pod *corev1.Pod) *corev1.Pod { return pod }).ListWithContext(t.Context(), metav1.ListOptions{})
			return err
		},
		"evict": func() error { return client.Evict(t.Context(), newPod("a"), nil) },
	} {
		if err := ask(); !apierrors.IsForbidden(err) || len(client.Refused()) != 1 {
			t.Errorf("%s: error %v, %d refusals", name, err, len(client.Refused()))
		}
		<-client.Refused()
	}
}

func TestAnAPIServerOfAnotherMajorVersionIsNotOld(t *testing.T) {
	refused := []refusedIdentity{{node: true, err: errors.New("no")}, {err: errors.New("no")}}
	for major, want := range map[string]string{
		"1": "this API server, 1.4, has no constrained impersonation", "2": "the helper may not act as its node",
	} {
		if got := obstacle(&version.Info{Major: major, Minor: "4"}, refused); !strings.HasPrefix(got, want) {
			t.Errorf("of %s.4: %q, want %q", major, got, want)
		}
	}
}
