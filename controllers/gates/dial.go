package gates

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// transport connects to one server. Its address is looked at when its name has been looked up, so that no name leads anywhere else. Behind
// a proxy, which an administrator chose, the proxy looks names up.
func (a *Asker) transport(target *url.URL, config *tls.Config) (http.RoundTripper, error) {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	guard := outbound.Guard{Allowed: a.options.AllowedCIDRs}
	if literal, err := netip.ParseAddr(target.Hostname()); err == nil && !guard.May(literal) {
		return nil, say(outbound.ErrLocal, "%s", localProblem)
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: target})
	if err != nil {
		return nil, say(err, "the manager's proxy is not configured right")
	}
	if proxy != nil {
		transport.Proxy = http.ProxyURL(proxy)
		return transport, nil
	}
	transport.DialContext = guard.Dialer().DialContext
	return transport, nil
}
