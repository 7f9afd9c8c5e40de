package main

import (
	"testing"

	"k8s.io/client-go/rest"
)

func TestOnlyAnAPIServerThatIsReachedByTheDefaultTransportHasADialerOfItsOwn(t *testing.T) {
	for name, is := range map[string]struct {
		config rest.Config
		want   bool
	}{
		"plain HTTP":             {rest.Config{Host: "http://127.0.0.1:8001"}, true},
		"well-known authorities": {rest.Config{Host: "https://api.example.com", BearerToken: "t"}, true},
		"in a cluster": {rest.Config{
			Host: "https://10.0.0.1", BearerToken: "t", TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := besideConfined(&is.config); err != nil {
				t.Fatal(err)
			}
			if got := is.config.Dial != nil; got != is.want {
				t.Errorf("a dialer of its own: %t, want %t", got, is.want)
			}
		})
	}
}
