package gates

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// atServer puts the url of the server before what is said. What else an error holds is not said.
func atServer(address string, err error) error {
	var readable *said
	if errors.As(err, &readable) {
		return say(readable.cause, "%s: %s", address, readable.text)
	}
	return say(err, "%s: %s", address, connectionProblem(err))
}

const localProblem = "gates do not ask loopback, link-local and metadata addresses; the manager's flag --gate-allowed-cidrs allows some"

// connectionProblem says in a fixed sentence why a server cannot be asked: what it sends, its certificate, and what addresses its name has,
// are not repeated.
func connectionProblem(err error) string {
	var (
		lookup *net.DNSError
		dial   *net.OpError
	)
	switch {
	case errors.Is(err, outbound.ErrLocal):
		return localProblem
	case errors.Is(err, errRedirects):
		return "it redirects: write the url that it redirects to, because redirects are not followed"
	case errors.Is(err, errTooLong):
		return "the answer is too long: ask for less"
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "there is no host with this name"
	case errors.As(err, &lookup):
		return "the name of the host cannot be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection is refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to it"
	case errors.As(err, &dial) && dial.Op == "dial":
		return "there is no connection"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection broke"
	}
	return tlsProblem(err)
}

// tlsProblem says what is wrong with the server's certificate, or that it is something else.
func tlsProblem(err error) string {
	var (
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &name):
		return "its certificate is for another name: write the right one into tls.serverName"
	case errors.As(err, &authority):
		return "its certificate is signed by an unknown authority: write that authority into tls.ca"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or is not valid yet"
	case errors.As(err, &verify), errors.As(err, &invalid):
		return "its certificate is not valid"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it does not speak TLS: write http:// if that is meant"
	case errors.As(err, &alert):
		return "it refuses the TLS connection"
	}
	return "it does not answer as an HTTP server does"
}

// statusProblem says that a server answers with a status of failure. It repeats only the number of the status line.
func statusProblem(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("it answers %d %s", code, text)
	}
	return fmt.Sprintf("it answers with the status %d", code)
}

// prometheusProblem says why there is no answer to a query. What Prometheus says about it may come from any server, and is not repeated.
func prometheusProblem(err error, status int) string {
	var refused *prometheusv1.Error
	switch {
	case !errors.As(err, &refused):
		return connectionProblem(err)
	case refused.Type == prometheusv1.ErrBadData:
		return "it rejects the query: try it on the server's own page"
	case refused.Type == prometheusv1.ErrTimeout || refused.Type == prometheusv1.ErrCanceled:
		return "the query took too long"
	case refused.Type == prometheusv1.ErrExec:
		return "it fails to execute the query: try it on the server's own page"
	case status >= http.StatusBadRequest || status < http.StatusOK:
		return statusProblem(status)
	}
	return "it does not answer as Prometheus does"
}

// unreadable says why the API server does not give objects. What it says about that may come from a webhook, or quote an object.
func unreadable(kind string, err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return kind + " cannot be listed from the API server: there is no answer"
	}
	if apierrors.IsForbidden(err) {
		return fmt.Sprintf("%s cannot be listed: the manager lacks the right to list them", kind)
	}
	return fmt.Sprintf("%s cannot be listed from the API server: %s", kind, statusProblem(int(status.Status().Code)))
}
