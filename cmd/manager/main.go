// Command manager decides when nodes are rebooted: it runs the controller of package controllers, on the replica that leads.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
	_ "time/tzdata" // the image has no time zones but these

	"github.com/go-logr/logr"
	_ "golang.org/x/crypto/x509roots/fallback" // nor roots of certificate authorities
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers"
	"github.com/reboot-operator/reboot-operator/internal/certificates"
	"github.com/reboot-operator/reboot-operator/internal/election"
	"github.com/reboot-operator/reboot-operator/internal/logging"
	"github.com/reboot-operator/reboot-operator/internal/notifier"
	"github.com/reboot-operator/reboot-operator/internal/serverclock"
	"github.com/reboot-operator/reboot-operator/internal/version"
)

// leaderElectionID names the lease of the leader.
const leaderElectionID = "reboot-operator"

func main() {
	switch err := run(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	options, err := parseOptions(args, os.Getenv)
	if err != nil {
		return err
	}
	if options.version {
		fmt.Println(version.Describe("manager"))
		return nil
	}
	signaled := ctrl.SetupSignalHandler()
	ctx, end := context.WithCancelCause(signaled)
	defer end(nil)
	log := logr.FromSlogHandler(logging.QuietAfter(ctx, options.log.Handler(os.Stderr)))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	notifier.Confine(options.notifyAllowedCIDRs)
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	if err := besideConfined(config); err != nil {
		return err
	}
	mgr, err := newManager(config, options, func() { end(errHandedOver) })
	if err != nil {
		return err
	}
	err = mgr.Start(ctx)
	if errors.Is(context.Cause(ctx), errHandedOver) && signaled.Err() == nil {
		if err != nil { // Mostly, something outlived its time to end; it ends with this run.
			mgr.GetLogger().Error(err, "The manager ended with an error after it handed the lead over")
		}
		return startAgain(args)
	}
	if err != nil {
		return fmt.Errorf("run the manager: %w", err)
	}
	return nil
}

// besideConfined has the API server reached by a transport of its own where it would be http.DefaultTransport, which is confined: by plain
// HTTP, as through kubectl proxy, and where its certificate is verified by the well-known authorities. Otherwise clients share connections,
// which those with a dialer do not.
func besideConfined(config *rest.Config) error {
	secured, err := rest.TLSConfigFor(config)
	if err != nil {
		return fmt.Errorf("find the certificates of the cluster: %w", err)
	}
	if secured == nil && config.Dial == nil {
		config.Dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return nil
}

// errHandedOver is why a manager ends that hands the lead over.
var errHandedOver = errors.New("the lead is handed over")

// startAgain puts a new run of the program in the place of this one, as a standby. A manager that has led cannot continue as one, and the
// kubelet would take a moment to start the container again. Until then there would be one manager less.
func startAgain(args []string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	if err := syscall.Exec(program, append([]string{os.Args[0]}, args...), os.Environ()); err != nil {
		return fmt.Errorf("start the program again: %w", err)
	}
	return nil
}

// onServerTime returns a configuration, and a clock that learns the time of the API server from the responses to requests made with it.
// Every decision is made by that clock, so it does not matter on which machine the manager that leads runs.
func onServerTime(config *rest.Config, local clock.WithTicker) (*rest.Config, *serverclock.Clock) {
	serverClock := serverclock.New(local, nil)
	config = rest.CopyConfig(config)
	config.Wrap(serverClock.WrapTransport)
	return config, serverClock
}

// newManager returns a manager that calls end when it hands the lead over.
func newManager(config *rest.Config, options *options, end func()) (manager.Manager, error) {
	config, serverClock := onServerTime(config, clock.RealClock{})
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("build the scheme: %w", err)
	}
	lock, err := election.New(config, election.Options{
		Namespace: options.namespace, Name: leaderElectionID, PodName: options.podName, PodUID: options.podUID,
	})
	if err != nil {
		return nil, err
	}
	kept := certificates.New(certificates.Options{
		Namespace: options.namespace, Webhooks: options.webhookAddress != "", MetricsService: options.metricsService(), Clock: serverClock,
	})
	metrics, watcher, err := options.metricsServer(kept.Get)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, manager.Options{
		Scheme:                              scheme,
		Cache:                               controllers.CacheOptions(options.namespace, options.leaseNamespaces...),
		Client:                              controllers.ClientOptions(),
		Metrics:                             metrics,
		HealthProbeBindAddress:              options.probeAddress,
		LeaderElection:                      options.leaderElect,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       ptr.To(election.LeaseDuration),
		RenewDeadline:                       ptr.To(election.RenewDeadline),
		RetryPeriod:                         ptr.To(election.RetryPeriod),
	})
	if err != nil {
		return nil, fmt.Errorf("make the manager: %w", err)
	}
	if err := addProbes(mgr, lock, options.leaderElect); err != nil {
		return nil, err
	}
	if options.leaderElect {
		if err := collectLessUntil(lock.WhenAsked(), mgr); err != nil {
			return nil, err
		}
	}
	if err := serveSecurely(mgr, options, kept, watcher, serverClock); err != nil {
		return nil, err
	}
	return mgr, controllers.SetupWithManager(mgr, controllers.Options{
		Namespace:             options.namespace,
		NodeName:              options.nodeName,
		Clock:                 serverClock,
		ClusterMaxUnavailable: options.maxUnavailable,
		QuorumLabels:          options.quorumLabels,
		GateAllowedCIDRs:      options.gateAllowedCIDRs,
		NotifyAllowedCIDRs:    options.notifyAllowedCIDRs,
		MaxNodeSeries:         options.metricsMaxNodes,
		PublishMaintenance:    options.publishNodeConditions,
		HandOver:              handOver(lock, options.leaderElect, end),

		MaintenanceLeaseNamespaces: options.leaseNamespaces,
	})
}

// handOver ends a manager that may hand the lead over. The lease is released when its controllers have ended.
func handOver(lock *election.Lock, elects bool, end func()) func() bool {
	return func() bool {
		if !elects || !lock.MayHandOver() {
			return false
		}
		end()
		return true
	}
}

// addProbes adds the probes for the kubelet. A manager is ready when it could lead, so that the leader is not evicted before that: it asks
// for the lease when its caches are filled.
func addProbes(mgr manager.Manager, lock *election.Lock, elects bool) error {
	ready := healthz.Ping
	if elects {
		ready = func(*http.Request) error {
			if !lock.Asked() {
				return errors.New("the caches are not filled yet")
			}
			return nil
		}
		if err := election.AddHandover(mgr, lock); err != nil {
			return fmt.Errorf("add the handover of the lead: %w", err)
		}
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("candidate", ready)); err != nil {
		return fmt.Errorf("add the probes: %w", err)
	}
	return nil
}
