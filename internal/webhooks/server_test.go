package webhooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	stdruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/cert"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/test/await"
)

// pods answers a list with what there is on the node, or with an error.
type pods struct {
	client.Reader
	uid types.UID
	err error
	// selected are the selectors of the lists.
	selected []string
}

func (p *pods) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	applied := client.ListOptions{}
	applied.ApplyOptions(options)
	p.selected = append(p.selected, applied.Namespace+" "+applied.FieldSelector.String())
	if p.uid != "" {
		list.(*metav1.PartialObjectMetadataList).Items = []metav1.PartialObjectMetadata{{ObjectMeta: metav1.ObjectMeta{Name: "app", UID: p.uid}}}
	}
	return p.err
}

// serve runs a server until the test ends, and returns its address and a client that trusts it.
func serve(t *testing.T, s *server) *http.Client {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	doer, ended := serveUntil(ctx, t, s)
	t.Cleanup(func() {
		cancel()
		if err := await.Receive(t, "the server ends", ended); err != nil {
			t.Error(err)
		}
	})
	return doer
}

// serveUntil runs a server until ctx ends.
func serveUntil(ctx context.Context, t *testing.T, s *server) (doer *http.Client, ended <-chan error) {
	t.Helper()
	served, roots := selfSigned(t)
	if s.clock == nil {
		s.log, s.clock = logr.Discard(), clock.RealClock{}
	}
	s.getCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return served, nil }
	result := make(chan error, 1)
	go func() { result <- s.Start(ctx) }()
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}, result
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// post sends what an API server sends, and returns the answer.
func post(t *testing.T, doer *http.Client, url string, request *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	t.Helper()
	body, err := json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: request,
	})
	if err != nil {
		t.Fatal(err)
	}
	response, err := doer.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(answer, &review); err != nil || review.Response == nil {
		return nil, errors.Join(errors.New(response.Status+" "+string(answer)), err)
	}
	return review.Response, nil
}

// evictionBy is the eviction of pod default/app that a user asks for.
func evictionBy(user string) *admissionv1.AdmissionRequest {
	request := &admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Create, Namespace: "default", Name: "app", SubResource: "eviction",
		Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		Object:   runtime.RawExtension{Raw: []byte(`{"deleteOptions":{"preconditions":{"uid":"u1"}}}`)},
	}
	request.UserInfo.Username = user
	request.UserInfo.Extra = helperExtra
	return request
}

func TestEvictionsAreAnsweredByWhatTheAPIServerSaysAboutThePod(t *testing.T) {
	for name, test := range map[string]struct {
		user   string
		pods   pods
		change func(*admissionv1.AdmissionRequest)
		want   string // part of the answer; empty if the eviction is allowed
		asks   bool
	}{
		"on its node":     {user: helperName, pods: pods{uid: "u1"}, asks: true},
		"not on its node": {user: helperName, want: "not on node n1", asks: true},
		"another pod":     {user: helperName, pods: pods{uid: "u2"}, want: "a different pod now", asks: true},
		"nobody knows":    {user: helperName, pods: pods{uid: "u1", err: errors.New("no connection")}, want: "no connection", asks: true},
		"by someone else": {user: "system:serviceaccount:ns:reboot-operator-helpers"},
		"without a node": {
			user: helperName, change: func(r *admissionv1.AdmissionRequest) { r.UserInfo.Extra = nil }, want: "not bound to a pod",
		},
		"asked for on its node":     {user: helperName, pods: pods{uid: "u1"}, change: asksFor(`{"pod":{"name":"app","uid":"u1"}}`), asks: true},
		"asked for not on its node": {user: helperName, change: asksFor(`{"pod":{"name":"app","uid":"u1"}}`), want: "not on node n1", asks: true},
		"asked for without a UID":   {user: helperName, change: asksFor(`{"pod":{"name":"app"}}`), want: "which pod it means"},
		"asked for of nothing":      {user: helperName, change: asksFor(`{}`), want: "one pod at a time"},
		"asked for and unreadable":  {user: helperName, change: asksFor(`[]`), want: "read the EvictionRequest"},
		"that cannot be read": {
			user: helperName, change: func(r *admissionv1.AdmissionRequest) { r.Object.Raw = []byte(`[]`) }, want: "read the Eviction",
		},
		"that is none": {
			user: helperName, change: func(r *admissionv1.AdmissionRequest) { r.SubResource = "binding" }, want: "about evictions and deletions",
		},
		"of a pod that is updated": {
			user: helperName, change: func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Update }, want: "about evictions",
		},
	} {
		t.Run(name, func(t *testing.T) {
			live := &test.pods
			s := &server{address: freeAddress(t), handler: newHandler(live, logr.Discard())}
			doer := serve(t, s)
			request := evictionBy(test.user)
			if test.change != nil {
				test.change(request)
			}
			var response *admissionv1.AdmissionResponse
			await.True(t, "an answer", func() bool {
				var err error
				response, err = post(t, doer, "https://"+s.address+evictionsPath, request)
				return err == nil
			})
			if response.Allowed != (test.want == "") || response.Result != nil && !strings.Contains(response.Result.Message, test.want) {
				t.Errorf("answer %+v, want %q", response, test.want)
			}
			want := ""
			if test.asks {
				want = "default metadata.name=app,spec.nodeName=n1"
			}
			if asked := strings.Join(live.selected, "; "); asked != want {
				t.Errorf("asked for %q", asked)
			}
		})
	}
}

// asksFor makes a request one to create an EvictionRequest. Its name says nothing of the pod.
func asksFor(target string) func(*admissionv1.AdmissionRequest) {
	return func(r *admissionv1.AdmissionRequest) {
		r.Resource = metav1.GroupVersionResource{Group: "lifecycle.k8s.io", Version: "v1alpha1", Resource: "evictionrequests"}
		r.SubResource, r.Name = "", "any-name"
		r.Object.Raw = []byte(`{"spec":{"target":` + target + `}}`)
	}
}

func TestWhatIsTooLargeIsNotRead(t *testing.T) {
	s := &server{address: freeAddress(t), handler: newHandler(&pods{}, logr.Discard())}
	doer := serve(t, s)
	for path, limit := range map[string]int{evictionsPath: maxEviction, namesPath: maxNodeReboot} {
		request := evictionBy("system:serviceaccount:ns:reboot-operator-helper")
		request.Object.Raw = []byte(`"` + strings.Repeat("x", limit) + `"`)
		var response *admissionv1.AdmissionResponse
		await.True(t, "an answer", func() bool {
			var err error
			response, err = post(t, doer, "https://"+s.address+path, request)
			return err == nil
		})
		if response.Allowed || !strings.Contains(response.Result.Message, "too large") {
			t.Errorf("%s: answer %+v", path, response)
		}
	}
}

// Anybody on the network can ask, and decoded JSON takes many times its size. The limit of the manager's memory is 256 MiB.
func TestTheLargestRequestsFitIntoTheManagersMemory(t *testing.T) {
	var fields strings.Builder
	for i := 0; fields.Len() < maxNodeReboot-1000; i++ {
		_, _ = fmt.Fprintf(&fields, `"%x":[],`, i)
	}
	review := func(extra, spec string) string {
		return `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE",` +
			`"userInfo":{"username":"x","extra":{` + extra + `"":[]}},"object":{"spec":{` + spec + `"":[]}}}}`
	}
	many := fields.String()
	few := many[:strings.LastIndex(many[:maxEviction-1000], ",")+1]
	handler := newHandler(&pods{}, logr.Discard())
	var evictions, names uint64
	for _, test := range []struct {
		path, body string
		atOnce     uint64
		used       *uint64
	}{
		{evictionsPath, review(few, ""), maxEvictions, &evictions},
		{namesPath, review(many, ""), maxNames, &names},
		{namesPath, review("", many), maxNames, &names},
		{namesPath, review("", `"x":[`+strings.Repeat(`{},`, len(many)/3)+`{}],`), maxNames, &names},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, test.path, strings.NewReader(test.body))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		var before, after stdruntime.MemStats
		stdruntime.ReadMemStats(&before)
		handler.ServeHTTP(answer, request)
		stdruntime.ReadMemStats(&after)
		if !strings.Contains(answer.Body.String(), `"allowed":true`) {
			t.Errorf("%s: answer %s", test.path, answer.Body)
		}
		*test.used = max(*test.used, (after.TotalAlloc-before.TotalAlloc)*test.atOnce)
	}
	if evictions+names > 160<<20 {
		t.Errorf("the largest requests allocate %d MiB and %d MiB together", evictions>>20, names>>20)
	}
}

func TestAServerWhosePortIsTakenTriesAgainAfterAPause(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	paused := clocktesting.NewFakeClock(time.Now())
	var said atomic.Int32
	s := &server{
		address: taken.Addr().String(), handler: newHandler(&pods{uid: "u1"}, logr.Discard()), clock: paused,
		log: funcr.New(func(_, line string) {
			said.Add(1)
			if !strings.Contains(line, "address already in use") {
				t.Errorf("it says %s", line)
			}
		}, funcr.Options{}),
	}
	doer := serve(t, s)
	for range 2 {
		await.True(t, "a pause", paused.HasWaiters)
		paused.Step(time.Minute)
	}
	await.True(t, "a pause", paused.HasWaiters)
	if said.Load() != 3 {
		t.Errorf("said %d times that it is not served, want 3", said.Load())
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	paused.Step(time.Minute)
	await.True(t, "an answer", func() bool {
		response, err := post(t, doer, "https://"+s.address+evictionsPath, evictionBy("someone"))
		return err == nil && response.Allowed
	})
	if paused.HasWaiters() {
		t.Error("it waits although it serves")
	}
}

func TestARequestThatIsUnderWayAtTheEndIsAnswered(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := &server{address: freeAddress(t), handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	})}
	ctx, cancel := context.WithCancel(t.Context())
	doer, ended := serveUntil(ctx, t, s)
	answered := make(chan error, 1)
	go func() {
		for { // until it listens
			response, err := doer.Get("https://" + s.address)
			if err == nil {
				answered <- response.Body.Close()
				return
			}
			select {
			case <-arrived:
				answered <- err
				return
			default:
			}
		}
	}()
	await.Receive(t, "a request", arrived)
	cancel()
	select {
	case err := <-ended:
		t.Fatalf("the server ended before its answer was given: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if err := await.Receive(t, "an answer", answered); err != nil {
		t.Error(err)
	}
	if err := await.Receive(t, "the end", ended); err != nil {
		t.Error(err)
	}
}

func TestNoMoreThanSomeRequestsAreHandledAtOnce(t *testing.T) {
	var running, most atomic.Int32
	release := make(chan struct{})
	handler := atOnce(2, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		most.Store(max(most.Load(), running.Add(1)))
		<-release
		running.Add(-1)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{}, 5)
	for range 5 {
		go func() {
			request, _ := http.NewRequestWithContext(ctx, http.MethodPost, "https://x", http.NoBody)
			handler.ServeHTTP(nil, request)
			ended <- struct{}{}
		}()
	}
	await.True(t, "two run", func() bool { return running.Load() == 2 })
	cancel() // Who gave up is not handled.
	for range 3 {
		await.Receive(t, "the end of one that waits", ended)
	}
	close(release)
	for range 2 {
		await.Receive(t, "the end of one that runs", ended)
	}
	if most.Load() != 2 {
		t.Errorf("%d ran at once", most.Load())
	}
}

// selfSigned is a certificate for loopback, and who trusts it.
func selfSigned(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	served, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return &served, roots
}
