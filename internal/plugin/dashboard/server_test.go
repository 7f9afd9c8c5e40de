package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

// tab is what one browser gets of a stream.
type tab struct {
	header http.Header
	leave  context.CancelFunc

	mu      sync.Mutex
	written bytes.Buffer
	flushed int
	status  int
	ended   bool
	// full and stuck are the errors of writes and flushes.
	full, stuck error
}

func (p *tab) Header() http.Header { return p.header }

func (p *tab) WriteHeader(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

func (p *tab) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full != nil {
		return 0, p.full
	}
	return p.written.Write(text)
}

func (p *tab) FlushError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flushed = p.written.Len()
	return p.stuck
}

func (p *tab) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

// fail lets writes and flushes fail.
func (p *tab) fail(full, stuck error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full, p.stuck = full, stuck
}

// take is what has come since it was called last, and how much of that was sent.
func (p *tab) take() (text string, flushed int) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	text = p.written.String()
	p.written.Reset()
	return text, p.flushed
}

// over says whether the answer has ended, and with which status.
func (p *tab) over() (ended bool, status int) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended, p.status
}

// offline is a server that a test calls itself, about worker-1, which waits.
func offline(t *testing.T) *server {
	t.Helper()
	terminal := plugintest.New(t, 0)
	f := newFeed(terminal.App, terminal.Client, time.Hour, parts{clock: clock.RealClock{}})
	f.hub.publish(inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhasePending}))
	return newServer(newGuard(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8001}, clock.RealClock{}), f, newPage())
}

func (s *server) request(ctx context.Context, path string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:8001"+path, nil)
	r.Header.Set("Authorization", "Bearer "+s.guard.token)
	return r
}

// open opens a stream of a page that had everything up to an ID.
func (s *server) open(t *testing.T, last string) *tab {
	t.Helper()
	p := &tab{header: http.Header{}, status: http.StatusOK}
	var ctx context.Context
	ctx, p.leave = context.WithCancel(t.Context())
	s.watch(ctx, p, last)
	return p
}

func (s *server) watch(ctx context.Context, p *tab, last string) {
	r := s.request(ctx, "/api/stream")
	r.Header.Set("Last-Event-Id", last)
	go func() {
		s.ServeHTTP(p, r)
		p.end()
	}()
	synctest.Wait()
}

func TestAStreamSendsWhatChangesAndThatItIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := offline(t)
		p := s.open(t, "")
		first, sent := p.take()
		begin, end := "id: "+s.hub.stream+".1\ndata: {\"full\":true,", "}\n\n"
		if !strings.HasPrefix(first, begin) || !strings.HasSuffix(first, end) || sent != len(first) {
			t.Errorf("it begins with %q, of which %d were sent", first, sent)
		}
		if got := p.header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("the type is %s", got)
		}
		time.Sleep(beat - 1)
		if got, _ := p.take(); got != "" {
			t.Errorf("although nothing changed, it sends %q", got)
		}
		for range 2 {
			time.Sleep(beat)
			if got, _ := p.take(); got != ":\n\n" {
				t.Errorf("as a sign of life, it sends %q", got)
			}
		}
		publish(t, s.hub, map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhaseDraining})
		second, _ := p.take()
		if !strings.HasPrefix(second, "id: "+s.hub.stream+".2\ndata: {\"seq\":2,\"rows\":[") {
			t.Errorf("after a change, it sends %q", second)
		}
		p.leave()
		if ended, _ := p.over(); !ended {
			t.Error("it continues after the page is gone")
		}
	})
}

func TestAPageThatComesBackGetsWhatItMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := offline(t)
		missed := s.open(t, position(s.hub.stream, 1))
		if got, _ := missed.take(); got != ":\n\n" {
			t.Errorf("a page that missed nothing gets %q", got)
		}
		publish(t, s.hub, map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhaseDraining})
		late := s.open(t, position(s.hub.stream, 1))
		for _, p := range []*tab{missed, late} {
			if got, _ := p.take(); !strings.HasPrefix(got, "id: "+s.hub.stream+".2\ndata: {\"seq\":2,\"rows\":[") {
				t.Errorf("it gets %q", got)
			}
			p.leave()
		}
		synctest.Wait()
	})
}

func TestAStreamEndsWhenItsPageCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	for name, fail := range map[string]func(*tab){
		"a write":         func(p *tab) { p.fail(broken, nil) },
		"what is written": func(p *tab) { p.fail(nil, broken) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := offline(t)
				first := &tab{header: http.Header{}}
				fail(first)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s.watch(ctx, first, "")
				if ended, _ := first.over(); !ended {
					t.Error("it continues after the first message")
				}
				later := s.open(t, "")
				fail(later)
				time.Sleep(beat)
				if ended, _ := later.over(); !ended {
					t.Error("it continues after a sign of life")
				}
				later.leave()
			})
		})
	}
}

func TestAPageThatIsClosedMakesRoomForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := offline(t)
		var pages []*tab
		for range maxStreams {
			pages = append(pages, s.open(t, ""))
		}
		refused := s.open(t, "")
		why, _ := refused.take()
		if ended, status := refused.over(); status != http.StatusServiceUnavailable || !ended || !strings.Contains(why, "5 pages are open") {
			t.Errorf("one page more is answered with %d: %s", status, why)
		}
		pages[0].leave()
		synctest.Wait()
		pages[0] = s.open(t, "")
		if ended, status := pages[0].over(); status != http.StatusOK || ended {
			t.Errorf("after one was closed, another is answered with %d", status)
		}
		for _, p := range append(pages, refused) {
			p.leave()
		}
		synctest.Wait()
	})
}

func TestAStreamWithTheNewTokenGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := offline(t)
		before := s.open(t, "")
		code := s.guard.once()
		s.guard.redeem(code)
		s.guard.redeem(code)
		if ended, _ := before.over(); !ended {
			t.Error("the stream with the token before goes on")
		}
		after := s.open(t, "")
		if ended, _ := after.over(); ended {
			t.Error("the stream with the new token ends")
		}
		before.leave()
		after.leave()
		synctest.Wait()
	})
}

func TestANodeIsExplainedWithWhatRuns(t *testing.T) {
	t.Parallel()
	s := offline(t)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, s.request(t.Context(), "/api/node?name=worker-1"))
	var detail Detail
	if err := json.Unmarshal(w.Body.Bytes(), &detail); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	if !strings.Contains(detail.Why, "No manager is running") || len(detail.Story) != 2 {
		t.Errorf("the details are %+v", detail)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("the type is %s", got)
	}
}

func TestThePageIsHTMLWithoutData(t *testing.T) {
	t.Parallel()
	s := offline(t)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, s.request(t.Context(), "/"))
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("the type is %s", got)
	}
	page := w.Body.String()
	if strings.Contains(page, "worker-1") || strings.Contains(page, "<!--") || !strings.Contains(page, "<script type=\"module\">") {
		t.Error("the page has data, or lacks a part")
	}
}

func TestAListenerThatFailsEndsTheServerWithAnError(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := offline(t).serve(t.Context(), listener); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
