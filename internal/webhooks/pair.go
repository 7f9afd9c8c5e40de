package webhooks

import (
	"bytes"
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
	// backdated is how far the clock of an API server may be behind.
	backdated = time.Hour
)

// pair is a certificate with its key, and what the API server is to trust, as they are in the Secret. The certificate vouches for itself: there
// is no authority whose key could sign another one.
type pair struct {
	certificate, key []byte
	// trusted has the certificate itself, and the one before it, which a replica serves until it has seen the new one.
	trusted []byte
}

// The keys of the Secret. tls.crt and tls.key are those of every Secret with a certificate.
const (
	certificateKey = corev1.TLSCertKey
	privateKey     = corev1.TLSPrivateKeyKey
	trustedKey     = "ca.crt"
)

func pairOf(secret *corev1.Secret) pair {
	return pair{secret.Data[certificateKey], secret.Data[privateKey], secret.Data[trustedKey]}
}

func (p pair) write(secret *corev1.Secret) {
	secret.Data = map[string][]byte{certificateKey: p.certificate, privateKey: p.key, trustedKey: p.trusted}
}

// newPair makes a certificate for the names, which takes the place of another one.
func newPair(names []string, before pair, now time.Time) (pair, error) {
	if len(names) == 0 {
		return pair{}, errors.New("a certificate needs a name")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return pair{}, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "reboot-operator-webhook"},
		NotBefore:    now.Add(-backdated),
		NotAfter:     now.Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return pair{}, fmt.Errorf("make a certificate: %w", err)
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return pair{}, fmt.Errorf("encode a key: %w", err)
	}
	made := pair{
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}),
	}
	made.trusted = made.certificate
	if _, _, err := before.load(); err == nil {
		made.trusted = bytes.Join([][]byte{made.certificate, before.certificate}, nil)
	}
	return made, nil
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
	_, leaf, err := p.load()
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(p.trusted) || !bytes.HasPrefix(p.trusted, p.certificate) {
		return time.Time{}
	}
	renewal := leaf.NotAfter.Add(-renewBefore)
	if now.Before(leaf.NotBefore) || !now.Before(renewal) {
		return time.Time{}
	}
	for _, name := range names {
		if leaf.VerifyHostname(name) != nil {
			return time.Time{}
		}
	}
	return renewal
}
