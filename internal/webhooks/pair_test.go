package webhooks

import (
	"crypto/x509"
	"testing"
	"time"
)

var (
	noon     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	itsNames = []string{"reboot-operator-webhook.ns.svc", "127.0.0.1"}
)

func mustPair(t *testing.T, names []string, before pair, now time.Time) pair {
	t.Helper()
	made, err := newPair(names, before, now)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// verify is what an API server does that trusts what the pair says.
func verify(t *testing.T, served, trusts pair, name string, at time.Time) error {
	t.Helper()
	_, leaf, err := served.load()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusts.trusted)
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at})
	return err
}

func TestACertificateIsGoodForItsNamesAndItsTime(t *testing.T) {
	made := mustPair(t, itsNames, pair{}, noon)
	for name, test := range map[string]struct {
		name   string
		at     time.Time
		wantOK bool
	}{
		"the service":          {itsNames[0], noon, true},
		"an address":           {itsNames[1], noon, true},
		"a clock behind":       {itsNames[0], noon.Add(-50 * time.Minute), true},
		"another name":         {"example.com", noon, false},
		"long before":          {itsNames[0], noon.Add(-2 * time.Hour), false},
		"before it is renewed": {itsNames[0], noon.Add(lifetime - renewBefore), true},
		"after its end":        {itsNames[0], noon.Add(lifetime + time.Second), false},
	} {
		if err := verify(t, made, made, test.name, test.at); (err == nil) != test.wantOK {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACertificateIsRenewedInTimeAndIfItIsOfNoUse(t *testing.T) {
	made := mustPair(t, itsNames, pair{}, noon)
	other := mustPair(t, itsNames, pair{}, noon)
	for name, test := range map[string]struct {
		pair   pair
		names  []string
		at     time.Time
		wantOK bool
	}{
		"new":                         {made, itsNames, noon, true},
		"of more names than needed":   {made, itsNames[:1], noon, true},
		"just before its renewal":     {made, itsNames, noon.Add(lifetime - renewBefore - time.Second), true},
		"due":                         {made, itsNames, noon.Add(lifetime - renewBefore), false},
		"not good yet":                {made, itsNames, noon.Add(-2 * time.Hour), false},
		"without a name that is used": {made, []string{"example.com"}, noon, false},
		"none":                        {pair{}, itsNames, noon, false},
		"with the key of another":     {pair{made.certificate, other.key, made.trusted}, itsNames, noon, false},
		"that is not trusted":         {pair{made.certificate, made.key, other.trusted}, itsNames, noon, false},
		"that trusts nothing":         {pair{certificate: made.certificate, key: made.key}, itsNames, noon, false},
		"garbage":                     {pair{[]byte("x"), []byte("y"), []byte("z")}, itsNames, noon, false},
	} {
		got := test.pair.goodUntil(test.names, test.at)
		if got.IsZero() == test.wantOK {
			t.Errorf("%s: good until %s", name, got)
		}
		if test.wantOK && !got.Equal(noon.Add(lifetime-renewBefore)) {
			t.Errorf("%s: renewed at %s", name, got)
		}
	}
}

func TestWhileACertificateIsReplacedBothAreTrusted(t *testing.T) {
	first := mustPair(t, itsNames, pair{}, noon)
	second := mustPair(t, itsNames, first, noon.Add(time.Hour))
	third := mustPair(t, itsNames, second, noon.Add(2*time.Hour))
	at := noon.Add(3 * time.Hour)
	for name, test := range map[string]struct {
		served, trusts pair
		wantOK         bool
	}{
		"the new one":                   {second, second, true},
		"the one before":                {first, second, true},
		"the new one too early":         {second, first, false},
		"the one before the one before": {first, third, false},
	} {
		if err := verify(t, test.served, test.trusts, itsNames[0], at); (err == nil) != test.wantOK {
			t.Errorf("%s: %v", name, err)
		}
	}
	if broken := mustPair(t, itsNames, pair{certificate: []byte("x")}, noon); string(broken.trusted) != string(broken.certificate) {
		t.Error("what is no certificate is trusted")
	}
	if _, err := newPair(nil, pair{}, noon); err == nil {
		t.Error("a certificate of nobody was made")
	}
}
