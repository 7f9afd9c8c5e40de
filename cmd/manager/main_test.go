package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
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
