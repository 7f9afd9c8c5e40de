// Command helper runs on every node: it reports whether the host needs a reboot, and drains the node and has the rebooter reboot the host
// when the manager says so. All it knows and does of the host goes through the rebooter.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/internal/helper"
	"github.com/reboot-operator/reboot-operator/internal/logging"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/internal/version"
)

// flags are the command line.
type flags struct {
	nodeName      string
	rebooter      string
	impersonation helper.Impersonation
	podNamespace  string
	podName       string
	requests      bool
	pollInterval  time.Duration
	kubeconfig    string
	version       bool
	healthAddress string
	log           logging.Options
}

func main() {
	f, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if f.version {
		fmt.Println(version.Describe("helper"))
		return
	}
	if err := start(f); err != nil {
		os.Exit(1)
	}
}

// start runs the helper until a signal ends it, and logs why if it ends by itself.
func start(f flags) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := logr.FromSlogHandler(logging.QuietAfter(ctx, f.log.Handler(os.Stderr)))
	klog.SetLogger(log)
	err := run(ctx, f, log)
	if err != nil {
		log.Error(err, "Helper ended")
	}
	return err
}

func parse(args []string) (flags, error) {
	var f flags
	set := pflag.NewFlagSet("helper", pflag.ContinueOnError)
	set.StringVar(&f.nodeName, "node-name", os.Getenv("NODE_NAME"), "The node this helper runs on (environment: NODE_NAME).")
	set.StringVar(&f.rebooter, "rebooter-socket", rebooter.DefaultSocket, "The socket on which the rebooter listens.")
	impersonate := set.String("impersonate-node", string(helper.ImpersonateAuto),
		"Whether to list and evict pods as the node (constrained impersonation, Kubernetes 1.36 and later): Always, Never, or Auto, which acts "+
			"as the node if the API server lets the helper, and otherwise with its own identity.")
	set.StringVar(&f.podNamespace, "pod-namespace", os.Getenv("POD_NAMESPACE"),
		"The namespace of the helper's pod (environment: POD_NAMESPACE).")
	set.StringVar(&f.podName, "pod-name", os.Getenv("POD_NAME"),
		"The helper's own pod, by which it finds out whether it may evict (environment: POD_NAME).")
	set.BoolVar(&f.requests, "eviction-requests", false,
		"Have the eviction responders of a pod evict it, if it names any and the API server serves EvictionRequests "+
			"(alpha in Kubernetes 1.37).")
	set.DurationVar(&f.pollInterval, "poll-interval", helper.DefaultPollInterval,
		"How often to compare with the rebooter's last report, even without a hint.")
	set.StringVar(&f.kubeconfig, "kubeconfig", "", "The kubeconfig for running outside the cluster.")
	set.StringVar(&f.healthAddress, "health-probe-bind-address", ":8081", "The address on which to serve /healthz and /readyz.")
	f.log.AddFlags(set.Func)
	set.BoolVar(&f.version, "version", false, "Print the version and exit.")
	if err := set.Parse(args); err != nil {
		return flags{}, err
	}
	var err error
	if f.impersonation, err = helper.ParseImpersonation(*impersonate); err != nil {
		return flags{}, fmt.Errorf("--impersonate-node: %w", err)
	}
	if set.NArg() > 0 {
		return flags{}, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	return f, nil
}

func run(ctx context.Context, f flags, log logr.Logger) error {
	config, err := clientcmd.BuildConfigFromFlags("", f.kubeconfig)
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	host := helper.NewLocalHost(ctx, f.rebooter, "/", clock.RealClock{}, log.WithName("host"))
	return helper.Run(ctx, helper.Options{
		NodeName:           f.nodeName,
		Config:             config,
		Impersonation:      f.impersonation,
		PodNamespace:       f.podNamespace,
		PodName:            f.podName,
		EvictionRequests:   f.requests,
		Host:               host,
		Sentinel:           host,
		Log:                log,
		Version:            version.Get(),
		PollInterval:       f.pollInterval,
		HealthProbeAddress: f.healthAddress,
	})
}
