package notifier

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
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
)

// Confine makes every request of this process that does not choose its way itself go as notifications may go: to no local address but
// allowed ones, for a bounded time, without following redirects, and with a bounded answer. The services of shoutrrr take neither a context
// nor a client; they use http.DefaultTransport. Call it before anything else is started.
func Confine(allowed []netip.Prefix) {
	http.DefaultTransport = newTransport(outbound.Guard{Allowed: allowed}, nil)
}

// transport sends a request to where a guard lets it.
type transport struct {
	direct, proxied *http.Transport
	guard           outbound.Guard
}

// newTransport makes a transport; nil is the usual TLS configuration.
func newTransport(guard outbound.Guard, config *tls.Config) *transport {
	base := &http.Transport{
		TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSHandshakeTimeout: connectTimeout,
		DialContext: bounded(&net.Dialer{Timeout: connectTimeout}),
	}
	if base.TLSClientConfig == nil {
		base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
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
			return nil, err //nolint:wrapcheck // what is said of it is chosen by what it is
		}
		if err := conn.SetDeadline(clock.RealClock{}.Now().Add(sendTimeout)); err != nil {
			return nil, fmt.Errorf("bound a connection: %w", err)
		}
		return conn, nil
	}
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
		return nil, err //nolint:wrapcheck // what is said of it is chosen by what it is
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
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

// reaches says whether the guard lets connections through to all addresses of the host of a URL. It is for services that connect by
// themselves; what they look up afterwards may be something else.
func reaches(ctx context.Context, guard outbound.Guard, target *url.URL) error {
	if target.Hostname() == "" {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, connectTimeout)
	defer stop()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", target.Hostname())
	if err != nil {
		return fmt.Errorf("look up a name: %w", err)
	}
	for _, address := range addresses {
		if !guard.May(address) {
			return outbound.ErrLocal
		}
	}
	return nil
}
