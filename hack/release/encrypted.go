package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// encrypted refuses plain HTTP to other machines. go-containerregistry tries it next to HTTPS where the address is private, such as
// 10.0.0.1 or registry.local, and would send credentials that everyone on the way can read.
type encrypted struct{ inner http.RoundTripper }

func (e encrypted) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme != "https" && !loopback(request.URL.Hostname()) {
		return nil, fmt.Errorf("%s is reached by HTTPS only; INSECURE=1 allows HTTP in a network that you trust", request.URL.Host)
	}
	return e.inner.RoundTrip(request)
}

// loopback says whether a host is this machine.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address := net.ParseIP(host)
	return address != nil && address.IsLoopback()
}
