package gates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// told is a text that must never be repeated.
const told = "s3cr3t"

// dialed is how errors of connections come back from an HTTP client.
func dialed(err error) error {
	return &url.Error{Op: "Get", URL: "http://" + told, Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
}

func TestConnectionsThatFailAreExplainedInFixedSentences(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"this machine":                {dialed(outbound.ErrLocal), localProblem},
		"a redirect":                  {&url.Error{Op: "Get", URL: told, Err: errRedirects}, "it redirects: write the url that it redirects to"},
		"too much":                    {fmt.Errorf("%s: %w", told, errTooLong), "the answer is too long"},
		"no such host":                {dialed(&net.DNSError{Name: told, IsNotFound: true}), "there is no host with this name"},
		"no lookup":                   {dialed(&net.DNSError{Name: told, IsTimeout: true}), "cannot be looked up"},
		"refused":                     {dialed(syscall.ECONNREFUSED), "the connection is refused"},
		"no route to the host":        {dialed(syscall.EHOSTUNREACH), "there is no route to it"},
		"no route to the net":         {dialed(syscall.ENETUNREACH), "there is no route to it"},
		"another failed dial":         {dialed(errors.New(told)), "there is no connection"},
		"no answer":                   {fmt.Errorf("%s: %w", told, io.EOF), "the connection broke"},
		"half an answer":              {io.ErrUnexpectedEOF, "the connection broke"},
		"a reset":                     {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "the connection broke"},
		"a pipe":                      {&net.OpError{Op: "write", Err: syscall.EPIPE}, "the connection broke"},
		"another name":                {x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{told}}, Host: told}, "for another name"},
		"an unknown authority":        {x509.UnknownAuthorityError{}, "signed by an unknown authority"},
		"a certificate that is over":  {x509.CertificateInvalidError{Reason: x509.Expired, Detail: told}, "has expired, or is not valid yet"},
		"another bad one":             {x509.CertificateInvalidError{Reason: x509.TooManyIntermediates, Detail: told}, "its certificate is not valid"},
		"one that cannot be verified": {&tls.CertificateVerificationError{Err: errors.New(told)}, "its certificate is not valid"},
		"verified, with a reason":     {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "signed by an unknown authority"},
		"no TLS":                      {tls.RecordHeaderError{Msg: told}, "it does not speak TLS"},
		"HTTP instead":                {errors.New("http: server gave HTTP response to HTTPS client"), "it does not speak TLS"},
		"an alert":                    {tls.AlertError(40), "it refuses the TLS connection"},
		"anything else":               {errors.New(told), "it does not answer as an HTTP server does"},
	} {
		got := connectionProblem(test.err)
		if !strings.Contains(got, test.want) || strings.Contains(got, told) {
			t.Errorf("%s: it says %q, want %q", name, got, test.want)
		}
	}
}

func TestAPrometheusThatFailsIsExplainedInFixedSentences(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		want   string
	}{
		"a bad query":              {&prometheusv1.Error{Type: prometheusv1.ErrBadData, Msg: told}, 400, "it rejects the query"},
		"a query that takes long":  {&prometheusv1.Error{Type: prometheusv1.ErrTimeout, Msg: told}, 503, "the query took too long"},
		"one that was given up":    {&prometheusv1.Error{Type: prometheusv1.ErrCanceled, Msg: told}, 503, "the query took too long"},
		"one that fails":           {&prometheusv1.Error{Type: prometheusv1.ErrExec, Msg: told}, 422, "it fails to execute the query"},
		"another status":           {&prometheusv1.Error{Type: prometheusv1.ErrServer, Msg: told}, 502, "it answers 502 Bad Gateway"},
		"a status that nobody has": {&prometheusv1.Error{Type: prometheusv1.ErrServer, Msg: told}, 599, "it answers with the status 599"},
		"a status of success":      {&prometheusv1.Error{Type: prometheusv1.ErrBadResponse, Msg: told}, 200, "it does not answer as Prometheus does"},
		"a redirect":               {&prometheusv1.Error{Type: prometheusv1.ErrBadResponse, Msg: told}, 302, "it does not answer as Prometheus does"},
		"a status below":           {&prometheusv1.Error{Type: prometheusv1.ErrBadResponse, Msg: told}, 101, "it answers 101 Switching Protocols"},
		"no connection":            {dialed(syscall.ECONNREFUSED), 0, "the connection is refused"},
	} {
		if got := prometheusProblem(test.err, test.status); !strings.Contains(got, test.want) || strings.Contains(got, told) {
			t.Errorf("%s: it says %q, want %q", name, got, test.want)
		}
	}
}

func TestObjectsThatCannotBeListedAreExplainedInFixedSentences(t *testing.T) {
	resource := schema.GroupResource{Resource: told}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"no answer": {errors.New(told), "Widgets cannot be listed from the API server: there is no answer"},
		"no right":  {fmt.Errorf("list: %w", apierrors.NewForbidden(resource, told, nil)), "Widgets cannot be listed: the manager lacks the right to list them"},
		"too busy":  {apierrors.NewTooManyRequests(told, 1), "Widgets cannot be listed from the API server: it answers 429 Too Many Requests"},
		"a webhook": {apierrors.NewInternalError(errors.New(told)), "Widgets cannot be listed from the API server: it answers 500 Internal Server Error"},
	} {
		if got := unreadable("Widgets", test.err); got != test.want {
			t.Errorf("%s: it says %q, want %q", name, got, test.want)
		}
	}
}

func TestWhatWasMadeToBeReadIsSaidAndItsCauseIsNot(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		err  error
		want string
	}{
		"what may be read":             {t.Context(), say(errors.New(told), "there is  no\nkey"), "there is no key."},
		"wrapped":                      {t.Context(), fmt.Errorf("%s: %w", told, say(nil, "no key.")), "no key."},
		"what may not":                 {t.Context(), errors.New(told), unspoken + "."},
		"the time limit":               {t.Context(), say(context.DeadlineExceeded, "no key"), "there was no answer within 3s."},
		"the time limit, from outside": {ended, say(nil, "no key"), "there was no answer within 3s."},
		"at a server":                  {t.Context(), atServer("http://server", say(errors.New(told), "no key")), "http://server: no key."},
		"a server that is away":        {t.Context(), atServer("http://server", dialed(syscall.ECONNREFUSED)), "http://server: the connection is refused."},
	} {
		if got := failure(test.ctx, test.err, 3*time.Second); got != test.want {
			t.Errorf("%s: it says %q, want %q", name, got, test.want)
		}
	}
	cause := errors.New(told)
	if err := say(cause, "no key"); !errors.Is(err, cause) || !strings.Contains(detail(err), told) {
		t.Errorf("the log does not say why: %q", detail(err))
	}
	if got := detail(&url.Error{Op: "Get", URL: "http://server?query=" + told, Err: errors.New("a\n b")}); got != "a b" {
		t.Errorf("the log says %q", got)
	}
	if got := detail(errors.New(strings.Repeat("x", 5000))); len(got) != 1024 {
		t.Errorf("the log has %d bytes", len(got))
	}
}

func TestTextIsCutAndEndsInOneFullStop(t *testing.T) {
	for text, want := range map[string]string{
		"a": "a.", "a.": "a.", "a\n\tb": "a b.", "": ".",
		strings.Repeat("x", 512): strings.Repeat("x", 512) + ".", strings.Repeat("x", 513): strings.Repeat("x", 509) + "...",
	} {
		if got := sentence(text); got != want {
			t.Errorf("of %.20q... it makes %q, want %q", text, got, want)
		}
	}
	for _, test := range []struct {
		all  []string
		want string
	}{
		{[]string{"a"}, "a"}, {[]string{"a", "b", "c"}, "a, b, c"}, {[]string{"a", "b", "c", "d"}, "a, b, c and more"},
		{[]string{"a", "b", "c", "d", "e"}, "a, b, c and more"},
	} {
		if got := enumerate(test.all); got != test.want {
			t.Errorf("of %d it names %q, want %q", len(test.all), got, test.want)
		}
	}
}

func TestAnAnswerIsReadUpToItsLimit(t *testing.T) {
	for _, test := range []struct {
		size, limit int64
		fails       bool
	}{{size: 9, limit: 10}, {size: 10, limit: 10, fails: true}, {size: 11, limit: 10, fails: true}, {size: 0, limit: 1}} {
		body := &boundedBody{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", int(test.size)))), left: test.limit}
		read, err := io.ReadAll(body)
		if errors.Is(err, errTooLong) != test.fails || int64(len(read)) > test.limit {
			t.Errorf("of %d bytes with a limit of %d it reads %d, and says %v", test.size, test.limit, len(read), err)
		}
	}
}

func TestARequestGetsItsCredentialsAndLeavesThatOfItsCallerAlone(t *testing.T) {
	var sent *http.Request
	server := &target{
		authorize: func(r *http.Request) { r.Header.Set("Authorization", told) },
		next: roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r
			return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody}, nil
		}),
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if sent.Header.Get("Authorization") != told || request.Header.Get("Authorization") != "" || server.status != http.StatusTeapot {
		t.Errorf("sent with %q, the caller's has %q, the status is %d", sent.Header, request.Header, server.status)
	}
	server.next = roundTripper(func(*http.Request) (*http.Response, error) { return nil, io.EOF })
	if response, err := server.RoundTrip(request); response != nil || !errors.Is(err, io.EOF) { //nolint:bodyclose // there is none
		t.Errorf("a connection that broke is %v, %v", response, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
