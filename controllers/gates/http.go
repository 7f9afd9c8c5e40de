package gates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 8 << 20

// target is the server that one gate asks, once.
type target struct {
	url string
	// status is the code of the last answer; 0 before there is one.
	status int
	// most is how many bytes of an answer are read.
	most      int64
	next      http.RoundTripper
	authorize func(*http.Request)
}

// serverOf a gate. No request is made where credentials may not go, and the addresses of this machine are not asked.
func (a *Asker) serverOf(ctx context.Context, address string, connection *v1alpha1.GateConnection) (*target, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, say(err, "its url is not a valid URL")
	}
	authorize, err := a.authorization(ctx, parsed, connection)
	if err != nil {
		return nil, err
	}
	config, err := a.tlsConfig(ctx, connection.TLS)
	if err != nil {
		return nil, err
	}
	transport, err := a.transport(parsed, config)
	if err != nil {
		return nil, atServer(address, err)
	}
	return &target{url: address, most: maxAnswer, next: transport, authorize: authorize}, nil
}

// client asks the server. Redirects are not followed: credentials go to the url that the policy names, and nowhere else.
func (s *target) client() *http.Client {
	return &http.Client{Transport: s, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirects }}
}

func (a *Asker) tlsConfig(ctx context.Context, t *v1alpha1.GateTLS) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t == nil {
		return config, nil
	}
	config.ServerName = t.ServerName
	config.InsecureSkipVerify = t.Verification == v1alpha1.VerifyNone
	if t.CA == nil {
		return config, nil
	}
	secret, err := a.secret(ctx, t.CA.Secret)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	// The message does not say whether there is such a key, because that would reveal which other credentials exist.
	if !config.RootCAs.AppendCertsFromPEM(secret.Data[t.CA.Key]) {
		return nil, say(nil, "key %s of Secret %s/%s has no certificate in PEM", t.CA.Key, a.options.Namespace, t.CA.Secret)
	}
	return config, nil
}

// RoundTrip implements http.RoundTripper: it adds credentials, and bounds the answer.
func (s *target) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	s.authorize(request)
	response, err := s.next.RoundTrip(request)
	if err == nil {
		s.status = response.StatusCode
		response.Body = &boundedBody{ReadCloser: response.Body, left: s.most}
	}
	return response, err
}

var (
	errTooLong   = errors.New("the answer is too long")
	errRedirects = errors.New("it redirects")
)

// boundedBody fails where a body is longer than it may be.
type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
