package admission

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/reboot-operator/reboot-operator/internal/certificates"
	"github.com/reboot-operator/reboot-operator/internal/webhooks"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// webhookAddress is where the API server looks for the manager's webhooks.
var webhookAddress string

// chooseWebhookAddress finds one that is free, for the manifests to name.
func chooseWebhookAddress() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	webhookAddress = listener.Addr().String()
	return listener.Close()
}

// startWebhooks serves the webhooks at an address with the rights of the manager, until stop is called, which returns when they are no
// longer served.
func startWebhooks(ctx context.Context, address string) (stop func() error, err error) {
	token := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: manager}}
	if err := admin.SubResource("token").Create(ctx, account, token); err != nil {
		return nil, fmt.Errorf("ask for a token of the manager: %w", err)
	}
	config := rest.AnonymousClientConfig(adminConfig)
	config.BearerToken = token.Status.Token
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: admin.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		return nil, fmt.Errorf("make a manager: %w", err)
	}
	kept := certificates.New(certificates.Options{
		Namespace: namespace, Webhooks: true, MetricsService: "reboot-operator-metrics", Clock: clock.RealClock{},
	})
	options := webhooks.Options{BindAddress: address, Certificate: kept.Get, Clock: clock.RealClock{}}
	if err := errors.Join(kept.AddToManager(mgr), webhooks.AddToManager(mgr, options)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(await.Limit):
			return errors.New("the webhooks do not end")
		}
	}, nil
}
