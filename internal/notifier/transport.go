package notifier

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

const (
	// connectTimeout bounds how long it takes to connect, and sendTimeout how long a connection lasts: a receiver that hangs is given up.
	connectTimeout = 5 * time.Second
	sendTimeout    = 15 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
	// maxRetryAfter bounds how long a receiver may ask to be left alone.
	maxRetryAfter = time.Hour
)

// Confine makes every request of this process that does not choose its way itself go as notifications may go: to no local address but
// allowed ones, for a bounded time, without following redirects, and with a bounded answer. The services of shoutrrr take neither a context
// nor a client; they use http.DefaultTransport. Call it before anything else is started.
func Confine(allowed []netip.Prefix) {
	http.DefaultTransport = judging{newTransport(outbound.Guard{Allowed: allowed}, nil)}
}

// transport sends a request to where a guard lets it.
type transport struct {
	direct, proxied *http.Transport
	guard           outbound.Guard
}

// insecure is the TLS configuration of who does not verify certificates, otherwise the usual one.
func insecure(skips bool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: skips}
}

// newTransport makes a transport; nil is the usual TLS configuration.
func newTransport(guard outbound.Guard, config *tls.Config) *transport {
	base := &http.Transport{
		TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSHandshakeTimeout: connectTimeout,
		MaxResponseHeaderBytes: maxAnswer,
		DialContext:            bounded(&net.Dialer{Timeout: connectTimeout}),
	}
	if base.TLSClientConfig == nil {
		base.TLSClientConfig = insecure(false)
	}
	direct := base.Clone()
	dialer := guard.Dialer()
	dialer.Timeout = connectTimeout
	direct.DialContext = bounded(dialer)
	base.Proxy = http.ProxyFromEnvironment
	return &transport{direct: direct, proxied: base, guard: guard}
}

// bounded dials connections that end after some time, whatever they are used for.
func bounded(dialer *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err //nolint:wrapcheck // what is said about it is chosen by what it is
		}
		limited := &boundedConn{Conn: conn, until: clock.RealClock{}.Now().Add(sendTimeout)}
		if err := limited.SetDeadline(limited.until); err != nil {
			return nil, fmt.Errorf("bound a connection: %w", err)
		}
		return limited, nil
	}
}

// boundedConn is a connection whose deadline can only come earlier: a mail server that answers a little before each deadline would
// otherwise be spoken to for as long as it likes.
type boundedConn struct {
	net.Conn
	until time.Time
}

func (c *boundedConn) bound(t time.Time) time.Time {
	if t.IsZero() || t.After(c.until) {
		return c.until
	}
	return t
}

// SetDeadline implements net.Conn.
func (c *boundedConn) SetDeadline(t time.Time) error {
	return c.Conn.SetDeadline(c.bound(t)) //nolint:wrapcheck // as net.Conn does
}

// SetReadDeadline implements net.Conn.
func (c *boundedConn) SetReadDeadline(t time.Time) error {
	return c.Conn.SetReadDeadline(c.bound(t)) //nolint:wrapcheck // as net.Conn does
}

// SetWriteDeadline implements net.Conn.
func (c *boundedConn) SetWriteDeadline(t time.Time) error {
	return c.Conn.SetWriteDeadline(c.bound(t)) //nolint:wrapcheck // as net.Conn does
}

// RoundTrip implements http.RoundTripper. Behind a proxy, which an administrator chose, the proxy looks names up.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	proxy, err := http.ProxyFromEnvironment(request)
	if err != nil {
		return nil, fmt.Errorf("read the settings of the proxy: %w", err)
	}
	next := t.direct
	if proxy != nil {
		if literal, err := netip.ParseAddr(request.URL.Hostname()); err == nil && !t.guard.May(literal) {
			return nil, outbound.ErrLocal
		}
		next = t.proxied
	}
	response, err := next.RoundTrip(request)
	if err != nil {
		return nil, err //nolint:wrapcheck // what is said about it is chosen by what it is
	}
	switch code := response.StatusCode; {
	case code >= 400:
		return nil, closed(response, refusalOf(response))
	case code >= 300:
		return nil, closed(response, errRedirects)
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: maxAnswer}
	return response, nil
}

func closed(response *http.Response, err error) error {
	if closing := response.Body.Close(); closing != nil {
		return fmt.Errorf("%w, and: %w", err, closing)
	}
	return err
}

// boundedBody fails where a body is longer than it may be.
type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err //nolint:wrapcheck // io.EOF is compared
}

// refusal is an answer that says that a message was not taken. Services make errors of their own of such an answer, of which some have
// parts of URLs in them and some no status, and one sleeps for minutes and tries again. So none gets it: they get this error instead.
type refusal struct {
	code  int
	after time.Duration
	// ofAll says that it is about every request to the service: Discord has limits for kinds of requests, and one for all of them.
	ofAll bool
	// word is one of the words that may be repeated; empty if there is none.
	word string
}

// Error implements error. Some services keep nothing of an error but its text; see refusals.
func (r *refusal) Error() string {
	return fmt.Sprintf("refusal %d after %ds word %q", r.code, int(r.after.Seconds()), r.word)
}

func refusalOf(response *http.Response) *refusal {
	r := &refusal{
		code: response.StatusCode, after: retryAfter(response.Header.Get("Retry-After")),
		ofAll: strings.EqualFold(response.Header.Get("X-RateLimit-Global"), "true"),
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err == nil {
		r.word = words.FindString(string(body))
	}
	return r
}

// retryAfter is how long a server asks to be left alone, in seconds or as a time.
func retryAfter(header string) time.Duration {
	var after time.Duration
	if seconds, err := strconv.ParseFloat(header, 64); err == nil {
		after = time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(header); err == nil {
		after = at.Sub(clock.RealClock{}.Now())
	}
	return min(max(after, 0), maxRetryAfter)
}
