package testbed

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAProcessThatEndsEarlyShowsItsLog(t *testing.T) {
	dir := t.TempDir()
	process, err := startProcess(dir, "etcd", "/bin/sh", []string{"WHY=no space left"}, "-c", "echo $WHY; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = process.waitFor(t.Context(), func(context.Context) error { return errors.New("not yet") })
	for _, want := range []string{"etcd: ended early: exit status 3", filepath.Join(dir, "etcd.log"), "no space left"} {
		checkError(t, err, want)
	}
	if err := process.kill(); err != nil {
		t.Errorf("kill a process that has ended: %v", err)
	}
}

func TestAProcessIsWaitedForAndKilled(t *testing.T) {
	process, err := startProcess(t.TempDir(), "etcd", "/bin/sleep", nil, "600")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	err = process.waitFor(t.Context(), func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = process.waitFor(ctx, func(context.Context) error { return errors.New("status 500") })
	checkError(t, err, "not ready: status 500")
	if err := process.kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-process.exited:
	default:
		t.Error("kill returned before the process was gone")
	}
}

func TestAProcessThatDoesNotExistIsAnError(t *testing.T) {
	_, err := startProcess(t.TempDir(), "etcd", "/does/not/exist", nil)
	checkError(t, err, "start etcd")
}

func TestATailHasWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("first\nsecond\nthird\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]string{100: "first\nsecond\nthird\n", 16: "second\nthird\n", 9: "third\n"} {
		if got := tail(path, size); got != want {
			t.Errorf("%d bytes: got %q, want %q", size, got, want)
		}
	}
}

func TestReadyIsStatus200(t *testing.T) {
	status := http.StatusInternalServerError
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte("[-]informer-sync failed"))
	}))
	defer server.Close()
	ready := httpReady(server.Client(), server.URL)
	checkError(t, ready(t.Context()), "informer-sync failed")
	status = http.StatusOK
	checkError(t, ready(t.Context()), "")
}

func TestCertificatesAreSignedForTheirPurpose(t *testing.T) {
	now := time.Now()
	authority, err := newAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.parsed)
	serving, err := authority.serving()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"127.0.0.1", "localhost", "10.96.0.1"} {
		if _, err := parse(t, serving).Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now}); err != nil {
			t.Errorf("the API server at %s: %v", name, err)
		}
	}
	client, err := authority.client("testbed-admin", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	certificate := parse(t, client)
	forClients := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: now}
	if _, err := certificate.Verify(forClients); err != nil {
		t.Error(err)
	}
	if _, err := parse(t, serving).Verify(forClients); err == nil {
		t.Error("the API server's certificate is good for a client")
	}
	if got, want := certificate.Subject.String(), "CN=testbed-admin,O=system:masters"; got != want {
		t.Errorf("the client is %s, want %s", got, want)
	}
}

func parse(t *testing.T, identity identity) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(identity.certificate)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
