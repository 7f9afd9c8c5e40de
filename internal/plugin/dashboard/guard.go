package dashboard

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// codeLife is how long the code in the address works that a browser is started with.
const codeLife = time.Minute

// guard keeps others out: other sites in the same browser, names that lead here, and other users of this machine.
type guard struct {
	clock clock.PassiveClock
	// hosts are the values of the header Host by which this server may be called.
	hosts map[string]bool
	// exposed, if it is set, is called when someone else may have had the token. It gets the new token.
	exposed func(token string)

	mu sync.Mutex
	// token is in the address that is printed. Anyone who has it may read. When it changes, revoked is closed.
	token   string
	revoked chan struct{}
	// code is in the address that a browser is started with. Others may read that in the list of processes, so it works once, and not for
	// long. It is spent when it was exchanged for the token.
	code, spent string
	expires     time.Time
}

func newGuard(address net.Addr, passive clock.PassiveClock) *guard {
	g := &guard{clock: passive, hosts: map[string]bool{}, token: secret(), revoked: make(chan struct{})}
	_, port, _ := net.SplitHostPort(address.String()) // The address of a listener always has a port.
	for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
		called := net.JoinHostPort(host, port)
		g.hosts[called] = true
		if port == "80" { // Browsers leave it out.
			g.hosts[strings.TrimSuffix(called, ":80")] = true
		}
	}
	return g
}

// secret is 128 random bits.
func secret() string {
	var bits [16]byte
	_, _ = rand.Read(bits[:]) // It never fails.
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

// once makes a code that works once.
func (g *guard) once() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.code, g.expires = secret(), g.clock.Now().Add(codeLife)
	return g.code
}

// redeem exchanges a code for the token. If a code comes a second time, someone else has read it, and may have been first: the token
// changes, and the old token shows nothing more.
func (g *guard) redeem(code string) (token string, good bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spent != "" && same(code, g.spent) {
		g.spent, g.token = "", secret()
		close(g.revoked)
		g.revoked = make(chan struct{})
		if g.exposed != nil {
			g.exposed(g.token)
		}
		return "", false
	}
	if g.code == "" || !same(code, g.code) || !g.clock.Now().Before(g.expires) {
		return "", false
	}
	g.code, g.spent = "", code
	return g.token, true
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// refuse is the status with which a request is refused, and why; 0 if it is not. It looks at everything but the token.
func (g *guard) refuse(r *http.Request) (status int, why string) {
	switch {
	case !g.hosts[r.Host]:
		return http.StatusMisdirectedRequest, "this server answers to 127.0.0.1, localhost and [::1] only"
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, "this server only answers GET"
	case !g.ownOrigin(r.Header.Values("Origin")):
		return http.StatusForbidden, "another site asked for this"
	case !fromHere(r):
		return http.StatusForbidden, "another site asked for this"
	}
	return 0, ""
}

// ownOrigin says whether a request comes from this server's own page, or from no page.
func (g *guard) ownOrigin(origins []string) bool {
	for _, origin := range origins {
		host, plain := strings.CutPrefix(origin, "http://")
		if !plain || !g.hosts[host] {
			return false
		}
	}
	return true
}

// fromHere says whether the browser says that the request comes from this server's page. Browsers let no page forge these headers. A person
// may follow a link to the page itself, which is the same for everyone and has no data in it.
func fromHere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// bearer is the token that a request carries.
func bearer(r *http.Request) string {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return ""
	}
	return token
}

// allowed says whether a request carries the token, and what is closed when that is no longer good.
func (g *guard) allowed(r *http.Request) (revoked <-chan struct{}, good bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.revoked, same(bearer(r), g.token)
}
