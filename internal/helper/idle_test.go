package helper

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// quietServer is an API server in which nothing happens. It serves watches for as long as they ask for, and lets the helper evict.
type quietServer struct {
	mu    sync.Mutex
	asked []string
	// open is how many watches are served.
	open int
}

// RoundTrip implements http.RoundTripper.
func (s *quietServer) RoundTrip(request *http.Request) (*http.Response, error) {
	query := request.URL.Query()
	watches := query.Get("watch") == "true" || query.Get("watch") == "1"
	what := request.Method + " " + request.URL.Path
	if watches {
		what = "WATCH " + request.URL.Path
	}
	s.mu.Lock()
	s.asked = append(s.asked, what)
	s.mu.Unlock()
	switch {
	case watches:
		return s.watch(request.Context(), query.Get("timeoutSeconds"), query.Get("sendInitialEvents") == "true"), nil
	case request.Method == http.MethodGet && strings.HasSuffix(request.URL.Path, "/pods"):
		return respond(http.StatusOK, io.NopCloser(strings.NewReader(`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",`+
			`"items":[{"metadata":{"name":"helper-1","namespace":"operator","uid":"own"}}]}`))), nil
	case request.Method == http.MethodPost && strings.HasSuffix(request.URL.Path, "/helper-1/eviction"):
		return respond(http.StatusCreated, io.NopCloser(strings.NewReader(`{"kind":"Status","apiVersion":"v1","status":"Success"}`))), nil
	}
	return nil, fmt.Errorf("a helper with nothing to do asks for %s", what)
}

func respond(code int, body io.ReadCloser) *http.Response {
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": []string{"application/json"}}, Body: body,
	}
}

// watch serves a watch that begins with what there is, which is nothing.
func (s *quietServer) watch(ctx context.Context, timeoutSeconds string, initial bool) *http.Response {
	reader, writer := io.Pipe()
	seconds, _ := strconv.Atoi(timeoutSeconds)
	s.count(1)
	go func() {
		defer s.count(-1)
		if initial {
			_, _ = io.WriteString(writer, `{"type":"BOOKMARK","object":{"kind":"NodeReboot","apiVersion":"reboot-operator.io/v1alpha1",`+
				`"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n")
		}
		select {
		case <-time.After(time.Duration(seconds) * time.Second):
		case <-ctx.Done():
		}
		_ = writer.Close()
	}()
	return respond(http.StatusOK, reader)
}

func (s *quietServer) count(change int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += change
}

// take returns what was asked for since it was called last, and how many watches are served.
func (s *quietServer) take() (asked []string, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, s.asked = s.asked, nil
	slices.Sort(asked)
	return asked, s.open
}

// Thousands of helpers have nothing to do for weeks.
func TestAnIdleHelperHoldsOneWatchAndAsksForNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &quietServer{}
		options := Options{
			NodeName: testNode, PodNamespace: "operator", PodName: "helper-1", Clock: clock.RealClock{},
			Config: &rest.Config{Host: "http://api.invalid", Transport: server},
			Host:   &fakeHost{bootID: bootA}, Sentinel: newFakeSentinel(v1alpha1.SentinelNotRequired),
		}
		if err := options.complete(); err != nil {
			t.Fatal(err)
		}
		a, err := newAgent(options)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { a.follow(ctx) })
		running.Go(func() { a.work(ctx) })
		pass(time.Minute)
		const nodeReboots = "WATCH /apis/reboot-operator.io/v1alpha1/nodereboots"
		begins := []string{
			"GET /api/v1/namespaces/operator/pods", "POST /api/v1/namespaces/operator/pods/helper-1/eviction", nodeReboots,
		}
		if asked, open := server.take(); !slices.Equal(asked, begins) || open != 1 {
			t.Errorf("it begins with %q and holds %d watches, want %q and one", asked, open, begins)
		}
		pass(28 * time.Minute)
		if asked, open := server.take(); len(asked) > 0 || open != 1 {
			t.Errorf("within half an hour it asks for %q and holds %d watches", asked, open)
		}
		pass(24 * time.Hour)
		asked, open := server.take()
		if slices.Compact(slices.Clone(asked))[0] != nodeReboots || slices.Contains(asked, begins[0]) || len(asked) > 48 || open != 1 {
			t.Errorf("within a day it asks for %q and holds %d watches; want that one, again when the API server has ended it", asked, open)
		}
		cancel()
		running.Wait()
	})
}
