// Package outbound keeps the manager from being sent to its own surroundings by a URL that someone else wrote: loopback, link-local
// addresses, and the metadata services of clouds. An address is looked at when the connection is made, so that no name and no spelling of
// an address leads there.
package outbound

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// ErrLocal is an address that the manager may not be sent to.
var ErrLocal = errors.New("a loopback, link-local or metadata address")

// local are addresses that are about the machine that the manager runs on, and not about a server of the cluster: loopback, link-local,
// multicast, unspecified (which is this machine as well), and the metadata services of clouds that are elsewhere.
var local = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8",
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
	"fd00:ec2::/32", "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128", "fd00:42::42/128",
)

// embedding are prefixes of IPv6 addresses that end in an IPv4 address, which is what is reached by them: NAT64. Any /96 of the second is
// for networks to choose.
var embedding = prefixes("64:ff9b::/96", "64:ff9b:1::/48")

// Local returns the prefixes of local addresses.
func Local() []netip.Prefix { return slices.Clone(local) }

func prefixes(all ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, 0, len(all))
	for _, prefix := range all {
		parsed = append(parsed, netip.MustParsePrefix(prefix))
	}
	return parsed
}

// Guard lets connections through to every address but local ones. It may let some of those through, too.
type Guard struct {
	// Allowed are local addresses that connections may be made to.
	Allowed []netip.Prefix
}

// May reports whether a connection may be made to an address.
func (g Guard) May(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if contain(embedding, address) {
		bytes := address.As16()
		address = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return !contain(local, address) || contain(g.Allowed, address)
}

// Dialer makes connections to addresses that may be reached, and fails with ErrLocal for others.
func (g Guard) Dialer() *net.Dialer {
	return &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if resolved, err := netip.ParseAddrPort(address); err != nil || !g.May(resolved.Addr()) {
			return ErrLocal
		}
		return nil
	}}
}

func contain(all []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(address) })
}
