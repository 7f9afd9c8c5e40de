package gates

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
)

// errLocal is an address that a gate may not ask.
var errLocal = errors.New("a loopback, link-local or metadata address")

// notAsked are addresses that are about the machine that the manager runs on, and not about a server of the cluster: loopback, link-local,
// multicast, unspecified (which is this machine as well), and the metadata services of clouds that are elsewhere.
var notAsked = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8",
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
	"fd00:ec2::/32", "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128", "fd00:42::42/128",
)

// embedding are prefixes of IPv6 addresses that end in an IPv4 address, which is what is reached by them: NAT64. Any /96 of the second is
// for networks to choose.
var embedding = prefixes("64:ff9b::/96", "64:ff9b:1::/48")

func prefixes(all ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, 0, len(all))
	for _, prefix := range all {
		parsed = append(parsed, netip.MustParsePrefix(prefix))
	}
	return parsed
}

// mayAsk tells whether a gate may ask the server at an address.
func (a *Asker) mayAsk(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if contain(embedding, address) {
		bytes := address.As16()
		address = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return !contain(notAsked, address) || contain(a.options.AllowedCIDRs, address)
}

func contain(all []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(address) })
}

// transport connects to one server. Its address is looked at when its name has been looked up, so that no name leads anywhere else. Behind
// a proxy, which an administrator chose, the proxy looks names up.
func (a *Asker) transport(target *url.URL, config *tls.Config) (http.RoundTripper, error) {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	if literal, err := netip.ParseAddr(target.Hostname()); err == nil && !a.mayAsk(literal) {
		return nil, say(errLocal, "%s", localProblem)
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: target})
	if err != nil {
		return nil, say(err, "the manager's proxy is not configured right")
	}
	if proxy != nil {
		transport.Proxy = http.ProxyURL(proxy)
		return transport, nil
	}
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if resolved, err := netip.ParseAddrPort(address); err != nil || !a.mayAsk(resolved.Addr()) {
			return errLocal
		}
		return nil
	}}
	transport.DialContext = dialer.DialContext
	return transport, nil
}
