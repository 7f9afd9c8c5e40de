package webhooks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// The paths of the webhooks, as config/webhook has them.
const (
	evictionsPath = "/validate-removals"
	namesPath     = "/fill-in-names"
)

// Anybody on the network can connect, so what one request takes is bounded, and how many there are at once. Decoded, a request can take
// many times its size, and all of them together have to fit into the manager's memory.
const (
	// maxEviction is how large a question about an eviction may be, in bytes. One that helpers ask for takes a few kilobytes.
	maxEviction = 256 << 10
	// maxNodeReboot is how large one about a NodeReboot may be. One of the largest size fits, before and after.
	maxNodeReboot = 4 << 20
	maxEvictions  = 8
	maxNames      = 1
	requestLimit  = 10 * time.Second
)

// newHandler serves the webhooks.
func newHandler(live client.Reader, log logr.Logger) http.Handler {
	mux := http.NewServeMux()
	logger := func(_ logr.Logger, request *admission.Request) logr.Logger {
		if request == nil {
			return log
		}
		return log.WithValues("user", request.UserInfo.Username, "namespace", request.Namespace, "name", request.Name)
	}
	handle := func(path string, atMost int, size int64, handler admission.Handler) {
		bounded := http.MaxBytesHandler(&admission.Webhook{Handler: handler, LogConstructor: logger}, size)
		mux.Handle(path, atOnce(atMost, bounded))
	}
	handle(evictionsPath, maxEvictions, maxEviction, &removals{live: live})
	handle(namesPath, maxNames, maxNodeReboot, names{})
	return mux
}

// atOnce lets no more than limit requests through; others wait for their turn.
func atOnce(limit int, next http.Handler) http.Handler {
	turns := make(chan struct{}, limit)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// server serves the webhooks on every replica.
type server struct {
	address        string
	handler        http.Handler
	getCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	clock          clock.Clock
	log            logr.Logger
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*server) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable. It returns when ctx ends: a server that fails is started again, because its end would be that of the
// manager.
func (s *server) Start(ctx context.Context) error {
	backoff := wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 6, Cap: 30 * time.Second}
	for ctx.Err() == nil {
		if err := s.serve(ctx); err != nil && ctx.Err() == nil {
			pause := backoff.Step()
			s.log.Error(err, "The webhooks are not served, trying again", "address", s.address, "pause", pause)
			select {
			case <-ctx.Done():
			case <-s.clock.After(pause):
			}
		}
	}
	return nil
}

func (s *server) serve(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: requestLimit, ReadTimeout: requestLimit, WriteTimeout: 2 * requestLimit, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 1 << 16,
		TLSConfig:      &tls.Config{GetCertificate: s.getCertificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
		ErrorLog:       newErrorLog(s.log),
	}
	shut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(shut)
		// Requests under way are answered; there is time for that before the process is killed.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestLimit/2)
		defer cancel()
		_ = server.Shutdown(ending)
	})
	defer stop()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve webhooks: %w", err)
	}
	<-shut // It returns when it no longer listens, and not when all is answered.
	return nil
}
