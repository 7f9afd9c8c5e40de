package notifier

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func toWebhook() *v1alpha1.Notification {
	return &v1alpha1.Notification{Name: "r", Webhook: &v1alpha1.NotificationWebhook{URL: *keyOf("url")}}
}

func TestAServiceThatAsksToBeLeftAloneIsAskedOnceAndSaysForHowLong(t *testing.T) {
	discord := "discord://" + secret + "@1234567890123456789"
	teams := "teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/" +
		"44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=contoso.webhook.office.com"
	for name, is := range map[string]struct {
		url, after string
		status     int
		want       time.Duration
	}{
		"Discord":             {discord, "200", 429, 200 * time.Second},
		"Discord that fails":  {discord, "", 503, 0},
		"Teams":               {teams, "2.5", 429, 2 * time.Second},
		"Slack":               {"slack://hook:T00000000-B00000000-" + strings.Repeat("x", 24) + "@webhook", "86400", 429, maxRetryAfter},
		"nonsense":            {teams, "soon", 429, 0},
		"not before it is":    {teams, "-5", 429, 0},
		"a time that is gone": {teams, "Sat, 28 Nov 2020 01:00:00 GMT", 503, 0},
	} {
		t.Run(name, func(t *testing.T) {
			cloud.will(is.status, "no: "+secret)
			cloud.header.Set("Retry-After", is.after)
			began := time.Now()
			got := senderWith(loopback, map[string]string{"url": is.url}).send(t.Context(), "workers", toURL(), halted())
			says(t, got, "it answers")
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it took %s", took)
			}
			cloud.got(t)
			if got == nil || got.after != is.want || !strings.Contains(got.text, http.StatusText(is.status)) {
				t.Errorf("got %+v, want %s", got, is.want)
			}
		})
	}
}

func TestTheWordOfAServiceThatRefusesIsSaidAndNothingElse(t *testing.T) {
	cloud.will(404, "no_service "+secret)
	hook := "slack://hook:T00000000-B00000000-" + strings.Repeat("x", 24) + "@webhook"
	got := senderWith(loopback, map[string]string{"url": hook}).send(t.Context(), "workers", toURL(), halted())
	says(t, got, "it answers 404 (Not Found): no_service")
}

func TestWhatWasTakenIsNotSentAgainBecauseOfItsAnswer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"long": func(w http.ResponseWriter, _ *http.Request) {
			if _, err := io.WriteString(w, strings.Repeat("x", 4*maxAnswer)); err != nil {
				return // nobody reads it
			}
		},
		"slow": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusAccepted)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"cut short": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "100") },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			began := time.Now()
			s := senderWith(loopback, map[string]string{"url": server.URL, "generic": "generic+" + server.URL})
			says(t, s.send(t.Context(), "workers", toWebhook(), halted()), "")
			n := toURL()
			n.URL.Key = "generic"
			says(t, s.send(t.Context(), "workers", n, halted()), "")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestNoServiceFollowsARedirect(t *testing.T) {
	var reached atomic.Int32
	metadata := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer metadata.Close()
	server := httptest.NewServer(http.RedirectHandler(metadata.URL, http.StatusFound))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	for _, raw := range []string{
		"ntfy://" + address + "/topic?scheme=http", "gotify://" + address + "/AzyoeNS.D4iJLVa?disabletls=yes",
		"mattermost://" + address + "/token?disabletls=yes", "generic://" + address + "/?disabletls=yes",
		"signal://" + address + "/+15550000001/+15550000002?disabletls=yes", "rocketchat://" + address + "/a/b/@c?disabletls=yes",
	} {
		got := senderWith(loopback, map[string]string{"url": raw}).send(t.Context(), "workers", toURL(), halted())
		if got == nil || reached.Load() > 0 {
			t.Errorf("%s: %+v, and the other server was asked %d times", raw, got, reached.Load())
		}
	}
}

func TestCertificatesAreVerifiedByServicesThatConnectByThemselvesUnlessTheirURLSaysNo(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.WriteString(w, `{"id": 1, "event": "message"}`); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "https://")
	for raw, want := range map[string]string{
		"ntfy://" + address + "/topic":                                    saysNoTLS,
		"ntfy://" + address + "/topic?disabletlsverification=yes":         "",
		"gotify://" + address + "/AzyoeNS.D4iJLVa":                        saysNoTLS,
		"gotify://" + address + "/AzyoeNS.D4iJLVa?insecureskipverify=yes": "",
	} {
		says(t, senderWith(loopback, map[string]string{"url": raw}).send(t.Context(), "workers", toURL(), halted()), want)
	}
}

func TestADeadlineOfAConnectionCanOnlyComeEarlier(t *testing.T) {
	near, far := net.Pipe()
	defer closes(t, far)
	defer closes(t, near)
	conn := &boundedConn{Conn: near, until: time.Now().Add(50 * time.Millisecond)}
	for name, set := range map[string]func(time.Time) error{"both": conn.SetDeadline, "reads": conn.SetReadDeadline} {
		for _, at := range []time.Time{{}, time.Now().Add(time.Hour)} {
			if err := set(at); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s until %s: %v", name, at, err)
			}
		}
	}
	if err := conn.SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v", err)
	}
}

// The server says one more line a little before the patience of its client ends.
func TestAMailServerThatDripsIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, listener) })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // the client has closed it
		for range 100 {
			if _, err := io.WriteString(conn, "250-more\r\n"); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	began := time.Now()
	raw := "smtp://" + listener.Addr().String() + "/?from=a@example.com&to=b@example.com"
	got := senderWith(loopback, map[string]string{"url": raw}).send(t.Context(), "workers", toURL(), halted())
	if got == nil || got.invalid || time.Since(began) > sendTimeout+3*time.Second {
		t.Errorf("%+v after %s", got, time.Since(began))
	}
}
