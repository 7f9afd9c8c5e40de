package certificates

import (
	"bytes"
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
	made, err := before.renewed(names, now)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// verify is what an API server or a Prometheus does that trusts what the pair says.
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
	with := func(change func(*pair)) pair {
		changed := made
		change(&changed)
		return changed
	}
	for name, test := range map[string]struct {
		pair   pair
		names  []string
		at     time.Time
		wantOK bool
	}{
		"new":                            {made, itsNames, noon, true},
		"of more names than needed":      {made, itsNames[:1], noon, true},
		"just before its renewal":        {made, itsNames, noon.Add(lifetime - renewBefore - time.Second), true},
		"due":                            {made, itsNames, noon.Add(lifetime - renewBefore), false},
		"not good yet":                   {made, itsNames, noon.Add(-2 * time.Hour), false},
		"without a name that is used":    {made, []string{"example.com"}, noon, false},
		"none":                           {pair{}, itsNames, noon, false},
		"with the key of another":        {with(func(p *pair) { p.key = other.key }), itsNames, noon, false},
		"that is not trusted":            {with(func(p *pair) { p.trusted = other.trusted }), itsNames, noon, false},
		"that trusts nothing":            {with(func(p *pair) { p.trusted = nil }), itsNames, noon, false},
		"without an authority":           {with(func(p *pair) { p.authority = nil }), itsNames, noon, false},
		"whose authority is another's":   {with(func(p *pair) { p.authorityKey = other.authorityKey }), itsNames, noon, false},
		"whose authority signs nothing":  {with(func(p *pair) { p.authority, p.authorityKey, p.trusted = p.certificate, p.key, p.certificate }), itsNames, noon, false},
		"whose authority is not trusted": {with(func(p *pair) { p.authority, p.authorityKey = other.authority, other.authorityKey }), itsNames, noon, false},
		"garbage":                        {pair{[]byte("x"), []byte("y"), []byte("z"), []byte("a"), []byte("b")}, itsNames, noon, false},
	} {
		got := test.pair.goodUntil(test.names, test.at)
		if got.IsZero() == test.wantOK {
			t.Errorf("%s: good until %s", name, got)
		}
		if test.wantOK && !got.Equal(noon.Add(lifetime-renewBefore)) {
			t.Errorf("%s: renewed at %s", name, got)
		}
		renewed := mustPair(t, test.names, test.pair, test.at)
		if renewed.goodUntil(test.names, test.at).IsZero() || verify(t, renewed, renewed, test.names[0], test.at) != nil {
			t.Errorf("%s: what takes its place is not good", name)
		}
	}
	if _, err := (pair{}).renewed(nil, noon); err == nil {
		t.Error("a certificate of nobody was made")
	}
}

func TestWhoeverTrustsTheAuthorityTrustsEveryCertificateForYears(t *testing.T) {
	first := mustPair(t, itsNames, pair{}, noon)
	current, at := first, noon
	for due := noon.Add(authorityLifetime - authorityRenewBefore); ; {
		next := current.goodUntil(itsNames, at)
		if !next.Before(due) {
			break
		}
		at = next
		renewed := mustPair(t, itsNames, current, at)
		if bytes.Equal(renewed.certificate, current.certificate) || !bytes.Equal(renewed.trusted, first.trusted) {
			t.Fatalf("at %s: a new certificate %t, what is trusted is as before %t", at,
				!bytes.Equal(renewed.certificate, current.certificate), bytes.Equal(renewed.trusted, first.trusted))
		}
		if err := verify(t, renewed, first, itsNames[0], at); err != nil {
			t.Fatalf("at %s: %v", at, err)
		}
		current = renewed
	}
	if years := at.Sub(noon) / lifetime; years < 7 {
		t.Errorf("the authority signs for %d years", years)
	}

	// The next authority is known long before it signs anything.
	at = noon.Add(authorityLifetime - authorityRenewBefore)
	replaced := mustPair(t, itsNames, current, at)
	if bytes.Equal(replaced.authority, first.authority) || !bytes.Equal(replaced.certificate, current.certificate) {
		t.Fatal("the authority is not replaced, or the certificate is with it")
	}
	if err := verify(t, replaced, first, itsNames[0], at); err != nil {
		t.Errorf("who has not heard of the new authority: %v", err)
	}
	later := replaced.goodUntil(itsNames, at)
	signed := mustPair(t, itsNames, replaced, later)
	if later.Sub(at) <= 0 || verify(t, signed, replaced, itsNames[0], later) != nil || verify(t, signed, first, itsNames[0], later) == nil {
		t.Errorf("the next certificate, after %s, is not signed by the new authority", later.Sub(at))
	}
	if err := verify(t, current, signed, itsNames[0], later); err != nil {
		t.Errorf("a replica that serves the certificate before: %v", err)
	}
}

func TestWhatIsTrustedIsBounded(t *testing.T) {
	current, at := mustPair(t, itsNames, pair{}, noon), noon
	for range 4 {
		current.authority = nil // As if someone had taken it away.
		at = at.Add(time.Hour)
		current = mustPair(t, itsNames, current, at)
	}
	if count := bytes.Count(current.trusted, []byte("BEGIN")); count != maxTrusted {
		t.Errorf("%d authorities are trusted", count)
	}
	end := at.Add(authorityLifetime + time.Hour)
	if replaced := mustPair(t, itsNames, current, end); !bytes.Equal(replaced.trusted, replaced.authority) {
		t.Error("an authority is trusted beyond its end")
	}
}

// Until there was an authority, the certificate vouched for itself.
func TestTheCertificateOfAnOlderVersionIsTrustedUntilItIsGone(t *testing.T) {
	template := certificateTemplate(itsNames, noon)
	certificate, key, err := sign(template, nil)
	if err != nil {
		t.Fatal(err)
	}
	older := pair{certificate: certificate, key: key, trusted: certificate}
	replaced := mustPair(t, append([]string{"reboot-operator-metrics.ns.svc"}, itsNames...), older, noon)
	for name, served := range map[string]pair{"new": replaced, "old": older} {
		if err := verify(t, served, replaced, itsNames[0], noon); err != nil {
			t.Errorf("the %s replica: %v", name, err)
		}
	}
}
