package dashboard

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// serving is a server on a real port, with nothing to show.
type serving struct {
	*server
	port string
	stop context.CancelFunc
	done chan error
}

func serve(t *testing.T, passive clock.PassiveClock) *serving {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	f := newFeed(plugintest.New(t, 0).App, nil, time.Hour, parts{clock: clock.RealClock{}})
	s := &serving{server: newServer(newGuard(listener.Addr(), passive), f, newPage()), port: port, stop: cancel, done: make(chan error, 1)}
	in := &Input{Cluster: "test", Fleet: &app.Fleet{}, Zone: time.UTC}
	in.Chart = MakeChart(in.Fleet, nil, noon.Add(-time.Hour), noon, time.UTC)
	s.hub.publish(in)
	go func() { s.done <- s.serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	})
	return s
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// ask sends a request to the server, whatever host it names.
func (s *serving) ask(t *testing.T, method, path string, headers map[string]string) (status int, body string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:"+s.port+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	if host := headers["Host"]; host != "" {
		r.Host = host
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		return answer.StatusCode, "", answer.Header
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

func TestOthersAreKeptOut(t *testing.T) {
	t.Parallel()
	s := serve(t, clock.RealClock{})
	own := map[string]string{"Authorization": "Bearer " + s.guard.token}
	with := func(more ...string) map[string]string {
		all := map[string]string{}
		for k, v := range own {
			all[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	for name, c := range map[string]struct {
		method, path string
		headers      map[string]string
		want         int
	}{
		"the page itself":                                 {"GET", "/", nil, http.StatusOK},
		"the owner":                                       {"GET", "/api/stream", own, http.StatusOK},
		"the owner, as a browser asks":                    {"GET", "/api/stream", with("Sec-Fetch-Site", "same-origin", "Origin", "http://127.0.0.1:"+s.port), http.StatusOK},
		"the owner, by name":                              {"GET", "/api/stream", with("Host", "localhost:"+s.port), http.StatusOK},
		"the owner, by an IPv6 address":                   {"GET", "/api/stream", with("Host", "[::1]:"+s.port), http.StatusOK},
		"a person who followed a link to the page":        {"GET", "/", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, http.StatusOK},
		"another user, without a token":                   {"GET", "/api/stream", nil, http.StatusUnauthorized},
		"another user, who guesses":                       {"GET", "/api/stream", map[string]string{"Authorization": "Bearer " + secret()}, http.StatusUnauthorized},
		"another user, with an empty token":               {"GET", "/api/stream", map[string]string{"Authorization": "Bearer "}, http.StatusUnauthorized},
		"another user, who asks for a node":               {"GET", "/api/node?name=worker-1", nil, http.StatusUnauthorized},
		"another user, with the token and no scheme":      {"GET", "/api/stream", map[string]string{"Authorization": s.guard.token}, http.StatusUnauthorized},
		"another user, with the token in the address":     {"GET", "/api/stream?token=" + s.guard.token, nil, http.StatusUnauthorized},
		"another user, with the token in a cookie":        {"GET", "/api/stream", map[string]string{"Cookie": "token=" + s.guard.token}, http.StatusUnauthorized},
		"another user, who exchanges nothing for a token": {"GET", "/api/session", nil, http.StatusUnauthorized},
		"a name that leads here (DNS rebinding)":          {"GET", "/api/stream", with("Host", "evil.example:"+s.port), http.StatusMisdirectedRequest},
		"a name that leads here, for the page":            {"GET", "/", map[string]string{"Host": "evil.example:" + s.port}, http.StatusMisdirectedRequest},
		"a name that only begins well":                    {"GET", "/", map[string]string{"Host": "127.0.0.1.evil.example:" + s.port}, http.StatusMisdirectedRequest},
		"another port":                                    {"GET", "/", map[string]string{"Host": "127.0.0.1:1"}, http.StatusMisdirectedRequest},
		"no port":                                         {"GET", "/", map[string]string{"Host": "localhost"}, http.StatusMisdirectedRequest},
		"another site's fetch":                            {"GET", "/api/stream", with("Origin", "https://evil.example"), http.StatusForbidden},
		"another site's fetch, by http":                   {"GET", "/api/stream", with("Origin", "http://evil.example"), http.StatusForbidden},
		"a page on another port, in an older browser":     {"GET", "/api/stream", with("Origin", "http://127.0.0.1:1"), http.StatusForbidden},
		"an origin without a scheme":                      {"GET", "/api/stream", with("Origin", "127.0.0.1:"+s.port), http.StatusForbidden},
		"another site's image of the page":                {"GET", "/", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "document"}, http.StatusForbidden},
		"a file's fetch":                                  {"GET", "/api/stream", with("Origin", "null"), http.StatusForbidden},
		"a page on another port of this machine":          {"GET", "/api/stream", with("Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site"), http.StatusForbidden},
		"a page by https":                                 {"GET", "/api/stream", with("Origin", "https://127.0.0.1:"+s.port), http.StatusForbidden},
		"another site's script or image":                  {"GET", "/api/stream", with("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"), http.StatusForbidden},
		"another site's frame":                            {"GET", "/", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, http.StatusForbidden},
		"a link of another site to data":                  {"GET", "/api/stream", with("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), http.StatusForbidden},
		"a form":                                          {"POST", "/api/stream", own, http.StatusMethodNotAllowed},
		"a question before a request":                     {"OPTIONS", "/api/stream", own, http.StatusMethodNotAllowed},
		"a path that is not there":                        {"GET", "/api/secrets", own, http.StatusNotFound},
		"a node that is not there":                        {"GET", "/api/node?name=worker-1", own, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body, header := s.ask(t, c.method, c.path, c.headers)
			if status != c.want {
				t.Errorf("the answer is %d and not %d: %s", status, c.want, body)
			}
			if strings.Contains(body, s.guard.token) {
				t.Error("the answer has the token in it")
			}
			for name, want := range map[string]string{
				"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
				"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Access-Control-Allow-Origin": "",
				"Set-Cookie": "", "Permissions-Policy": "clipboard-write=(self), camera=(), geolocation=(), microphone=()",
				"Allow": map[bool]string{true: "GET"}[c.want == http.StatusMethodNotAllowed],
			} {
				if got := header.Get(name); got != want {
					t.Errorf("%s is %q and not %q", name, got, want)
				}
			}
			policy := header.Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none'; script-src 'sha256-") || !strings.Contains(policy, "frame-ancestors 'none'") ||
				strings.Contains(policy, "unsafe") {
				t.Errorf("the policy of the content is %q", policy)
			}
		})
	}
}

func TestTheCodeForTheBrowserWorksOnceAndNotForLong(t *testing.T) {
	t.Parallel()
	passive := clocktesting.NewFakePassiveClock(noon)
	s := serve(t, passive)
	exchange := func(code string) int {
		status, body, _ := s.ask(t, "GET", "/api/session", map[string]string{"Authorization": "Bearer " + code})
		if status == http.StatusOK && !strings.Contains(body, s.guard.token) {
			t.Errorf("a good code gives %q", body)
		}
		return status
	}
	code := s.guard.once()
	if code == s.guard.token || len(code) < 22 {
		t.Fatalf("the code is %q", code)
	}
	if got := s.ask3(t, code); got != http.StatusUnauthorized {
		t.Errorf("a code reads data: %d", got)
	}
	if got := exchange(code); got != http.StatusOK {
		t.Errorf("the code is refused: %d", got)
	}
	if got := exchange(code); got != http.StatusUnauthorized {
		t.Errorf("the code works twice: %d", got)
	}
	late := s.guard.once()
	passive.SetTime(noon.Add(codeLife))
	if got := exchange(late); got != http.StatusUnauthorized {
		t.Errorf("the code works after %s: %d", codeLife, got)
	}
}

func TestACodeThatIsUsedTwiceChangesTheToken(t *testing.T) {
	t.Parallel()
	s := serve(t, clock.RealClock{})
	warned := make(chan string, 2)
	s.guard.exposed = func(token string) { warned <- token }
	before, code := s.guard.token, s.guard.once()
	exchange := func() int {
		status, _, _ := s.ask(t, "GET", "/api/session", map[string]string{"Authorization": "Bearer " + code})
		return status
	}
	if got := exchange(); got != http.StatusOK {
		t.Fatalf("the code is refused: %d", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+s.port+"/api/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+before)
	stream, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	if got := exchange(); got != http.StatusUnauthorized {
		t.Errorf("the code works twice: %d", got)
	}
	after := await.Receive(t, "a warning", warned)
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the stream of whoever has the token before ends with %v", err)
	}
	if got := s.ask3(t, before); got != http.StatusUnauthorized {
		t.Errorf("the token before still works: %d", got)
	}
	if got := s.ask3(t, after); got != http.StatusOK {
		t.Errorf("the new token is refused: %d", got)
	}
	if exchange(); len(warned) > 0 || s.ask3(t, after) != http.StatusOK {
		t.Error("whoever has the code can change the token repeatedly")
	}
}

func (s *serving) ask3(t *testing.T, token string) int {
	t.Helper()
	status, _, _ := s.ask(t, "GET", "/api/stream", map[string]string{"Authorization": "Bearer " + token})
	return status
}

func TestOnlyTheCodeItselfIsExchangedForTheToken(t *testing.T) {
	t.Parallel()
	g := newGuard(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, clocktesting.NewFakePassiveClock(noon))
	refused := func(when, code string) {
		t.Helper()
		before := g.token
		if token, good := g.redeem(code); good || token != "" || g.token != before {
			t.Errorf("%s: %q is exchanged (%t), or the token changed", when, code, good)
		}
	}
	refused("before there is a code", "")
	code := g.once()
	refused("while there is a code", "")
	refused("while there is a code", secret())
	if token, good := g.redeem(code); !good || token != g.token {
		t.Errorf("the code is exchanged for %q (%t)", token, good)
	}
	refused("after the code was used", "")
	refused("after the code was used", secret())
}

func TestEachCodeThatIsUsedTwiceChangesTheToken(t *testing.T) {
	t.Parallel()
	g := newGuard(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, clocktesting.NewFakePassiveClock(noon))
	seen := map[string]bool{g.token: true}
	for range 3 {
		code, before := g.once(), g.revoked
		for _, want := range []bool{true, false} {
			if _, good := g.redeem(code); good != want {
				t.Errorf("the code is good: %t", good)
			}
		}
		select {
		case <-before:
		default:
			t.Error("what is read with the token before goes on")
		}
		if seen[g.token] {
			t.Error("the token is the one before")
		}
		seen[g.token] = true
	}
}

func TestThePortThatBrowsersLeaveOutMayBeMissing(t *testing.T) {
	t.Parallel()
	for port, want := range map[int]bool{80: true, 8001: false} {
		g := newGuard(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, clock.RealClock{})
		for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
			if g.hosts[host] != want {
				t.Errorf("port %d: the host %s is answered: %t", port, host, g.hosts[host])
			}
		}
	}
}

func TestSecretsDifferAndHave128Bits(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		one := secret()
		if len(one) != 22 || seen[one] {
			t.Fatalf("the secret is %q", one)
		}
		seen[one] = true
	}
}

func TestTheEndDoesNotWaitForOpenStreams(t *testing.T) {
	t.Parallel()
	s := serve(t, clock.RealClock{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+s.port+"/api/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.guard.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	begin := make([]byte, 4)
	if _, err := io.ReadFull(answer.Body, begin); err != nil || string(begin) != "id: " {
		t.Fatalf("the stream begins with %q: %v", begin, err)
	}
	s.stop()
	select {
	case err := <-s.done:
		s.done <- err
	case <-t.Context().Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the server did not end while a stream was open")
	}
}
