package webhooks

import (
	"crypto/tls"
	"fmt"
	stdlog "log"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Options for AddToManager.
type Options struct {
	// BindAddress is where the webhooks are served, such as :10250.
	BindAddress string
	// Certificate is what they are served with, as tls.Config.GetCertificate.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Clock of the pauses before a server that failed is started again.
	Clock clock.Clock
}

// AddToManager serves the webhooks from every replica.
func AddToManager(mgr manager.Manager, options Options) error {
	log := mgr.GetLogger().WithName("webhooks")
	served := &server{
		address:        options.BindAddress,
		handler:        newHandler(mgr.GetAPIReader(), log),
		getCertificate: options.Certificate,
		clock:          options.Clock,
		log:            log,
	}
	if err := mgr.Add(served); err != nil {
		return fmt.Errorf("add the webhooks: %w", err)
	}
	return nil
}

// newErrorLog is where an HTTP server logs complaints about clients, which no one has to read.
func newErrorLog(log logr.Logger) *stdlog.Logger {
	return stdlog.New(writer(func(line string) { log.V(1).Info("Connection failed", "reason", line) }), "", 0)
}

// writer is an io.Writer of lines.
type writer func(line string)

// Write implements io.Writer.
func (w writer) Write(line []byte) (int, error) {
	w(string(line))
	return len(line), nil
}
