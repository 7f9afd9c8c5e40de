package certificates

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
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

// verify is what a Prometheus does that has a copy of the authorities of the pair.
func verify(t *testing.T, served, trusts pair, name string, at time.Time) error {
	t.Helper()
	return verifyBy(t, served, authoritiesOf(trusts.trusted), name, at)
}

func verifyBy(t *testing.T, served pair, trusted []byte, name string, at time.Time) error {
	t.Helper()
	_, leaf, err := served.load()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)
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
		"that is not the first trusted":  {with(func(p *pair) { p.trusted = made.authority }), itsNames, noon, false},
		"whose next authority is none":   {with(func(p *pair) { p.next = []byte("x") }), itsNames, noon, false},
		"garbage":                        {pair{[]byte("x"), []byte("y"), []byte("z"), []byte("a"), []byte("b"), []byte("c"), []byte("d")}, itsNames, noon, false},
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
	published := authoritiesOf(first.trusted)
	if !bytes.Equal(published, first.authority) {
		t.Errorf("published is %q", published)
	}
	current, at := first, noon
	for due := noon.Add(authorityLifetime - announceBefore); ; {
		next := current.goodUntil(itsNames, at)
		if !next.Before(due) {
			break
		}
		at = next
		renewed := mustPair(t, itsNames, current, at)
		if bytes.Equal(renewed.certificate, current.certificate) || !bytes.Equal(authoritiesOf(renewed.trusted), published) {
			t.Fatalf("at %s: a new certificate %t, what is published is as before %t", at,
				!bytes.Equal(renewed.certificate, current.certificate), bytes.Equal(authoritiesOf(renewed.trusted), published))
		}
		if err := verify(t, renewed, first, itsNames[0], at); err != nil {
			t.Fatalf("at %s: %v", at, err)
		}
		if bytes.Contains(renewed.trusted, current.certificate) {
			t.Fatalf("at %s: the certificate before is trusted by itself", at)
		}
		current = renewed
	}
	if years := at.Sub(noon) / lifetime; years < 7 {
		t.Errorf("the authority signs for %d years", years)
	}
}

// untilRefused goes through everything that is due from a time on, and returns how long it takes until a client that copied the authorities
// at that time refuses the certificate.
func untilRefused(t *testing.T, current pair, names []string, from time.Time) time.Duration {
	t.Helper()
	copied := authoritiesOf(current.trusted)
	at := from
	for range 20 {
		current = mustPair(t, names, current, at)
		if verifyBy(t, current, copied, names[0], at) != nil {
			return at.Sub(from)
		}
		next := current.goodUntil(names, at)
		if !next.After(at) {
			t.Fatalf("at %s: what was just renewed is good until %s", at, next)
		}
		if err := verify(t, current, current, names[0], next.Add(-time.Second)); err != nil {
			t.Fatalf("at %s, before the next renewal: %v", next, err)
		}
		at = next
	}
	t.Fatal("no other authority ever signs")
	return 0
}

// Another authority is known for a year before it signs, on whatever day of its life the certificate is then.
func TestAnotherAuthorityIsKnownLongBeforeItSigns(t *testing.T) {
	const day = 24 * time.Hour
	first := mustPair(t, itsNames, pair{}, noon)
	announce := noon.Add(authorityLifetime - announceBefore)
	for _, age := range []time.Duration{0, day, 100 * day, lifetime - renewBefore - day, lifetime - renewBefore, lifetime - day} {
		made := first
		made.certificate = nil // It was made again on that day, because a name was added.
		made = mustPair(t, itsNames, made, announce.Add(-age))
		for name, names := range map[string][]string{"as it is": itsNames, "with another name": append([]string{"other"}, itsNames...)} {
			if known := untilRefused(t, made, names, announce); known < announceBefore-succeedBefore {
				t.Errorf("a certificate of %s, %s: the authority that signs is known for %s", age, name, known)
			}
		}
	}

	// The managers were away when it was due.
	for left, want := range map[time.Duration]time.Duration{
		succeedBefore + 40*day: 40 * day, succeedBefore: announced, 200 * day: announced, atLast + day: day, atLast: 0, day: 0,
	} {
		if known := untilRefused(t, first, itsNames, noon.Add(authorityLifetime-left)); known < want || want == 0 && known > 0 {
			t.Errorf("%s before its end: the authority that signs is known for %s, want %s", left, known, want)
		}
	}

	// A client that trusts the old one next to the new one, as every API server does, accepts the certificate of a replica that does not know
	// the new one yet.
	due := announce.Add(announceBefore - succeedBefore)
	announcing := mustPair(t, itsNames, first, announce)
	succeeded := mustPair(t, itsNames, announcing, due)
	if !bytes.Equal(succeeded.authority, announcing.next) || len(succeeded.next) > 0 {
		t.Fatal("the next authority does not take its place")
	}
	if err := verify(t, announcing, succeeded, itsNames[0], announce); err != nil {
		t.Error(err)
	}
	var secret corev1.Secret
	announcing.write(&secret)
	if found := pairOf(&secret); !bytes.Equal(found.next, announcing.next) || !bytes.Equal(found.nextKey, announcing.nextKey) {
		t.Error("the next authority is not kept in the Secret")
	}
}

func TestWhatIsTrustedIsBounded(t *testing.T) {
	current, at := mustPair(t, itsNames, pair{}, noon), noon
	for range maxTrusted + 1 {
		current.authority = nil // As if someone had taken it away.
		at = at.Add(time.Hour)
		current = mustPair(t, itsNames, current, at)
	}
	if count := bytes.Count(current.trusted, []byte("BEGIN")); count != 1+maxTrusted {
		t.Errorf("%d authorities are trusted", count)
	}
	end := at.Add(authorityLifetime + time.Hour)
	if replaced := mustPair(t, itsNames, current, end); !bytes.Equal(authoritiesOf(replaced.trusted), replaced.authority) {
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
		if err := verifyBy(t, served, replaced.trusted, itsNames[0], noon); err != nil {
			t.Errorf("the %s replica: %v", name, err)
		}
	}
}
