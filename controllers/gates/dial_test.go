package gates

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

func TestGatesDoNotAskTheMachineOfTheManager(t *testing.T) {
	for address, want := range map[string]bool{
		"10.0.0.1":                     true,
		"192.168.1.1":                  true,
		"93.184.216.34":                true,
		"2001:db8::1":                  true,
		"fd00::1":                      true,
		"100.64.0.1":                   true,
		"127.0.0.1":                    false,
		"127.1.2.3":                    false,
		"::1":                          false,
		"::":                           false,
		"0.0.0.0":                      false,
		"0.1.2.3":                      false,
		"169.254.169.254":              false,
		"169.254.1.1":                  false,
		"fe80::1":                      false,
		"fe80::1%eth0":                 false,
		"fd00:ec2::254":                false,
		"fd00:ec2::23":                 false,
		"fd00:c1::a9fe:a9fe":           false,
		"fd00:42::42":                  false,
		"fd00:43::42":                  true,
		"fd20:ce::254":                 false,
		"100.100.100.200":              false,
		"168.63.129.16":                false,
		"192.0.0.192":                  false,
		"224.0.0.1":                    false,
		"255.255.255.255":              false,
		"ff02::1":                      false,
		"::ffff:127.0.0.1":             false,
		"::ffff:169.254.169.254":       false,
		"::ffff:10.0.0.1":              true,
		"64:ff9b::7f00:1":              false,
		"64:ff9b::a9fe:a9fe":           false,
		"64:ff9b::a00:1":               true,
		"64:ff9b:1::169.254.169.254":   false,
		"64:ff9b:1:2:3:4:7f00:1":       false,
		"64:ff9b:1:2:3:4:a00:1":        true,
		"2001:db8::169.254.169.254":    true,
		"0:0:0:0:0:ffff:a9fe:a9fe":     false,
		"0000:0000:0000:0000:0000::01": false,
	} {
		if got := (outbound.Guard{}).May(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %t, want %t", address, got, want)
		}
	}
	some := outbound.Guard{Allowed: prefixes("169.254.20.10/32")}
	if !some.May(netip.MustParseAddr("169.254.20.10")) || some.May(netip.MustParseAddr("169.254.20.11")) {
		t.Error("not exactly what is allowed is allowed")
	}
}

// The name is looked up when the connection is made, so that no name and no way to write an address goes around the list.
func TestANameThatLeadsToTheMachineOfTheManagerIsNotAsked(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++; answer(w, "[]") }))
	defer s.Close()
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, host := range []string{
		"127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0", "[::ffff:127.0.0.1]", "[::1]", "0177.0.0.1",
	} {
		t.Run(host, func(t *testing.T) {
			b := newBench(t)
			b.options.AllowedCIDRs = nil
			url := "http://" + host + port
			b.alertmanager(url)
			b.queries(url, "up")
			for _, kind := range []model.GateKind{model.GateAlertmanager, model.GatePrometheus} {
				if got := b.answer(kind, "g"); got == nil || got.Failure == "" {
					t.Errorf("%s: got %+v", kind, got)
				}
			}
		})
	}
	if asked > 0 {
		t.Errorf("the server was asked %d times", asked)
	}
	b := newBench(t)
	b.options.AllowedCIDRs = nil
	b.alertmanager(s.URL)
	want := s.URL + ": " + localProblem + "."
	if got := b.answer(model.GateAlertmanager, "g"); got == nil || got.Failure != want {
		t.Errorf("got %+v, want %q", got, want)
	}
}
