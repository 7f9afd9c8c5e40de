package gates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 8 << 20

// httpClient asks one server once. Redirects are not followed: credentials go to the url that the policy names, and nowhere else.
func (a *Asker) httpClient(ctx context.Context, connection *v1alpha1.GateConnection) (*http.Client, error) {
	config, err := a.tlsConfig(ctx, connection.TLS)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	authorize, err := a.authorization(ctx, connection.Auth)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &roundTripper{next: transport, authorize: authorize},
		CheckRedirect: func(request *http.Request, _ []*http.Request) error {
			return fmt.Errorf("it redirects to %s://%s: write the url that it redirects to", request.URL.Scheme, request.URL.Host)
		},
	}, nil
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
	pem, err := a.secret(ctx, t.CA)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM([]byte(pem)) {
		return nil, fmt.Errorf("key %s of Secret %s/%s has no certificate in PEM", t.CA.Key, a.options.Namespace, t.CA.Secret)
	}
	return config, nil
}

// authorization returns what puts the credentials into a request.
func (a *Asker) authorization(ctx context.Context, auth *v1alpha1.GateAuth) (func(*http.Request), error) {
	switch {
	case auth != nil && auth.BearerToken != nil:
		token, err := a.secret(ctx, auth.BearerToken)
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }, err
	case auth != nil && auth.Basic != nil:
		password, err := a.secret(ctx, &auth.Basic.Password)
		return func(r *http.Request) { r.SetBasicAuth(auth.Basic.Username, password) }, err
	}
	return func(*http.Request) {}, nil
}

// secret reads one key of a Secret in the operator's namespace.
func (a *Asker) secret(ctx context.Context, ref *v1alpha1.SecretKey) (string, error) {
	var secret corev1.Secret
	err := a.options.Live.Get(ctx, types.NamespacedName{Namespace: a.options.Namespace, Name: ref.Secret}, &secret)
	switch {
	case apierrors.IsForbidden(err):
		return "", fmt.Errorf("the manager may not read Secret %s/%s: put the key into the Secret %s, or give the manager's ServiceAccount "+
			"a Role to get this one", a.options.Namespace, ref.Secret, v1alpha1.CredentialsSecret)
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("there is no Secret %s/%s", a.options.Namespace, ref.Secret)
	case err != nil:
		return "", fmt.Errorf("read Secret %s/%s: %w", a.options.Namespace, ref.Secret, err)
	case len(secret.Data[ref.Key]) == 0:
		return "", fmt.Errorf("there is no key %s in Secret %s/%s", ref.Key, a.options.Namespace, ref.Secret)
	}
	return trimmed(secret.Data[ref.Key]), nil
}

// trimmed leaves out the line end that editors and echo put behind a token.
func trimmed(value []byte) string {
	end := len(value)
	for end > 0 && (value[end-1] == '\n' || value[end-1] == '\r') {
		end--
	}
	return string(value[:end])
}

// roundTripper adds credentials, and bounds the answer.
type roundTripper struct {
	next      http.RoundTripper
	authorize func(*http.Request)
}

// RoundTrip implements http.RoundTripper.
func (t *roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	t.authorize(request)
	response, err := t.next.RoundTrip(request)
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxAnswer}
	}
	return response, err
}

var errTooLong = errors.New("the answer is too long: ask for less")

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
