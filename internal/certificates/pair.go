package certificates

import (
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
	// backdated is how far the clock of a client may be behind.
	backdated = time.Hour
)

// pair is a certificate with its key, the authority that signs it with its key, the authority that will sign later, and what others should
// trust, as in the Secret.
type pair struct {
	certificate, key        []byte
	authority, authorityKey []byte
	// next is empty until the authority comes to its end.
	next, nextKey []byte
	// trusted begins with the certificate itself, by which version 0.1 judges what another manager wrote. The authorities follow.
	trusted []byte
}

// The keys of the Secret. tls.crt, tls.key and ca.crt are those of every Secret with a certificate.
const (
	certificateKey  = corev1.TLSCertKey
	privateKey      = corev1.TLSPrivateKeyKey
	trustedKey      = "ca.crt"
	authorityCert   = "authority.crt"
	authorityKeyKey = "authority.key"
	nextCert        = "next-authority.crt"
	nextKeyKey      = "next-authority.key"
)

func pairOf(secret *corev1.Secret) pair {
	data := secret.Data
	return pair{
		certificate: data[certificateKey], key: data[privateKey], authority: data[authorityCert], authorityKey: data[authorityKeyKey],
		next: data[nextCert], nextKey: data[nextKeyKey], trusted: data[trustedKey],
	}
}

func (p pair) write(secret *corev1.Secret) {
	secret.Data = map[string][]byte{
		certificateKey: p.certificate, privateKey: p.key, authorityCert: p.authority, authorityKeyKey: p.authorityKey, trustedKey: p.trusted,
	}
	if len(p.next) > 0 {
		secret.Data[nextCert], secret.Data[nextKeyKey] = p.next, p.nextKey
	}
}

// renewed returns the pair with what is due replaced: an authority, and the certificate for the names.
func (p pair) renewed(names []string, now time.Time) (pair, error) {
	if len(names) == 0 {
		return pair{}, errors.New("a certificate needs a name")
	}
	p, err := p.withAuthorities(now)
	if err != nil {
		return pair{}, err
	}
	if p.certificateUntil(names, now).IsZero() {
		signer, err := tls.X509KeyPair(p.authority, p.authorityKey)
		if err != nil {
			return pair{}, fmt.Errorf("read the authority: %w", err)
		}
		template := certificateTemplate(names, now)
		if end := signer.Leaf.NotAfter; end.Before(template.NotAfter) {
			template.NotAfter = end // It is worth nothing without its authority.
		}
		if p.certificate, p.key, err = sign(template, &signer); err != nil {
			return pair{}, err
		}
	}
	p.trusted = p.trust(now)
	return p, nil
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

// certificateUntil is when the certificate is due to be replaced; zero if it is now, or if clients that trust the authorities would refuse
// it for one of the names.
func (p pair) certificateUntil(names []string, now time.Time) time.Time {
	_, leaf, err := p.load()
	if err != nil {
		return time.Time{}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authoritiesOf(p.trusted))
	for _, name := range names {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			return time.Time{}
		}
	}
	if due := leaf.NotAfter.Add(-renewBefore); now.Before(due) {
		return due
	}
	return time.Time{}
}
