package notifier

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/notify"
	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// secret is in every URL of the tests. It must never be said.
const secret = "T0123456789-s3cr3t"

var loopback = outbound.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}

// cloud stands for every https server by any name, such as hooks.slack.com. Its answers are those of the tests.
var cloud = &answers{}

// TestMain confines the process as cmd/manager does. Names of the services of clouds lead to a server of this process.
func TestMain(m *testing.M) {
	server := httptest.NewTLSServer(cloud)
	Confine(loopback.Allowed)
	confined, is := http.DefaultTransport.(judging)
	if !is {
		fmt.Fprintln(os.Stderr, "the process is not confined")
		os.Exit(1)
	}
	// Its certificate is for another name; the tests with certificates are about webhooks.
	confined.direct.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	dial := confined.direct.DialContext
	confined.direct.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && port == "443" && net.ParseIP(host) == nil {
			if cloud.refuses.Load() {
				return nil, syscall.ECONNREFUSED
			}
			address = server.Listener.Addr().String()
		}
		return dial(ctx, network, address)
	}
	code := m.Run()
	server.Close()
	os.Exit(code)
}

// answers takes requests and answers each as the test says.
type answers struct {
	// refuses connections, of the cloud. Instead answers in its place.
	refuses  atomic.Bool
	instead  http.Handler
	mu       sync.Mutex
	status   int
	body     string
	header   http.Header
	requests []request
}

type request struct {
	host, path, body string
	header           http.Header
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	if instead := a.instead; instead != nil {
		a.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		instead.ServeHTTP(w, r)
		return
	}
	defer a.mu.Unlock()
	a.requests = append(a.requests, request{r.Host, r.URL.Path, string(body), r.Header})
	for key := range a.header {
		w.Header().Set(key, a.header.Get(key))
	}
	w.WriteHeader(max(a.status, 200))
	if _, err := io.WriteString(w, a.body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (a *answers) will(status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.body, a.requests, a.header = status, body, nil, http.Header{}
}

func (a *answers) got(t *testing.T) request {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.requests) != 1 {
		t.Fatalf("%d requests, want 1", len(a.requests))
	}
	return a.requests[0]
}

// senderWith makes a sender in a cluster with a Secret that has these keys.
func senderWith(guard outbound.Guard, data map[string]string) *sender {
	stored := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: testNamespace, Name: v1alpha1.NotificationsSecret,
		Annotations: map[string]string{v1alpha1.AllowedPoliciesAnnotation: "workers, other"},
	}, Data: map[string][]byte{}}
	for key, value := range data {
		stored.Data[key] = []byte(value)
	}
	live := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(stored).Build()
	return &sender{secrets: secrets{live: live, namespace: testNamespace}, guard: guard, clock: clock.RealClock{}}
}

func keyOf(key string) *v1alpha1.NotificationKey {
	return &v1alpha1.NotificationKey{Secret: v1alpha1.NotificationsSecret, Key: key}
}

func toURL() *v1alpha1.Notification { return &v1alpha1.Notification{Name: "r", URL: keyOf("url")} }

func halted() *notify.Event {
	return &notify.Event{
		ID: "0123456789abcdef", Event: v1alpha1.EventHalted, Policy: "workers", Time: time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC),
		Title: "RebootPolicy workers: halted", Text: "NodeReboot worker-1-0 (NodeNotBack): nothing more starts.", Count: 3,
	}
}

func says(t *testing.T, got *problem, want string) {
	t.Helper()
	switch {
	case want == "" && got == nil:
	case got == nil || !strings.Contains(got.text, want) || want == "":
		t.Errorf("said %+v, want %q", got, want)
	}
	if got != nil && strings.Contains(got.text, secret) {
		t.Errorf("a secret is said: %s", got.text)
	}
}

func TestServicesOfCloudsAreToldInTheirOwnFormat(t *testing.T) {
	for name, service := range map[string]struct{ url, answer, host, path, has string }{
		"Slack": {
			"slack://hook:T00000000-B00000000-" + strings.Repeat("x", 24) + "@webhook", "ok", "hooks.slack.com",
			"/services/T00000000/B00000000/" + strings.Repeat("x", 24), `"RebootPolicy workers: halted"`,
		},
		"Slack as kured's docs have it": {
			"slack://T00000000/B00000000/" + strings.Repeat("x", 24), "ok", "hooks.slack.com",
			"/services/T00000000/B00000000/" + strings.Repeat("x", 24), `NodeReboot worker-1-0`,
		},
		"Discord": {
			"discord://token@1234567890123456789", "", "discord.com", "/api/webhooks/1234567890123456789/token", "RebootPolicy workers: halted",
		},
		"Teams": {
			"teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/" +
				"44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=contoso.webhook.office.com", "1",
			"contoso.webhook.office.com", "/webhookb2/", "RebootPolicy workers: halted",
		},
		"Telegram": {
			"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=@reboots", `{"ok":true,"result":{"message_id":1}}`,
			"api.telegram.org", "/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage", "RebootPolicy workers: halted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cloud.will(200, service.answer)
			if service.answer == "" {
				cloud.will(204, "")
			}
			says(t, senderWith(loopback, map[string]string{"url": service.url + "\n"}).send(t.Context(), "workers", toURL(), halted()), "")
			got := cloud.got(t)
			if got.host != service.host || !strings.HasPrefix(got.path, service.path) || !strings.Contains(got.body, service.has) {
				t.Errorf("got %s%s: %s", got.host, got.path, got.body)
			}
		})
	}
}

func TestAGenericServiceIsToldByJSONAndByATemplate(t *testing.T) {
	own := &answers{}
	server := httptest.NewServer(own)
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	n := toURL()
	n.Templates = []v1alpha1.NotificationTemplate{{Event: v1alpha1.EventHalted, Text: "{{.Policy}} is halted: {{.Count}}"}}
	raw := "generic://" + address + "/hook?template=json&disabletls=yes&@ContentLanguage=en&$cluster=prod"
	s := senderWith(loopback, map[string]string{"url": raw})
	says(t, s.send(t.Context(), "workers", n, halted()), "")
	var body map[string]string
	got := own.got(t)
	if language := got.header.Get("Content-Language"); language != "en" || got.path != "/hook" {
		t.Errorf("path %s, language %q", got.path, language)
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || body["cluster"] != "prod" || body["message"] != "workers is halted: 3" ||
		body["title"] != "RebootPolicy workers: halted" {
		t.Errorf("body %v, %v", body, err)
	}
}

func TestAWebhookIsSignedAsItsPageSays(t *testing.T) {
	own := &answers{}
	server := httptest.NewTLSServer(own)
	defer server.Close()
	key := []byte("0123456789abcdef0123456789abcdef")
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	n := &v1alpha1.Notification{Name: "r", Webhook: &v1alpha1.NotificationWebhook{URL: *keyOf("url"), HMACKey: keyOf("key"), CA: keyOf("ca")}}
	for name, stored := range map[string]string{"plain": string(key), "base64": "whsec_" + base64.StdEncoding.EncodeToString(key)} {
		t.Run(name, func(t *testing.T) {
			own.will(202, "")
			s := senderWith(loopback, map[string]string{"url": server.URL + "/hook/" + secret, "key": stored, "ca": ca})
			now := time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC)
			s.clock = clocktesting.NewFakePassiveClock(now)
			says(t, s.send(t.Context(), "workers", n, halted()), "")
			got := own.got(t)
			// What docs/notifications.md tells a receiver to do.
			id, timestamp := got.header.Get("webhook-id"), got.header.Get("webhook-timestamp")
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(id + "." + timestamp + "." + got.body))
			want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
			if !hmac.Equal([]byte(want), []byte(got.header.Get("webhook-signature"))) {
				t.Errorf("signature %q, want %q", got.header.Get("webhook-signature"), want)
			}
			if id != halted().ID || timestamp != fmt.Sprint(now.Unix()) || got.header.Get("content-type") != "application/json" {
				t.Errorf("headers %v", got.header)
			}
			var e notify.Event
			if err := json.Unmarshal([]byte(got.body), &e); err != nil || e.Event != v1alpha1.EventHalted || e.Count != 3 {
				t.Errorf("body %s: %v", got.body, err)
			}
		})
	}
	t.Run("a server that cannot be verified", func(t *testing.T) {
		s := senderWith(loopback, map[string]string{"url": server.URL, "key": "k"})
		bare := &v1alpha1.Notification{Name: "r", Webhook: &v1alpha1.NotificationWebhook{URL: *keyOf("url")}}
		says(t, s.send(t.Context(), "workers", bare, halted()), saysNoTLS)
	})
}

func TestAnswersThatAreNoSuccessAreSaidByTheirNumberOnly(t *testing.T) {
	own := &answers{}
	server := httptest.NewServer(own)
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	urls := map[string]string{
		"webhook": server.URL + "/" + secret, "generic": "generic://" + address + "/" + secret + "?disabletls=yes",
		"mattermost": "mattermost://" + address + "/" + secret + "?disabletls=yes",
		"ntfy":       "ntfy://u:" + secret + "@" + address + "/topic?scheme=http",
		"gotify":     "gotify://" + address + "/AzyoeNS.D4iJLVa?disabletls=yes",
	}
	for name, raw := range urls {
		for _, status := range []int{404, 500} {
			own.will(status, "no: "+secret)
			n := toURL()
			if name == "webhook" {
				n = &v1alpha1.Notification{Name: "r", Webhook: &v1alpha1.NotificationWebhook{URL: *keyOf("url")}}
			}
			got := senderWith(loopback, map[string]string{"url": raw}).send(t.Context(), "workers", n, halted())
			if got == nil || got.invalid {
				t.Errorf("%s answers %d: %+v", name, status, got)
				continue
			}
			if strings.Contains(got.text, secret) {
				t.Errorf("a secret is said: %s", got.text)
			}
			if !strings.Contains(got.text, fmt.Sprint(status)) {
				t.Errorf("%s answers %d: %s", name, status, got.text)
			}
		}
	}
	own.will(302, "")
	own.header.Set("Location", "http://127.0.0.1:1/")
	n := &v1alpha1.Notification{Name: "r", Webhook: &v1alpha1.NotificationWebhook{URL: *keyOf("url")}}
	says(t, senderWith(loopback, map[string]string{"url": urls["webhook"]}).send(t.Context(), "workers", n, halted()), saysRedirect)
	own.header.Set("Location", "http://127.0.0.1:1/")
	says(t, senderWith(loopback, map[string]string{"url": urls["generic"]}).send(t.Context(), "workers", toURL(), halted()), saysRedirect)
}

func TestLocalAddressesAreNotReachedByAnyService(t *testing.T) {
	own := &answers{}
	server := httptest.NewServer(own)
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	saved := http.DefaultTransport
	Confine(nil)
	defer func() { http.DefaultTransport = saved }()
	for _, raw := range []string{
		"generic://127.0.0.1:" + port + "/?disabletls=yes", "generic://localhost:" + port + "/?disabletls=yes",
		"mattermost://127.0.0.1:" + port + "/token?disabletls=yes", "gotify://localhost:" + port + "/AzyoeNS.D4iJLVa?disabletls=yes",
		"ntfy://127.0.0.1:" + port + "/topic?scheme=http", "smtp://127.0.0.1:" + port + "/?from=a@example.com&to=b@example.com",
		"rocketchat://127.0.0.1:" + port + "/a/b/@c",
		"signal://127.0.0.1:" + port + "/+15550000001/+15550000002?disabletls=yes",
	} {
		says(t, senderWith(outbound.Guard{}, map[string]string{"url": raw}).send(t.Context(), "workers", toURL(), halted()), saysLocal)
	}
	// This one logs in as soon as it reads the URL, and does not say what went wrong.
	matrix := senderWith(outbound.Guard{}, map[string]string{"url": "matrix://u:p@127.0.0.1:" + port + "/?disabletls=yes&rooms=a"})
	says(t, matrix.send(t.Context(), "workers", toURL(), halted()), "cannot log in to the service matrix")
	n := &v1alpha1.Notification{Name: "r", Webhook: &v1alpha1.NotificationWebhook{URL: *keyOf("url")}}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		s := senderWith(outbound.Guard{}, map[string]string{"url": "http://" + host + ":" + port})
		says(t, s.send(t.Context(), "workers", n, halted()), saysLocal)
	}
	if len(own.requests) > 0 {
		t.Errorf("got %v", own.requests)
	}
}

func TestWhatIsNotConfiguredRightSaysWhatToChange(t *testing.T) {
	for name, is := range map[string]struct {
		url, policy string
		change      func(n *v1alpha1.Notification)
		want        string
	}{
		"no Secret": {change: func(n *v1alpha1.Notification) { n.URL.Secret = "other" }, want: "there is no Secret operator/other; it has to be in the namespace of the operator"},
		"no key":    {change: func(n *v1alpha1.Notification) { n.URL.Key = "other" }, want: "there is no key other in Secret operator/reboot-operator-notifications"},
		"not allowed": {policy: "worker", want: "RebootPolicy worker may not use Secret operator/reboot-operator-notifications: an " +
			`administrator allows that with its annotation reboot-operator.io/allowed-policies: "worker"`},
		"no URL":         {url: secret, want: "has no URL in the syntax of shoutrrr"},
		"unknown scheme": {url: "carrier-pigeon://" + secret, want: "does not begin with the name of a service: write one of bark, discord"},
		"logger":         {url: "logger://", want: "does not begin with the name of a service"},
		"no token":       {url: "slack://" + secret, want: "the service slack does not accept the URL"},
		"no URL at all":  {url: "http://[" + secret, want: "has no URL in the syntax of shoutrrr"},
		"mail to nobody": {url: "smtp://u:" + secret + "@mail.example.com/?from=a@example.com", want: "the service smtp does not accept the URL"},
		"a webhook of another scheme": {
			url: "ftp://" + secret, want: "has no URL that begins with https:// or http://",
			change: func(n *v1alpha1.Notification) { n.Webhook, n.URL = &v1alpha1.NotificationWebhook{URL: *n.URL}, nil },
		},
		"a key that is nothing": {
			url: "https://example.com", want: "is not base64",
			change: func(n *v1alpha1.Notification) {
				n.Webhook, n.URL = &v1alpha1.NotificationWebhook{URL: *n.URL, HMACKey: keyOf("empty")}, nil
			},
		},
		"a key that is not base64": {
			url: "https://example.com", want: "is not base64",
			change: func(n *v1alpha1.Notification) {
				n.Webhook, n.URL = &v1alpha1.NotificationWebhook{URL: *n.URL, HMACKey: keyOf("hmac")}, nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := toURL()
			if is.change != nil {
				is.change(n)
			}
			policy := is.policy
			if policy == "" {
				policy = "workers"
			}
			for _, e := range []*notify.Event{nil, halted()} {
				s := senderWith(loopback, map[string]string{"url": is.url, "hmac": "whsec_%" + secret, "empty": "whsec_"})
				got := s.send(t.Context(), policy, n, e)
				says(t, got, is.want)
				if got != nil && !got.invalid {
					t.Error("it is tried again without end")
				}
			}
		})
	}
}

func TestAReceiverThatHangsIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, listener) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { closes(t, conn) })
		}
	}()
	address := listener.Addr().String()
	var hanging sync.WaitGroup
	for _, raw := range []string{
		"generic://" + address + "/?disabletls=yes", "mattermost://" + address + "/token?disabletls=yes",
		"ntfy://" + address + "/topic?scheme=http",
		"gotify://" + address + "/AzyoeNS.D4iJLVa?disabletls=yes", "smtp://" + address + "/?from=a@example.com&to=b@example.com",
		"smtps://" + address,
	} {
		if strings.HasPrefix(raw, "smtps") {
			raw = "smtp://" + address + "/?from=a@example.com&to=b@example.com&encryption=ImplicitTLS"
		}
		hanging.Go(func() {
			began := time.Now()
			got := senderWith(loopback, map[string]string{"url": raw}).send(t.Context(), "workers", toURL(), halted())
			if got == nil || got.invalid || time.Since(began) > 2*sendTimeout+connectTimeout {
				t.Errorf("%s: %+v after %s", raw, got, time.Since(began))
			}
		})
	}
	hanging.Wait()
}

func closes(t *testing.T, closer io.Closer) {
	t.Helper()
	if err := closer.Close(); err != nil {
		t.Error(err)
	}
}

// mailbox is an SMTP server that takes mail from those who know the password.
type mailbox struct {
	mu       sync.Mutex
	messages []string
	to       []string
}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{mailbox: m}, nil }

type mailSession struct {
	*mailbox
	known bool
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != "operator" || password != secret {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = append(s.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, string(text))
	return nil
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

func TestAMailServerTakesTheMessage(t *testing.T) {
	web := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer web.Close()
	box := &mailbox{}
	server := smtp.NewServer(box)
	server.Domain, server.TLSConfig = "mail.example.com", web.TLS
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { closes(t, server) })
	address := listener.Addr().String()
	mail := func(e *notify.Event, password, more string) *problem {
		raw := "smtp://operator:" + url.QueryEscape(password) + "@" + address + "/?from=reboots@example.com&to=a@example.com,b@example.com" + more
		return senderWith(loopback, map[string]string{"url": raw}).send(t.Context(), "workers", toURL(), e)
	}
	says(t, mail(halted(), secret, ""), saysNoTLS)
	says(t, mail(halted(), "wrong", "&skiptlsverify=yes"), "the mail server answers 535")
	e := halted()
	e.Title = "RebootPolicy wörkers: halted\r\nBcc: evil@example.com"
	says(t, mail(e, secret, "&skiptlsverify=yes"), "")
	if len(box.messages) != 1 || strings.Join(box.to, " ") != "a@example.com b@example.com" {
		t.Fatalf("got %q to %v", box.messages, box.to)
	}
	head, body, _ := strings.Cut(box.messages[0], "\r\n\r\n")
	subject := strings.Contains(head, "=?UTF-8?q?RebootPolicy_w=C3=B6rkers:_halted")
	if strings.Contains(head, "\nBcc:") || !subject || !strings.Contains(body, "NodeReboot worker-1-0") {
		t.Errorf("mail:\n%s", box.messages[0])
	}
	says(t, mail(e, secret, "&skiptlsverify=yes&subject=Prod"), "")
	if !strings.Contains(box.messages[1], "Subject: Prod") {
		t.Errorf("mail:\n%s", box.messages[1])
	}
}

// What errors of libraries have in them is not said.
func TestNoErrorSaysWhatIsInAURL(t *testing.T) {
	for _, text := range []string{
		`Post "https://hooks.slack.com/services/` + secret + `": dial tcp: lookup x: no such host`,
		`webhook status failure: 403 Forbidden ` + secret, `unexpected: ` + secret + ` 200 OK`, secret, `x509: ` + secret,
		`Telegram: chat not found ` + secret, `status 599 ` + secret,
	} {
		got := tell(fmt.Errorf("%s", text))
		says(t, got, got.text)
	}
}
