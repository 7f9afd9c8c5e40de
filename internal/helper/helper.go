// Package helper is what runs on every node: it reports facts about its host and carries out the orders of the manager, each at most
// once. It decides nothing.
//
// The protocol lives in the NodeReboots of the node. The manager writes status.order; the helper writes status.report, which is also the
// helper's only memory: it records an order to reboot there before it acts on it, on the very version of the object in which it saw the
// order. So a helper that is restarted at any moment neither forgets nor repeats such an order. To drain twice does no harm: an order to
// drain is not recorded, and the helper asks the API server whether it is in force before it begins. So a helper that lags behind does not
// act on an order that was withdrawn. If two helpers are alive on one node, one of them does nothing; see instance.go.
package helper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// DefaultPollInterval is how often the sentinel is checked when it gives no hint.
const DefaultPollInterval = time.Minute

// Host is everything that a helper does to, or asks of, the machine it runs on.
type Host interface {
	// BootID is the kernel's random ID of the running boot.
	BootID() (string, error)
	// BootTime is when the host booted, by its own clock.
	BootTime() (time.Time, error)
	// Methods says what is in the way of each method to reboot; the first is the installed method.
	Methods(ctx context.Context) []v1alpha1.MethodReport
	// Describe is what else is known about the machine.
	Describe(ctx context.Context) HostDescription
	// Reboot returns once the host accepted to reboot, with the path that the reboot takes. It refuses when the host does not run the boot,
	// and a method that was not installed. An error other than ErrUncertain means that the host will not reboot.
	Reboot(ctx context.Context, bootID string, order rebooter.Order) (via string, err error)
}

// HostDescription is what people should know about a host.
type HostDescription struct {
	// OS is the operating system by the name that it gives itself; empty if that is not known.
	OS string
	// Notices are what else there is to know, such as another program that would reboot the host.
	Notices []string
	// KexecLoaded says that a kernel is loaded that a reboot through kexec starts.
	KexecLoaded bool
}

// ErrUncertain is what Host.Reboot returns when the host was asked and did not answer: it may still reboot.
var ErrUncertain = rebooter.ErrUncertain

// Sentinel reports whether the host asks for a reboot.
type Sentinel interface {
	// Check returns the state and a message for people. A check that fails is SentinelUnknown, never one of the other two.
	Check(ctx context.Context) (v1alpha1.SentinelState, string)
	// Changes hints that Check may answer differently now.
	Changes() <-chan struct{}
}

// Options say which node a helper works for, and by what means.
type Options struct {
	// NodeName is the node the helper runs on.
	NodeName string
	// Config is the helper pod's own identity.
	Config *rest.Config
	// Impersonation says as whom pods are listed and evicted; empty is ImpersonateAuto.
	Impersonation Impersonation
	// PodNamespace and PodName are the helper's own pod, by which it finds out whether it may evict; empty if they are not known.
	PodNamespace, PodName string
	// EvictionRequests has the eviction responders of pods evict them, where pods name any (KEP-4563, which is alpha).
	EvictionRequests bool
	// Host is the machine.
	Host Host
	// Version of the helper, which it reports.
	Version string
	// Sentinel of the machine.
	Sentinel Sentinel
	// Log is where the helper says what it does.
	Log logr.Logger
	// PollInterval is how often the sentinel is checked when it gives no hint; 0 is DefaultPollInterval.
	PollInterval time.Duration
	// HealthProbeAddress serves /healthz and /readyz; empty serves nothing.
	HealthProbeAddress string
	// Clock is the host's clock; the real one unless set. Its time of day is only compared with the API server's, which is the reference for
	// everything.
	Clock clock.WithTicker
}

func (o *Options) complete() error {
	if o.NodeName == "" || o.Config == nil || o.Host == nil || o.Sentinel == nil {
		return errors.New("node name, config, host and sentinel are required")
	}
	if o.PollInterval < 0 {
		return fmt.Errorf("poll interval %s is negative", o.PollInterval)
	}
	if o.PollInterval == 0 {
		o.PollInterval = DefaultPollInterval
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	return nil
}

// Run works until ctx ends. Restarting it at any moment is safe.
func Run(ctx context.Context, options Options) error {
	if err := options.complete(); err != nil {
		return fmt.Errorf("helper options: %w", err)
	}
	a, err := newAgent(options)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		a.follow(ctx)
		return nil
	})
	group.Go(func() error {
		a.work(ctx)
		return nil
	})
	if options.HealthProbeAddress != "" {
		group.Go(func() error { return serveHealth(ctx, options.HealthProbeAddress, a.ready) })
	}
	return group.Wait()
}
