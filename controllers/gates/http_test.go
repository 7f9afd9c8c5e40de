package gates

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/program"
)

// certificate makes one that is its own authority, for an address and the name prometheus.test.
func certificate(t *testing.T, address string) (certPEM, keyPEM string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.ParseIP(host)}, DNSNames: []string{"prometheus.test"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return encode("CERTIFICATE", der), encode("EC PRIVATE KEY", keyDER)
}

func key(name string) *v1alpha1.SecretKey {
	return &v1alpha1.SecretKey{Secret: v1alpha1.CredentialsSecret, Key: name}
}

func basic(password string) *v1alpha1.GateAuth {
	return &v1alpha1.GateAuth{Basic: &v1alpha1.BasicAuth{Username: "operator", Password: *key(password)}}
}

func TestARealPrometheusIsAskedByTLSAndWithAPassword(t *testing.T) {
	program.Find(t, "prometheus")
	address := program.FreeAddress(t)
	cert, private := certificate(t, address)
	other, _ := certificate(t, address)
	// The password is "open sesame", hashed by bcrypt.
	web := program.File(t, "web.yaml", fmt.Sprintf(
		"tls_server_config: {cert_file: %s, key_file: %s}\nbasic_auth_users: {operator: %q}\n",
		program.File(t, "cert.pem", cert), program.File(t, "key.pem", private), "$2b$04$urpI9f1fo7YB38QvnF.43O6kZ/G7TGzxA9KEzAUdYzo8/zSFurpOu"))
	s := startPrometheus(t, address, "--web.config.file="+web)
	await.True(t, "it listens", func() bool {
		connection, err := net.Dial("tcp", s.Address)
		return err == nil && connection.Close() == nil
	})
	url := "https://" + s.Address
	credentials := secret(v1alpha1.CredentialsSecret, map[string]string{
		"password": "open sesame\n", "wrong": "open says me", "ca": cert, "other-ca": other, "no-pem": "hello", "empty": "",
	})
	allow(credentials, url+", prometheus.test, other.test")
	for name, tc := range map[string]struct {
		connection v1alpha1.GateConnection
		want       string
	}{
		"right":                  {v1alpha1.GateConnection{Auth: basic("password"), TLS: &v1alpha1.GateTLS{CA: key("ca")}}, ""},
		"unverified":             {v1alpha1.GateConnection{TLS: &v1alpha1.GateTLS{Verification: v1alpha1.VerifyNone}}, "it answers 401 Unauthorized"},
		"a password, unverified": {v1alpha1.GateConnection{Auth: basic("password"), TLS: &v1alpha1.GateTLS{Verification: v1alpha1.VerifyNone}}, "credentials do not go to a server that is not verified"},
		"by another name":        {v1alpha1.GateConnection{Auth: basic("password"), TLS: &v1alpha1.GateTLS{CA: key("ca"), ServerName: "prometheus.test"}}, ""},
		"by a wrong name":        {v1alpha1.GateConnection{Auth: basic("password"), TLS: &v1alpha1.GateTLS{CA: key("ca"), ServerName: "other.test"}}, "its certificate is for another name"},
		"no authority":           {v1alpha1.GateConnection{Auth: basic("password")}, "its certificate is signed by an unknown authority"},
		"another authority":      {v1alpha1.GateConnection{Auth: basic("password"), TLS: &v1alpha1.GateTLS{CA: key("other-ca")}}, "its certificate is signed by an unknown authority"},
		"what is no authority":   {v1alpha1.GateConnection{Auth: basic("password"), TLS: &v1alpha1.GateTLS{CA: key("no-pem")}}, "has no certificate in PEM"},
		"a wrong password":       {v1alpha1.GateConnection{Auth: basic("wrong"), TLS: &v1alpha1.GateTLS{CA: key("ca")}}, "it answers 401 Unauthorized"},
		"no password":            {v1alpha1.GateConnection{TLS: &v1alpha1.GateTLS{CA: key("ca")}}, "it answers 401 Unauthorized"},
		"a key that is missing":  {v1alpha1.GateConnection{Auth: basic("nokey")}, "there is no key nokey in Secret operator/reboot-operator-gates"},
		"a key that is empty":    {v1alpha1.GateConnection{Auth: basic("empty")}, "there is no key empty"},
		"a Secret that is missing": {
			v1alpha1.GateConnection{Auth: &v1alpha1.GateAuth{BearerToken: &v1alpha1.SecretKey{Secret: "none", Key: "token"}}},
			"there is no Secret operator/none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, credentials)
			tc.connection.TimeoutSeconds = ptr.To[int32](60)
			b.policy.Spec.Gates.Prometheus = []v1alpha1.PrometheusGate{{Name: "g", URL: url, Query: "vector(1) > 2", GateConnection: tc.connection}}
			await.True(t, "Prometheus answers", func() bool {
				answer := b.later(model.GatePrometheus, "g")
				if answer == nil || strings.Contains(answer.Failure, "503") {
					return false
				}
				if !strings.Contains(answer.Failure, tc.want) || tc.want == "" && answer.Failure != "" {
					t.Errorf("got %+v, want the failure %q", answer, tc.want)
				}
				return true
			})
		})
	}
}

func TestTheTokenGoesToTheServerThatThePolicyNamesAndToNoOther(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other server was asked") }))
	defer elsewhere.Close()
	var tokens []string
	redirects := false
	named := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if redirects {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
			return
		}
		tokens = append(tokens, r.Header.Get("Authorization"))
		answer(w, "[]")
	}))
	defer named.Close()
	credentials := secret(v1alpha1.CredentialsSecret, map[string]string{"token": "abc\n"})
	allow(credentials, named.URL)
	b := newBench(t, credentials)
	b.alertmanager(named.URL)
	b.policy.Spec.Gates.Alertmanager[0].Auth = &v1alpha1.GateAuth{BearerToken: key("token")}
	answer := b.answer(model.GateAlertmanager, "g")
	if answer == nil || answer.Failure != "" || len(tokens) != 1 || tokens[0] != "Bearer abc" {
		t.Errorf("answer %+v, tokens %q", answer, tokens)
	}
	redirects = true
	if answer := b.later(model.GateAlertmanager, "g"); answer == nil || !strings.Contains(answer.Failure, "it redirects: write the url") {
		t.Errorf("answer %+v", answer)
	}
}

func TestASecretThatMayNotBeReadSaysWhichRightIsMissing(t *testing.T) {
	base := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
	b := newBenchWith(t, interceptor.NewClient(base, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return apierrors.NewForbidden(corev1.Resource("secrets"), "token", errors.New("no"))
		},
	}))
	b.alertmanager("http://127.0.0.1:1")
	b.policy.Spec.Gates.Alertmanager[0].Auth = &v1alpha1.GateAuth{BearerToken: &v1alpha1.SecretKey{Secret: "token", Key: "token"}}
	const want = "the manager may not read Secret operator/token: put the key into the Secret reboot-operator-gates, or give the manager's " +
		"ServiceAccount a Role to get this one."
	if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || answer.Failure != want {
		t.Errorf("answer %+v", answer)
	}
}

// TestBadAnswers is about servers that do what Prometheus and Alertmanager would not.
func TestBadAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		kind    model.GateKind
		handler http.HandlerFunc
		want    string
	}{
		"an Alertmanager that answers no JSON": {model.GateAlertmanager,
			func(w http.ResponseWriter, _ *http.Request) { answer(w, "<html>") }, "it does not answer as Alertmanager does."},
		"an Alertmanager that answers nothing in JSON": {model.GateAlertmanager,
			func(w http.ResponseWriter, _ *http.Request) { answer(w, "null") }, "it does not answer as Alertmanager does."},
		"an Alertmanager without an end": {model.GateAlertmanager, endless(`[{"labels":{"a":"b"}}`, `,{"labels":{"a":"b"}}`), "the answer is too long: ask for less."},
		"an Alertmanager that is ill":    {model.GateAlertmanager, ill, "it answers 503 Service Unavailable."},
		"a Prometheus without an end": {
			model.GatePrometheus,
			endless(`{"status":"success","data":{"resultType":"vector","result":[`, `{"metric":{},"value":[1,"1"]},`),
			"the answer is too long: ask for less.",
		},
		"a Prometheus that is ill":          {model.GatePrometheus, ill, "it answers 503 Service Unavailable."},
		"a Prometheus that answers no JSON": {model.GatePrometheus, func(w http.ResponseWriter, _ *http.Request) { answer(w, "<html>") }, "it does not answer as Prometheus does."},
		"a Prometheus with half of its data": {model.GatePrometheus, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, `{"status":"success","warnings":["store is away"],"data":{"resultType":"vector","result":[]}}`)
		}, "the answer has no row, and may be incomplete: it comes with a warning."},
		"an Alertmanager that hangs": {model.GateAlertmanager, hang, "there was no answer within 1s."},
		"a Prometheus that hangs":    {model.GatePrometheus, hang, "there was no answer within 1s."},
		"a connection that breaks": {model.GateAlertmanager, func(w http.ResponseWriter, _ *http.Request) {
			connection, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = connection.Close()
			}
		}, "the connection broke."},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(tc.handler)
			defer s.Close()
			b := newBench(t)
			b.alertmanager(s.URL)
			b.queries(s.URL, "up == 0")
			if strings.HasSuffix(name, "hangs") {
				b.policy.Spec.Gates.Alertmanager[0].TimeoutSeconds = ptr.To[int32](1)
				b.policy.Spec.Gates.Prometheus[0].TimeoutSeconds = ptr.To[int32](1)
			}
			first := b.later(tc.kind, "g")
			if first == nil || !strings.Contains(first.Failure, tc.want) {
				t.Fatalf("got %+v, want %q", first, tc.want)
			}
			if second := b.later(tc.kind, "g"); second == nil || second.Failure != first.Failure {
				t.Errorf("first %q, then %+v", first.Failure, second)
			}
		})
	}
}

func ill(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
	answer(w, "try later, this is request "+time.Now().String())
}

// hang answers nothing for as long as the client waits. A server does not see that the client has gone before it has read the body.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func endless(begin, more string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		answer(w, begin)
		const at = 1000 // one by one, a busy machine would take longer than the gate may
		more := strings.Repeat(more, at)
		for range 2*maxAnswer/len(more) + 1 {
			if _, err := io.WriteString(w, more); err != nil {
				return
			}
		}
	}
}

func TestFailuresAreTheSameForTheSameReason(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a broken connection": {
			atServer("http://p", fmt.Errorf("ask: %w", &net.OpError{
				Op: "read", Net: "tcp", Source: tcp(40123), Addr: tcp(9090), Err: os.NewSyscallError("read", syscall.ECONNRESET),
			})),
			"http://p: the connection broke.",
		},
		"a name server": {
			atServer("http://p", &net.DNSError{Err: "read udp 10.0.0.1:54321->10.0.0.10:53: i/o timeout", Name: "p", IsTimeout: true}),
			"http://p: the name of the host cannot be looked up.",
		},
		"a name that is none":          {atServer("http://p", &net.DNSError{Name: "p", IsNotFound: true}), "http://p: there is no host with this name."},
		"a time limit":                 {context.DeadlineExceeded, "there was no answer within 10s."},
		"several lines":                {say(nil, "one\n  two"), "one two."},
		"what nobody wrote to be read": {errors.New("10.0.0.1:54321: hunter2"), unspoken + "."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := failure(t.Context(), tc.err, 10*time.Second); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func tcp(port int) *net.TCPAddr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }
