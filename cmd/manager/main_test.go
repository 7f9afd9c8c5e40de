package main

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/reboot-operator/reboot-operator/test/await"
)

func TestTheClockOfEveryDecisionIsThatOfTheAPIServer(t *testing.T) {
	host := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", host.Add(-3*time.Hour).Format(http.TimeFormat))
	}))
	defer server.Close()
	original := &rest.Config{Host: server.URL}
	config, serverClock := onServerTime(original, clocktesting.NewFakeClock(host))
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	response, err := httpClient.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if off := serverClock.Now().Sub(host.Add(-3 * time.Hour)).Abs(); off > 2*time.Second {
		t.Errorf("it is %s, which is off by %s", serverClock.Now(), off)
	}
	if original.WrapTransport != nil {
		t.Error("the configuration of others was changed")
	}
}

func TestMetricsSpeakHTTP2OnlyIfConfigured(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"by default":   {want: "http/1.1"},
		"as asked":     {args: []string{"--enable-http2"}, want: "h2"},
		"switched off": {args: []string{"--enable-http2=false"}, want: "http/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			address := serveMetrics(t, append(test.args, "--namespace=ns", "--metrics-bind-address=127.0.0.1:0"))
			config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}
			connection, err := tls.Dial("tcp", address, config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = connection.Close() }()
			if got := connection.ConnectionState().NegotiatedProtocol; got != test.want {
				t.Errorf("the server speaks %q, want %q", got, test.want)
			}
		})
	}
}

// serveMetrics starts the server of metrics, and returns its address.
func serveMetrics(t *testing.T, args []string) string {
	t.Helper()
	options, err := parseOptions(args, noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	own := selfSigned(t, "own.example.com")
	serving, watcher, err := options.metricsServer(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own, nil })
	if err != nil {
		t.Fatal(err)
	}
	server, err := metricsserver.NewServer(serving, &rest.Config{Host: "https://127.0.0.1:1"}, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if watcher != nil {
		go func() { _ = watcher.Start(ctx) }()
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := await.Receive(t, "the end of the server", ended); err != nil {
			t.Error(err)
		}
	})
	bound := server.(interface{ GetBindAddr() string })
	await.True(t, "metrics are served", func() bool { return bound.GetBindAddr() != "" })
	return bound.GetBindAddr()
}
