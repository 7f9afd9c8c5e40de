package certificates

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// lifetime of a certificate, and renewBefore is how long before its end there is a new one.
	lifetime    = 365 * 24 * time.Hour
	renewBefore = 90 * 24 * time.Hour
	// authorityLifetime is that of the authority that signs it. A new one takes its place while the old one could sign a certificate once
	// more, and signs the next one: whoever verifies has months to learn of it.
	authorityLifetime    = 10 * lifetime
	authorityRenewBefore = 2 * lifetime
	// backdated is how far the clock of who verifies may be behind.
	backdated = time.Hour
	// maxTrusted is how many authorities are trusted at once, the one that signs included.
	maxTrusted = 3
)

// pair is a certificate with its key, the authority that signed it with its own, and what others are to trust, as they are in the Secret.
type pair struct {
	certificate, key        []byte
	authority, authorityKey []byte
	// trusted has the authority, and those before it while they are valid.
	trusted []byte
}

// The keys of the Secret. tls.crt, tls.key and ca.crt are those of every Secret with a certificate.
const (
	certificateKey  = corev1.TLSCertKey
	privateKey      = corev1.TLSPrivateKeyKey
	trustedKey      = "ca.crt"
	authorityCert   = "authority.crt"
	authorityKeyKey = "authority.key"
)

func pairOf(secret *corev1.Secret) pair {
	data := secret.Data
	return pair{data[certificateKey], data[privateKey], data[authorityCert], data[authorityKeyKey], data[trustedKey]}
}

func (p pair) write(secret *corev1.Secret) {
	secret.Data = map[string][]byte{
		certificateKey: p.certificate, privateKey: p.key, authorityCert: p.authority, authorityKeyKey: p.authorityKey, trustedKey: p.trusted,
	}
}

// renewed returns the pair with a new authority, and a new certificate for the names, where the one that it has is due or of no use. A
// certificate outlives the authority that signed it: whoever does not know the new authority yet can still verify.
func (p pair) renewed(names []string, now time.Time) (pair, error) {
	if len(names) == 0 {
		return pair{}, errors.New("a certificate needs a name")
	}
	if p.authorityUntil(now).IsZero() {
		authority, key, err := sign(authorityTemplate(now), nil)
		if err != nil {
			return pair{}, err
		}
		p.trusted = bytes.Join(append([][]byte{authority}, validAuthorities(p.trusted, now)...), nil)
		p.authority, p.authorityKey = authority, key
	}
	if !p.certificateUntil(names, now).IsZero() {
		return p, nil
	}
	authority, err := tls.X509KeyPair(p.authority, p.authorityKey)
	if err != nil {
		return pair{}, fmt.Errorf("read the authority: %w", err)
	}
	p.certificate, p.key, err = sign(certificateTemplate(names, now), &authority)
	return p, err
}

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

func certificateTemplate(names []string, now time.Time) *x509.Certificate {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "reboot-operator-manager"},
		NotBefore:   now.Add(-backdated),
		NotAfter:    now.Add(lifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template
}

// sign makes a key, and a certificate for it, both in PEM. A certificate without an authority vouches for itself.
func sign(template *x509.Certificate, authority *tls.Certificate) (certificate, key []byte, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	parent, signer := template, crypto.PrivateKey(own)
	if authority != nil {
		parent, signer = authority.Leaf, authority.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, own.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	encoded, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}), nil
}

// validAuthorities are those in PEM that are valid, each in PEM by itself, and no more than fit beside a new one.
func validAuthorities(trusted []byte, now time.Time) [][]byte {
	var valid [][]byte
	for len(valid) < maxTrusted-1 {
		block, rest := pem.Decode(trusted)
		if block == nil {
			break
		}
		trusted = rest
		if parsed, err := x509.ParseCertificate(block.Bytes); err == nil && now.Before(parsed.NotAfter) {
			valid = append(valid, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}))
		}
	}
	return valid
}

// load returns the certificate as it is served, and parsed.
func (p pair) load() (*tls.Certificate, *x509.Certificate, error) {
	served, err := tls.X509KeyPair(p.certificate, p.key)
	if err != nil {
		return nil, nil, fmt.Errorf("read the certificate: %w", err)
	}
	return &served, served.Leaf, nil
}

// goodUntil says until when the pair is as good as a new one for the names; zero if it is not now.
func (p pair) goodUntil(names []string, now time.Time) time.Time {
	certificate, authority := p.certificateUntil(names, now), p.authorityUntil(now)
	if certificate.IsZero() || authority.IsZero() {
		return time.Time{}
	}
	if certificate.Before(authority) {
		return certificate
	}
	return authority
}

// authorityUntil is when the authority is due to be replaced; zero if it is now, or is none, or is not trusted.
func (p pair) authorityUntil(now time.Time) time.Time {
	authority, err := tls.X509KeyPair(p.authority, p.authorityKey)
	if err != nil || !authority.Leaf.IsCA || !bytes.HasPrefix(p.trusted, p.authority) {
		return time.Time{}
	}
	return within(authority.Leaf, authorityRenewBefore, now)
}

// certificateUntil is when the certificate is due to be replaced; zero if it is now, or whoever trusts what is trusted would refuse it for
// one of the names.
func (p pair) certificateUntil(names []string, now time.Time) time.Time {
	_, leaf, err := p.load()
	if err != nil {
		return time.Time{}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.trusted)
	for _, name := range names {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			return time.Time{}
		}
	}
	return within(leaf, renewBefore, now)
}

// within is when a certificate has only so much time left; zero if it has less now, or is not valid yet.
func within(certificate *x509.Certificate, left time.Duration, now time.Time) time.Time {
	due := certificate.NotAfter.Add(-left)
	if now.Before(certificate.NotBefore) || !now.Before(due) {
		return time.Time{}
	}
	return due
}
