package certificates

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"time"
)

const (
	// authorityLifetime is the lifetime of the authority that signs. announceBefore is how long before its end there is a second authority
	// next to it, and succeedBefore how long before its end the second one begins to sign, so that clients have a year to learn of it.
	authorityLifetime = 10 * lifetime
	announceBefore    = 2 * lifetime
	succeedBefore     = lifetime
	// announced is for how long a successor is known at least before it signs, also if the managers were away when it was due.
	announced = 30 * 24 * time.Hour
	// atLast is how long before the end of an authority its successor signs in any case: what the old one signed would be due at once.
	atLast = renewBefore + announced
	// maxTrusted is how much is trusted besides the certificate: the authorities, and what was trusted before them.
	maxTrusted = 4
)

func authorityTemplate(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: "reboot-operator"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
}

// authority is the one in PEM; nil if it cannot sign now.
func authority(certificate, key []byte, now time.Time) *x509.Certificate {
	parsed, err := tls.X509KeyPair(certificate, key)
	if err != nil || !parsed.Leaf.IsCA || now.Before(parsed.Leaf.NotBefore) || !now.Before(parsed.Leaf.NotAfter) {
		return nil
	}
	return parsed.Leaf
}

// withAuthorities returns the pair with an authority that can sign, and a successor when it is time for one. Until that one signs, it is
// known for a year: clients with a copy of what is trusted have that long to renew it.
func (p pair) withAuthorities(now time.Time) (pair, error) {
	signs, next := authority(p.authority, p.authorityKey, now), authority(p.next, p.nextKey, now)
	if next == nil {
		p.next, p.nextKey = nil, nil
	}
	var err error
	switch {
	case signs == nil && next == nil:
		p.authority, p.authorityKey, err = sign(authorityTemplate(now), nil)
	case signs != nil && next == nil && !now.Before(signs.NotAfter.Add(-announceBefore)):
		p.next, p.nextKey, err = sign(authorityTemplate(now), nil)
		next = authority(p.next, p.nextKey, now)
	}
	if err == nil && next != nil && (signs == nil || !now.Before(succession(signs, next))) {
		p.authority, p.authorityKey, p.next, p.nextKey = p.next, p.nextKey, nil, nil
	}
	p.trusted = p.trust(now)
	return p, err
}

// succession is when one authority signs in the place of another.
func succession(signs, next *x509.Certificate) time.Time {
	at := signs.NotAfter.Add(-succeedBefore)
	if known := next.NotBefore.Add(backdated + announced); known.After(at) {
		at = known
	}
	if last := signs.NotAfter.Add(-atLast); last.Before(at) {
		at = last
	}
	return at
}

// authorityUntil is when something is due about the authorities; zero if it is now, or they are not what is trusted.
func (p pair) authorityUntil(now time.Time) time.Time {
	signs, next := authority(p.authority, p.authorityKey, now), authority(p.next, p.nextKey, now)
	if signs == nil || next == nil && len(p.next) > 0 || !bytes.HasPrefix(p.trusted, p.first()) {
		return time.Time{}
	}
	due := signs.NotAfter.Add(-announceBefore)
	if next != nil {
		due = succession(signs, next)
	}
	if !now.Before(due) {
		return time.Time{}
	}
	return due
}

// first is what others trust in any case.
func (p pair) first() []byte { return bytes.Join([][]byte{p.certificate, p.authority, p.next}, nil) }

// trust is what others should trust: the certificate, the authorities, and what was trusted until now, while it is valid and there is room.
// Certificates that an authority signed are left out, because clients that trust the authority trust them.
func (p pair) trust(now time.Time) []byte {
	trusted, room := p.first(), maxTrusted-1
	if len(p.next) > 0 {
		room--
	}
	for before := range blocks(p.trusted) {
		signsItself := bytes.Equal(before.RawIssuer, before.RawSubject)
		encoded := encode(before)
		if room > 0 && signsItself && now.Before(before.NotAfter) && !bytes.Contains(trusted, encoded) {
			trusted = append(trusted, encoded...)
			room--
		}
	}
	return trusted
}

// authoritiesOf are the authorities among what is trusted: what clients with a copy of them need.
func authoritiesOf(trusted []byte) []byte {
	var authorities []byte
	for certificate := range blocks(trusted) {
		if certificate.IsCA {
			authorities = append(authorities, encode(certificate)...)
		}
	}
	return authorities
}

// blocks are the certificates in PEM that can be read.
func blocks(text []byte) func(yield func(*x509.Certificate) bool) {
	return func(yield func(*x509.Certificate) bool) {
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if parsed, err := x509.ParseCertificate(block.Bytes); err == nil && !yield(parsed) {
				return
			}
		}
	}
}

func encode(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}
