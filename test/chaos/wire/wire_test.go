package wire

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

func TestWritesAreCountedAndNothingElse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	w := New(http.DefaultTransport)
	do(t, w, http.MethodPatch, server.URL+"/api/v1/nodes/before")
	w.Reset()
	var watches, lists int
	w.SetHook(func(call *Call, next func() (*http.Response, error)) (*http.Response, error) {
		if call.Watch {
			watches++
		}
		if call.List {
			lists++
		}
		return next()
	})
	for _, request := range [][2]string{
		{http.MethodGet, "/api/v1/nodes"},
		{http.MethodGet, "/api/v1/nodes?watch=true"},
		{http.MethodGet, "/api/v1/nodes/a"},
		{http.MethodGet, "/api/v1/namespaces/ns/pods"},
		{http.MethodGet, "/apis/reboot-operator.io/v1alpha1/nodereboots?limit=500"},
		{http.MethodGet, "/version"},
		{http.MethodPatch, "/api/v1/nodes/a"},
		{http.MethodPut, "/apis/coordination.k8s.io/v1/namespaces/ns/leases/leader"},
		{http.MethodPost, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"},
		{http.MethodPatch, "/apis/reboot-operator.io/v1alpha1/nodereboots/r/status"},
	} {
		do(t, w, request[0], server.URL+request[1])
	}
	want := []string{"PATCH /api/v1/nodes/a", "PATCH /apis/reboot-operator.io/v1alpha1/nodereboots/r/status"}
	if diff := cmp.Diff(want, w.Writes()); diff != "" {
		t.Error(diff)
	}
	if watches != 1 || lists != 3 {
		t.Errorf("%d watches and %d lists", watches, lists)
	}
	w.Reset()
	if len(w.Writes()) != 0 {
		t.Error("the count does not begin again")
	}
}

func do(t *testing.T, transport http.RoundTripper, method, url string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

func TestAProxyHandsOnCredentialsAndCutsWhatIsCut(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Authorization")+" "+r.URL.Path)
	}))
	defer server.Close()
	proxy, err := StartProxy(&rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: caOf(server)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := proxy.Stop(); err != nil {
			t.Error(err)
		}
	}()
	client, err := rest.HTTPClientFor(&rest.Config{BearerToken: "secret", TLSClientConfig: rest.TLSClientConfig{CAData: proxy.CA()}})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, client, proxy.URL()+"/api/v1/nodes"); got != "Bearer secret /api/v1/nodes" {
		t.Errorf("the server saw %q", got)
	}
	proxy.SetHook(func(call *Call, _ func() (*http.Response, error)) (*http.Response, error) {
		return Answer(call, http.StatusConflict, metav1.StatusReasonConflict, "made up"), nil
	})
	if got := get(t, client, proxy.URL()+"/api/v1/nodes"); !strings.Contains(got, "made up") {
		t.Errorf("the client saw %q", got)
	}
	proxy.SetHook(func(*Call, func() (*http.Response, error)) (*http.Response, error) { return nil, ErrCut })
	if response, err := client.Get(proxy.URL() + "/api/v1/nodes"); err == nil {
		_ = response.Body.Close()
		t.Error("a connection that was cut has an answer")
	}
}

func TestWatchesAreClosedAndLate(t *testing.T) {
	var watches watches
	reader, writer := io.Pipe()
	response := watches.follow(&http.Response{Body: reader})
	go func() { _, _ = writer.Write([]byte("event")) }()
	event := make([]byte, 5)
	if _, err := io.ReadFull(response.Body, event); err != nil || string(event) != "event" {
		t.Fatalf("%q, %v", event, err)
	}
	if closed := watches.close(); closed != 1 {
		t.Errorf("%d watches were closed", closed)
	}
	if _, err := response.Body.Read(event); err == nil {
		t.Error("a watch that was closed goes on")
	}
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		response := Late(&http.Response{Body: reader}, time.Minute, clock.RealClock{})
		began := time.Now()
		go func() {
			_, _ = writer.Write([]byte("event"))
			_ = writer.CloseWithError(errors.New("over"))
		}()
		if _, err := io.ReadFull(response.Body, event); err != nil || time.Since(began) != time.Minute {
			t.Errorf("it came after %s, %v", time.Since(began), err)
		}
		if _, err := response.Body.Read(event); err == nil || err.Error() != "over" {
			t.Errorf("the end is %v", err)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	})
	if slices.Contains(event, 0) {
		t.Error("it is not whole")
	}
}

func caOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(body)
}
