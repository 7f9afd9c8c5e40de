package main

import (
	"crypto/tls"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/reboot-operator/reboot-operator/internal/certificates"
	"github.com/reboot-operator/reboot-operator/internal/webhooks"
)

// metricsServiceName is the Service of the metrics in config/manager.
const metricsServiceName = "reboot-operator-metrics"

// getCertificate is tls.Config.GetCertificate.
type getCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// servesMetrics says that metrics are served by HTTPS.
func (o *options) servesMetrics() bool { return o.metricsSecure && o.metricsAddress != "0" }

// metricsService is the name in the manager's own certificate; empty if metrics are not served with it.
func (o *options) metricsService() string {
	if o.servesMetrics() && o.metricsCertDir == "" {
		return metricsServiceName
	}
	return ""
}

// metricsServer serves metrics only to those who may read them, if secure, and by HTTP/1.1 unless configured otherwise. The certificate is
// the manager's own, or that in a directory, which the watcher reads again when it changes.
func (o *options) metricsServer(own getCertificate) (metricsserver.Options, *certwatcher.CertWatcher, error) {
	server := metricsserver.Options{BindAddress: o.metricsAddress, SecureServing: o.metricsSecure}
	if !o.servesMetrics() {
		return server, nil, nil
	}
	var watcher *certwatcher.CertWatcher
	if dir := o.metricsCertDir; dir != "" {
		var err error
		watcher, err = certwatcher.New(filepath.Join(dir, corev1.TLSCertKey), filepath.Join(dir, corev1.TLSPrivateKeyKey))
		if err != nil {
			return server, nil, fmt.Errorf("read the certificate of the metrics in --metrics-cert-dir: %w", err)
		}
		own = watcher.GetCertificate
	}
	server.FilterProvider = filters.WithAuthenticationAndAuthorization
	server.TLSOpts = append(server.TLSOpts, func(config *tls.Config) {
		config.MinVersion, config.GetCertificate = tls.VersionTLS12, own
		if !o.enableHTTP2 {
			config.NextProtos = []string{"http/1.1"}
		}
	})
	return server, watcher, nil
}

// serveSecurely adds what keeps the certificates, and the webhooks.
func serveSecurely(
	mgr manager.Manager, o *options, kept *certificates.Keeper, watcher *certwatcher.CertWatcher, serverClock clock.Clock,
) error {
	if watcher != nil {
		if err := mgr.Add(watcher); err != nil {
			return fmt.Errorf("watch the certificate of the metrics: %w", err)
		}
	}
	if o.webhookAddress != "" || o.metricsService() != "" {
		if err := kept.AddToManager(mgr); err != nil {
			return err
		}
	}
	if o.webhookAddress == "" {
		return nil
	}
	return webhooks.AddToManager(mgr, webhooks.Options{BindAddress: o.webhookAddress, Certificate: kept.Get, Clock: serverClock})
}
