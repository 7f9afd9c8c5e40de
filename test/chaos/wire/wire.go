// Package wire is what lies between a program and the API server, and what can go wrong there.
package wire

import (
	"errors"
	"net/http"
	"strings"
	"sync"
)

// ErrCut is what a hook returns so that the connection ends without an answer.
var ErrCut = errors.New("the connection is cut")

// Call is a request to the API server.
type Call struct {
	// Write says that it may change something that is not the program's own lease.
	Write bool
	// Number counts writes from 1; 0 for others.
	Number int
	// Watch and List say that it is one.
	Watch, List bool
	Request     *http.Request
}

// String is what is asked for.
func (c *Call) String() string { return c.Request.Method + " " + c.Request.URL.Path }

// Hook handles a call: by next, which asks the API server, or in another way. It may be called by many at once.
type Hook func(call *Call, next func() (*http.Response, error)) (*http.Response, error)

// Wire counts writes and has a hook handle each call. It implements http.RoundTripper.
type Wire struct {
	next http.RoundTripper

	watches watches

	mu     sync.Mutex
	counts bool // since the first Reset
	writes int
	names  []string
	hook   Hook
}

// New is a wire that does nothing to what passes.
func New(next http.RoundTripper) *Wire { return &Wire{next: next} }

// SetHook has all calls from now on handled by hook; nil lets them pass.
func (w *Wire) SetHook(hook Hook) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = hook
}

// CloseWatches closes every watch that is open, and says how many that were.
func (w *Wire) CloseWatches() int { return w.watches.close() }

// Reset begins to count writes, from 1. Before it none is counted.
func (w *Wire) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts, w.writes, w.names = true, 0, nil
}

// Writes are those since Reset.
func (w *Wire) Writes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.names...)
}

// RoundTrip handles one request.
func (w *Wire) RoundTrip(request *http.Request) (*http.Response, error) {
	call := newCall(request)
	w.mu.Lock()
	if call.Write && w.counts {
		w.writes++
		call.Number = w.writes
		w.names = append(w.names, call.String())
	}
	hook := w.hook
	w.mu.Unlock()
	ask := func() (*http.Response, error) {
		response, err := w.next.RoundTrip(call.Request)
		if err == nil && call.Watch {
			response = w.watches.follow(response)
		}
		return response, err
	}
	if hook == nil {
		return ask()
	}
	return hook(call, ask)
}

func newCall(request *http.Request) *Call {
	call := &Call{Request: request}
	path := request.URL.Path
	switch request.Method {
	case http.MethodGet:
		query := request.URL.Query()
		call.Watch = query.Get("watch") == "true" || query.Get("watch") == "1"
		call.List = !call.Watch && isCollection(path)
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		call.Write = !strings.Contains(path, "/leases") && !strings.Contains(path, "reviews")
	}
	return call
}

// isCollection reports whether the last part of a path names a kind.
func isCollection(path string) bool {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch { // api/v1/..., apis/group/v1/...
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	return len(parts) == 1
}
