package gates

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// authorization returns what puts the credentials into a request. It fails where an administrator does not let them go.
func (a *Asker) authorization(ctx context.Context, target *url.URL, connection *v1alpha1.GateConnection) (func(*http.Request), error) {
	var ref *v1alpha1.SecretKey
	switch auth := connection.Auth; {
	case auth != nil && auth.BearerToken != nil:
		ref = auth.BearerToken
	case auth != nil && auth.Basic != nil:
		ref = &auth.Basic.Password
	default:
		return func(*http.Request) {}, nil
	}
	secret, err := a.secret(ctx, ref.Secret)
	if err != nil {
		return nil, err
	}
	if err := a.allowed(secret, target, connection.TLS); err != nil {
		return nil, err
	}
	value := trimmed(secret.Data[ref.Key])
	if value == "" {
		return nil, say(nil, "there is no key %s in Secret %s/%s", ref.Key, a.options.Namespace, ref.Secret)
	}
	if basic := connection.Auth.Basic; basic != nil {
		return func(r *http.Request) { r.SetBasicAuth(basic.Username, value) }, nil
	}
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+value) }, nil
}

// allowed says whether the credentials of a Secret may go to a server. By its annotation an administrator says so; a policy cannot.
func (a *Asker) allowed(secret *corev1.Secret, target *url.URL, t *v1alpha1.GateTLS) error {
	hosts := allowedHosts(secret.Annotations[v1alpha1.AllowedHostsAnnotation])
	origin := originOf(target)
	switch {
	case t != nil && t.Verification == v1alpha1.VerifyNone:
		return say(nil, "credentials do not go to a server that is not verified: write tls.ca instead of 'verification: None'")
	case !slices.ContainsFunc(hosts, func(u *url.URL) bool { return originOf(u) == origin }):
		return say(nil, "the credentials of Secret %s/%s may not go to %s: an administrator allows that with its annotation %s: %s",
			a.options.Namespace, secret.Name, origin, v1alpha1.AllowedHostsAnnotation, origin)
	case t != nil && t.ServerName != "" && !slices.ContainsFunc(hosts, func(u *url.URL) bool { return hostOf(u) == normal(t.ServerName) }):
		return say(nil, "the credentials of Secret %s/%s may not go to a server with a certificate for %s: an administrator allows that with "+
			"its annotation %s: https://%s", a.options.Namespace, secret.Name, t.ServerName, v1alpha1.AllowedHostsAnnotation, normal(t.ServerName))
	}
	return nil
}

// allowedHosts reads the annotation. An entry that is no URL, or has more than a host, allows nothing.
func allowedHosts(annotation string) []*url.URL {
	var hosts []*url.URL
	for _, entry := range strings.FieldsFunc(annotation, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
		if !strings.Contains(entry, "://") {
			entry = "https://" + entry
		}
		if host, err := url.Parse(entry); err == nil && isOrigin(host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// isOrigin reports whether a URL names a server, without a path.
func isOrigin(u *url.URL) bool {
	web := u.Scheme == "https" || u.Scheme == "http"
	return web && u.Hostname() != "" && u.User == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

// originOf a URL is its scheme, host and port, as a browser compares them.
func originOf(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	default:
		port = "443"
	}
	host := hostOf(u)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host + ":" + port
}

func hostOf(u *url.URL) string { return normal(u.Hostname()) }

// normal is a host's name as it is compared.
func normal(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// secret reads a Secret in the operator's namespace.
func (a *Asker) secret(ctx context.Context, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := a.options.Live.Get(ctx, types.NamespacedName{Namespace: a.options.Namespace, Name: name}, secret)
	switch {
	case apierrors.IsForbidden(err):
		return nil, say(err, "the manager may not read Secret %s/%s: put the key into the Secret %s, or give the manager's ServiceAccount "+
			"a Role to get this one", a.options.Namespace, name, v1alpha1.CredentialsSecret)
	case apierrors.IsNotFound(err):
		return nil, say(err, "there is no Secret %s/%s", a.options.Namespace, name)
	case err != nil:
		return nil, say(err, "Secret %s/%s cannot be read", a.options.Namespace, name)
	}
	return secret, nil
}

// trimmed leaves out the line end that editors and echo put behind a token.
func trimmed(value []byte) string { return strings.TrimRight(string(value), "\r\n") }
