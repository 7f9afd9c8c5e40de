package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/util/cert"

	"github.com/reboot-operator/reboot-operator/test/await"
)

// writeCertificate writes a certificate for a name into a directory, as a Secret that is mounted.
func writeCertificate(t *testing.T, directory, name string) {
	t.Helper()
	certificate, key, err := cert.GenerateSelfSignedCertKey(name, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(directory, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func selfSigned(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	directory := t.TempDir()
	writeCertificate(t, directory, name)
	served, err := tls.LoadX509KeyPair(filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	return &served
}

// servedAt is the name of the certificate that is served.
func servedAt(t *testing.T, address string) string {
	t.Helper()
	connection, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	return connection.ConnectionState().PeerCertificates[0].DNSNames[0]
}

func TestMetricsAreServedWithTheCertificateOfADirectoryAlsoWhenItIsReplaced(t *testing.T) {
	directory := t.TempDir()
	writeCertificate(t, directory, "first.example.com")
	address := serveMetrics(t, []string{"--namespace=ns", "--metrics-bind-address=127.0.0.1:0", "--metrics-cert-dir=" + directory})
	if name := servedAt(t, address); name != "first.example.com" {
		t.Errorf("the certificate of %q is served", name)
	}
	writeCertificate(t, directory, "second.example.com")
	await.True(t, "the new certificate is served", func() bool { return servedAt(t, address) == "second.example.com" })
}

func TestMetricsAreServedWithTheCertificateOfTheManagerIfNoOtherIsNamed(t *testing.T) {
	address := serveMetrics(t, []string{"--namespace=ns", "--metrics-bind-address=127.0.0.1:0"})
	if name := servedAt(t, address); name != "own.example.com" {
		t.Errorf("the certificate of %q is served", name)
	}
}

func TestTheManagersOwnCertificateHasTheNameOfTheMetricsOnlyIfItServesThem(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"secure":                   {[]string{"--metrics-bind-address=:8443"}, "reboot-operator-metrics"},
		"nowhere":                  {nil, ""},
		"to everybody":             {[]string{"--metrics-bind-address=:8443", "--metrics-secure=false"}, ""},
		"with another certificate": {[]string{"--metrics-bind-address=:8443", "--metrics-cert-dir=/x"}, ""},
	} {
		options, err := parseOptions(append(test.args, "--namespace=ns"), noEnvironment)
		if err != nil {
			t.Fatal(err)
		}
		if got := options.metricsService(); got != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestACertificateThatIsNotThereIsAnErrorAndNotReplacedInSilence(t *testing.T) {
	for name, args := range map[string][]string{
		"no such directory":   {"--metrics-bind-address=:0", "--metrics-cert-dir=" + t.TempDir() + "/missing"},
		"an empty directory":  {"--metrics-bind-address=:0", "--metrics-cert-dir=" + t.TempDir()},
		"served to everybody": {"--metrics-bind-address=:0", "--metrics-cert-dir=/x", "--metrics-secure=false"},
	} {
		options, err := parseOptions(append(args, "--namespace=ns"), noEnvironment)
		if err == nil {
			_, _, err = options.metricsServer(nil)
		}
		if err == nil || !strings.Contains(err.Error(), "--metrics-cert-dir") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSeriesOfNodesHaveABound(t *testing.T) {
	for _, number := range []string{"-1", "10001", "x"} {
		if o, err := parseOptions([]string{"--namespace=ns", "--metrics-max-nodes=" + number}, noEnvironment); err == nil {
			t.Errorf("%s: %d nodes", number, o.metricsMaxNodes)
		}
	}
}
