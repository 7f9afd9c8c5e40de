package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

const (
	// beat is how often a stream says that it is there.
	beat = 15 * time.Second
	// maxStreams bounds how many pages may be open at once. Browsers open six connections to a server; one is left to ask for nodes.
	maxStreams = 5
	// writeLimit bounds how long a page may take to read what is sent to it.
	writeLimit = 30 * time.Second
)

// server answers the page.
type server struct {
	guard   *guard
	hub     *hub
	page    *page
	clock   clock.WithTicker
	streams chan struct{}
	// installed is what of the operator runs.
	installed func(context.Context) *install.Installation
}

func newServer(g *guard, f *feed, p *page) *server {
	return &server{guard: g, hub: f.hub, page: p, clock: f.clock, streams: make(chan struct{}, maxStreams), installed: f.installed}
}

// serve answers until the context ends. Streams end with it.
func (s *server) serve(ctx context.Context, listener net.Listener) error {
	served := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	context.AfterFunc(ctx, func() { _ = served.Close() })
	if err := served.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", s.page.policy+"; frame-ancestors 'none'")
	header.Set("Cache-Control", "no-store")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "clipboard-write=(self), camera=(), geolocation=(), microphone=()")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	if status, why := s.guard.refuse(r); status != 0 {
		if status == http.StatusMethodNotAllowed {
			header.Set("Allow", http.MethodGet)
		}
		http.Error(w, why, status)
		return
	}
	if r.URL.Path == "/" {
		header.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(s.page.served())
		return
	}
	s.answer(w, r)
}

// answer answers what only the owner of the token may ask for.
func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/session" {
		s.session(w, r)
		return
	}
	revoked, good := s.guard.allowed(r)
	if !good {
		http.Error(w, "open the address that the command printed", http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/api/stream":
		s.stream(w, r, revoked)
	case "/api/node":
		s.node(w, r)
	default:
		http.NotFound(w, r)
	}
}

// node tells about one node.
func (s *server) node(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	shown := s.hub.shown(name)
	if shown == nil {
		http.Error(w, "there is no such node", http.StatusNotFound)
		return
	}
	in := *shown
	in.Installed = s.installed(r.Context())
	writeJSON(w, newExplainer(&in).detail(name))
}

func (s *server) session(w http.ResponseWriter, r *http.Request) {
	token, good := s.guard.redeem(bearer(r))
	if !good {
		http.Error(w, "this address worked once; open the one that the command printed", http.StatusUnauthorized)
		return
	}
	writeJSON(w, map[string]string{"token": token})
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

// stream sends the document, and from then on what changes, as server-sent events, until the token is revoked.
func (s *server) stream(w http.ResponseWriter, r *http.Request, revoked <-chan struct{}) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		http.Error(w, fmt.Sprintf("%d pages are open, and more cannot be: close one", maxStreams), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	ticker := s.clock.NewTicker(beat)
	defer ticker.Stop()
	last := r.Header.Get("Last-Event-ID")
	for {
		event, id, changed := s.hub.since(last)
		if !s.send(w, event, id) {
			return
		}
		last = id
		if !wait(r.Context(), revoked, changed, ticker) {
			return
		}
	}
}

// wait waits for a change, or until it is time to say that the server is there. It returns false when the page is gone or no longer
// allowed.
func wait(ctx context.Context, revoked, changed <-chan struct{}, ticker clock.Ticker) bool {
	select {
	case <-ctx.Done():
		return false
	case <-revoked:
		return false
	case <-changed:
	case <-ticker.C():
	}
	return true
}

// send sends an event, or a comment that says that the server is there.
func (s *server) send(w http.ResponseWriter, event []byte, id string) bool {
	if event == nil {
		return s.write(w, []byte(":\n\n"))
	}
	return s.write(w, slices.Concat([]byte("id: "+id+"\ndata: "), event, []byte("\n\n")))
}

func (s *server) write(w http.ResponseWriter, message []byte) bool {
	control := http.NewResponseController(w)
	// The deadline is one of the network, which goes by the real clock. A writer that cannot set one, such as a recorder of tests, needs none.
	_ = control.SetWriteDeadline(clock.RealClock{}.Now().Add(writeLimit))
	if _, err := w.Write(message); err != nil {
		return false
	}
	return control.Flush() == nil
}

// position is a stream and a sequence, as the ID of an event has them.
func position(stream string, seq uint64) string { return stream + "." + strconv.FormatUint(seq, 10) }
