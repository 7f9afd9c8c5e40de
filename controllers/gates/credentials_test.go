package gates

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestCredentialsGoOnlyWhereAnAdministratorAllows(t *testing.T) {
	for name, tc := range map[string]struct {
		annotation, url string
		serverName      string
		want            bool
	}{
		"no annotation":                    {"", "https://prometheus.test", "", false},
		"the host, which means https":      {"prometheus.test", "https://prometheus.test", "", true},
		"and not http":                     {"prometheus.test", "http://prometheus.test", "", false},
		"http is written":                  {"http://prometheus.test", "http://prometheus.test", "", true},
		"and then https is not":            {"http://prometheus.test", "https://prometheus.test", "", false},
		"http at the port of https":        {"http://prometheus.test:443", "https://prometheus.test", "", false},
		"a port":                           {"prometheus.test:9090", "https://prometheus.test:9090", "", true},
		"a port with http":                 {"http://prometheus.test:9090", "http://prometheus.test:9090/prefix", "", true},
		"another port":                     {"prometheus.test:9090", "https://prometheus.test:9091", "", false},
		"the default port is another":      {"prometheus.test:9090", "https://prometheus.test", "", false},
		"the default port, written":        {"prometheus.test", "https://prometheus.test:443", "", true},
		"the default port, not written":    {"https://prometheus.test:443/", "https://prometheus.test", "", true},
		"one of several":                   {"a.test, prometheus.test,\n b.test", "https://prometheus.test", "", true},
		"in other letters":                 {"Prometheus.TEST", "https://prometheus.test", "", true},
		"the url in other letters":         {"prometheus.test", "https://PROMETHEUS.test", "", true},
		"as a name with a dot at its end":  {"prometheus.test", "https://prometheus.test.", "", true},
		"a name below":                     {"prometheus.test", "https://evil.prometheus.test", "", false},
		"a name that ends like it":         {"prometheus.test", "https://evilprometheus.test", "", false},
		"a name that begins like it":       {"prometheus.test", "https://prometheus.test.evil.test", "", false},
		"a name as the user":               {"prometheus.test", "https://prometheus.test@evil.test", "", false},
		"a name in the path":               {"prometheus.test", "https://evil.test/prometheus.test", "", false},
		"everything":                       {"*", "https://prometheus.test", "", false},
		"everything below":                 {"*.test", "https://prometheus.test", "", false},
		"an entry with a path":             {"https://prometheus.test/a", "https://prometheus.test/a", "", false},
		"an entry with a password":         {"https://a:b@prometheus.test", "https://prometheus.test", "", false},
		"an entry of another scheme":       {"ftp://prometheus.test", "https://prometheus.test", "", false},
		"an entry that is none":            {"https://[::1", "https://[::1]", "", false},
		"an IPv6 address":                  {"[2001:db8::1]:9090", "https://[2001:db8::1]:9090", "", true},
		"only separators":                  {" , ,", "https://prometheus.test", "", false},
		"a certificate for another":        {"prometheus.test", "https://prometheus.test", "evil.test", false},
		"a certificate for an allowed one": {"10.0.0.5:9090, prometheus.test", "https://10.0.0.5:9090", "prometheus.test", true},
	} {
		t.Run(name, func(t *testing.T) {
			credentials := secret(v1alpha1.CredentialsSecret, map[string]string{"token": "abc"})
			allow(credentials, tc.annotation)
			b := newBench(t, credentials)
			connection := &v1alpha1.GateConnection{
				Auth: &v1alpha1.GateAuth{BearerToken: key("token")}, TLS: &v1alpha1.GateTLS{ServerName: tc.serverName},
			}
			_, err := b.serverOf(t.Context(), tc.url, connection)
			if (err == nil) != tc.want {
				t.Errorf("allowed: %t, want %t (%v)", err == nil, tc.want, err)
			}
			if err != nil && strings.Contains(err.Error(), "abc") {
				t.Errorf("it says %q", err)
			}
		})
	}
}

func TestNoRequestIsMadeWhereCredentialsMayNotGo(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer s.Close()
	for name, auth := range map[string]*v1alpha1.GateAuth{
		"a token":    {BearerToken: key("token")},
		"a password": basic("token"),
		// Whether there is such a key is not said before the server is allowed.
		"a key that is missing": {BearerToken: key("none")},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, secret(v1alpha1.CredentialsSecret, map[string]string{"token": "abc"}))
			b.alertmanager(s.URL)
			b.queries(s.URL, "up")
			b.policy.Spec.Gates.Alertmanager[0].Auth, b.policy.Spec.Gates.Prometheus[0].Auth = auth, auth
			want := "the credentials of Secret operator/reboot-operator-gates may not go to " + s.URL +
				": an administrator allows that with its annotation reboot-operator.io/allowed-hosts: " + s.URL + "."
			for _, kind := range []model.GateKind{model.GateAlertmanager, model.GatePrometheus} {
				if answer := b.answer(kind, "g"); answer == nil || answer.Failure != want {
					t.Errorf("%s: got %+v, want %q", kind, answer, want)
				}
			}
		})
	}
	if asked > 0 {
		t.Errorf("the server was asked %d times", asked)
	}
}
