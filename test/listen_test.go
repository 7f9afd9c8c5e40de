package test

import (
	"net"
	"testing"
)

// TestListenersUsePlainTCP keeps the programs of this module from Multipath TCP. SELinux forbids containers to read from its connections on
// kernels before 6.4 (github.com/multipath-tcp/mptcp_net-next, issue 320): probes, webhooks and metrics would fail.
func TestListenersUsePlainTCP(t *testing.T) {
	if (&net.ListenConfig{}).MultipathTCP() {
		t.Error("listeners use Multipath TCP: go.mod has to say godebug multipathtcp=0")
	}
}
