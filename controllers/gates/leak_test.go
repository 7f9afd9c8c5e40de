package gates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// secretText is what must not be in any answer of a gate.
const secretText = "hunter2"

// silent fails if an answer holds the secret, and returns what the answer says.
func silent(t *testing.T, answer *model.GateAnswer) string {
	t.Helper()
	if answer == nil {
		t.Fatal("there is no answer")
	}
	said := answer.Obstacle + answer.Failure
	for _, text := range answer.Nodes {
		said += text
	}
	if strings.Contains(strings.ToLower(said), secretText) {
		t.Errorf("it says %q", said)
	}
	if said == "" {
		t.Error("it says nothing")
	}
	return said
}

func TestAnExpressionSaysNothingOfAnObjectsValues(t *testing.T) {
	object := configMap("a", "one", map[string]string{
		"password": secretText, "pattern": "(" + secretText, "number": "7" + secretText, "url": "http://[" + secretText, "json": "{" + secretText,
		"key." + secretText: "x", "time": secretText + "-01-01", "list": secretText + "," + secretText,
	})
	object.Annotations = map[string]string{secretText: secretText}
	for _, expression := range []string{
		`{'x': true}[object.data.password]`,
		`{'x': {'y': true}}[object.data.password].y`,
		`object.data[object.data.password] == ''`,
		`object[object.data.password]`,
		`dyn([true])[object.data.password]`,
		`[true][int(object.data.number)]`,
		`int(object.data.password) > 0`,
		`uint(object.data.password) > 0u`,
		`double(object.data.password) > 0.0`,
		`bool(object.data.password)`,
		`bytes(object.data.password)`,
		`timestamp(object.data.password) > timestamp('2026-01-01T00:00:00Z')`,
		`timestamp(object.data.time).getFullYear() > 1`,
		`duration(object.data.password) > duration('1s')`,
		`quantity(object.data.password).isGreaterThan(quantity('1'))`,
		`url(object.data.url).getHost() == 'a'`,
		`url(object.data.password).getHost() == 'a'`,
		`ip(object.data.password).family() == 4`,
		`cidr(object.data.password).prefixLength() == 4`,
		`semver(object.data.password).major() == 4`,
		`format.dns1123Label().validate(object.data.password).value().size() == 1 || object.data.password + 1 == ''`,
		`format.named(object.data.password).value().validate('a').hasValue()`,
		`'a'.matches(object.data.pattern)`,
		`'a'.find(object.data.pattern) == ''`,
		`object.data.password`,
		`object.data`,
		`object.data.password + 1 == ''`,
		`object.data.list.split(',')`,
		`object.data.password.format([1]) == ''`,
		`'%d'.format([object.data.password]) == ''`,
		`'%s'.format([object.data.password])`,
		`object.data.password.charAt(99) == ''`,
		`object.data.password.substring(50) == ''`,
		`object.data.password.replace('h', 'x', 1).join() == ''`,
		`type(object.data.password)`,
		`object.metadata.annotations.all(k, object.metadata.annotations[k] == 1 && [1][size(k)] == 1)`,
		`optional.of(object.data.password)`,
		`object.data.?missing.value() == ''`,
		`1 / (size(object.data.password) - 7) == 0`,
		`size(object.data.password) % (size(object.data.password) - 7) == 0`,
		`9223372036854775807 + size(object.data.password) > 0`,
		`authorizer.group('').resource('pods').check('get').allowed() || object.data.password == 'x' + 1`,
	} {
		t.Run(expression, func(t *testing.T) {
			b := newBench(t, object)
			gate := v1alpha1.ObjectGate{APIVersion: "v1", Kind: "ConfigMap", Expression: expression}
			b.objects(gate)
			silent(t, b.answer(model.GateObjects, "g"))
		})
	}
}

// leaking are servers that tell the secret in any place where they can tell something.
var leaking = map[string]http.HandlerFunc{
	"in the body of a 400":            body(http.StatusBadRequest, secretText),
	"in the body of a 404":            body(http.StatusNotFound, secretText),
	"in the body of a 500":            body(http.StatusInternalServerError, secretText),
	"in the body of a 422":            body(422, `{"status":"error","errorType":"execution","error":"`+secretText+`"}`),
	"in a status that nobody knows":   body(499, secretText),
	"as an error in JSON":             body(http.StatusBadRequest, `{"status":"error","errorType":"bad_data","error":"`+secretText+`"}`),
	"as an error of another type":     body(http.StatusOK, `{"status":"error","errorType":"`+secretText+`","error":"`+secretText+`"}`),
	"as a status in JSON":             body(http.StatusOK, `{"status":"`+secretText+`"}`),
	"in a warning":                    body(200, `{"status":"success","warnings":["`+secretText+`"],"data":{"resultType":"vector"}}`),
	"as a type of result":             body(http.StatusOK, `{"status":"success","data":{"resultType":"`+secretText+`","result":[]}}`),
	"as a string":                     body(200, `{"status":"success","data":{"resultType":"string","result":[1,"`+secretText+`"]}}`),
	"as a label":                      body(http.StatusOK, vectorWith(`"password":"`+secretText+`"`)),
	"as the name of a label":          body(http.StatusOK, vectorWith(`"`+secretText+`":"a"`)),
	"as the name of a series":         body(http.StatusOK, vectorWith(`"__name__":"`+secretText+`"`)),
	"as labels of an alert":           body(http.StatusOK, `[{"labels":{"alertname":"Disk","password":"`+secretText+`"}}]`),
	"as annotations of an alert":      body(http.StatusOK, `[{"labels":{"alertname":"Disk"},"annotations":{"summary":"`+secretText+`"}}]`),
	"as labels of another type":       body(http.StatusOK, `[{"labels":{"alertname":{"`+secretText+`":1}}}]`),
	"as something that is no JSON":    body(http.StatusOK, secretText),
	"as half a JSON":                  body(http.StatusOK, `[{"labels":{"`+secretText),
	"as a JSON string":                body(http.StatusOK, `"`+secretText+`"`),
	"in a redirect":                   header(http.StatusFound, "Location", "http://"+secretText+".test/"+secretText),
	"in a redirect that is none":      header(http.StatusFound, "Location", "http://[::1/"+secretText),
	"in a redirect without a place":   body(http.StatusMovedPermanently, secretText),
	"in another scheme":               header(http.StatusTemporaryRedirect, "Location", secretText+"://a"),
	"in a question for a password":    header(http.StatusUnauthorized, "WWW-Authenticate", secretText),
	"as an encoding":                  header(http.StatusOK, "Content-Encoding", secretText),
	"as a broken encoding":            header(http.StatusOK, "Content-Encoding", "gzip"),
	"as a protocol":                   raw("SSH-2.0-" + secretText + "\r\n"),
	"as a reason":                     raw("HTTP/1.1 400 " + secretText + "\r\nContent-Length: 0\r\n\r\n"),
	"as a reason that is no failure":  raw("HTTP/1.1 200 " + secretText + "\r\nContent-Length: 0\r\n\r\n"),
	"as a status code":                raw("HTTP/1.1 " + secretText + "\r\n\r\n"),
	"as a version":                    raw("HTTP/" + secretText + " 200 OK\r\n\r\n"),
	"as a header that is none":        raw("HTTP/1.1 200 OK\r\n" + secretText + "\r\n\r\n"),
	"as a length":                     raw("HTTP/1.1 200 OK\r\nContent-Length: " + secretText + "\r\n\r\n"),
	"as a transfer encoding":          raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + secretText + "\r\n\r\n"),
	"as the length of a chunk":        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secretText + "\r\n"),
	"as an upgrade":                   raw("HTTP/1.1 101 " + secretText + "\r\nUpgrade: " + secretText + "\r\nConnection: upgrade\r\n\r\n"),
	"as information":                  raw("HTTP/1.1 103 " + secretText + "\r\n\r\nHTTP/1.1 418 " + secretText + "\r\n\r\n"),
	"as an answer that ends too soon": raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[" + secretText),
}

func body(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		answer(w, text)
	}
}

func header(code int, name, value string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(name, value)
		w.WriteHeader(code)
		answer(w, secretText)
	}
}

func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		answer(connection, text)
		_ = connection.Close()
	}
}

func vectorWith(labels string) string {
	return `{"status":"success","data":{"resultType":"vector","result":[{"metric":{` + labels + `},"value":[1,"1"]}]}}`
}

func TestAGateSaysNothingOfWhatAServerAnswers(t *testing.T) {
	for name, handler := range leaking {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(handler)
			defer s.Close()
			silent(t, leakBench(t, s.URL).answer(model.GateAlertmanager, "g"))
			silent(t, leakBench(t, s.URL).answer(model.GatePrometheus, "g"))
			b := leakBench(t, s.URL)
			b.alerts(s.URL, v1alpha1.AlertFilter{})
			silent(t, b.answer(model.GatePrometheus, "g"))
		})
	}
}

func leakBench(t *testing.T, url string) *bench {
	t.Helper()
	b := newBench(t)
	b.alertmanager(url)
	b.queries(url, "up == 0")
	return b
}

// A query can give anything the name of an alert.
func TestAQueryDoesNotSpellALabelAsTheNameOfAnAlert(t *testing.T) {
	s := httptest.NewServer(body(http.StatusOK, vectorWith(`"alertname":"`+secretText+`"`)))
	defer s.Close()
	silent(t, leakBench(t, s.URL).answer(model.GatePrometheus, "g"))
}

func TestAGateSaysNothingOfACertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(body(http.StatusOK, "[]"))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificateOf(t, secretText+".internal.test")}}
	s.StartTLS()
	defer s.Close()
	silent(t, leakBench(t, s.URL).answer(model.GateAlertmanager, "g"))
	silent(t, leakBench(t, s.URL).answer(model.GatePrometheus, "g"))
	plain := httptest.NewServer(body(http.StatusOK, secretText))
	defer plain.Close()
	silent(t, leakBench(t, strings.Replace(plain.URL, "http:", "https:", 1)).answer(model.GateAlertmanager, "g"))
}

func certificateOf(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, Issuer: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// What a name leads to is not said: only that nothing answers there.
func TestAGateSaysNothingOfAddresses(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	said := silent(t, leakBench(t, fmt.Sprintf("http://localhost:%d", port)).answer(model.GateAlertmanager, "g"))
	if strings.Contains(said, "127.0.0.1") || strings.Contains(said, "[::1]") {
		t.Errorf("it says %q", said)
	}
}
