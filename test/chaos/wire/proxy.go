package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
)

// Proxy is an address at which the API server is reached through a wire. What comes in is handed on with the client's own credentials.
type Proxy struct {
	*Wire

	ca       []byte
	server   *http.Server
	listener net.Listener
	ended    sync.WaitGroup
}

// StartProxy serves until Stop. Only the address and the certificate of the API server are used from config.
func StartProxy(config *rest.Config) (*Proxy, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("read the address of the API server: %w", err)
	}
	secure, err := rest.TLSConfigFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: config.CAData, CAFile: config.CAFile}})
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the API server: %w", err)
	}
	if secure == nil {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig, transport.ForceAttemptHTTP2, transport.Proxy = secure, true, nil
	p := &Proxy{Wire: New(transport)}
	if p.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	p.ca = certificate
	p.server = &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		Handler:   p.handler(target),
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	p.ended.Go(func() {
		if err := p.server.ServeTLS(p.listener, "", ""); err != nil && !errors.Is(err, http.ErrServerClosed) {
			return // every client of it sees that
		}
	})
	return p, nil
}

func (p *Proxy) handler(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(target)
			request.Out.Host = target.Host
		},
		Transport:     p.Wire,
		ErrorLog:      log.New(io.Discard, "", 0),
		FlushInterval: -1,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // as if there were no proxy: no answer is no answer
		},
	}
}

// URL is where it listens.
func (p *Proxy) URL() string { return "https://" + p.listener.Addr().String() }

// CA vouches for its certificate, in PEM.
func (p *Proxy) CA() []byte { return p.ca }

// Stop ends it, with all connections.
func (p *Proxy) Stop() error {
	err := p.server.Close()
	p.ended.Wait()
	return err
}
