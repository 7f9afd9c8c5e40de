// Command helper runs on every node: it reports whether the host needs a reboot, and drains the node and reboots the host when the manager
// says so.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/helper"
)

// flags are the command line.
type flags struct {
	nodeName        string
	sentinels       []string
	method          string
	allowedMethods  []string
	command         []string
	impersonateNode bool
	pollInterval    time.Duration
	kubeconfig      string
	dryRun          bool
	healthAddress   string
}

func main() {
	f := parse()
	log := zap.New()
	klog.SetLogger(log)
	if err := run(f, log); err != nil {
		log.Error(err, "Helper ended")
		os.Exit(1)
	}
}

func parse() flags {
	var f flags
	pflag.StringVar(&f.nodeName, "node-name", os.Getenv("NODE_NAME"), "The node this helper runs on (environment: NODE_NAME).")
	pflag.StringArrayVar(&f.sentinels, "sentinel", helper.DefaultSentinelPaths(),
		"A file that exists when the host needs a reboot. Can be repeated. Mount its directory, never the file.")
	pflag.StringVar(&f.method, "reboot-method", string(v1alpha1.RebootLogind), "How to reboot: Logind, Signal or Command.")
	pflag.StringSliceVar(&f.allowedMethods, "allowed-reboot-methods", nil, "What else a policy may choose.")
	pflag.StringArrayVar(&f.command, "reboot-command", nil,
		"The program for the method Command; repeat it for each argument. It has to enter the host's namespaces itself.")
	pflag.BoolVar(&f.impersonateNode, "impersonate-node", true,
		"List and evict pods as the node (constrained impersonation, Kubernetes 1.36 and later), not with the helper's own identity.")
	pflag.DurationVar(&f.pollInterval, "poll-interval", helper.DefaultPollInterval, "How often to look at the sentinel even without a hint.")
	pflag.StringVar(&f.kubeconfig, "kubeconfig", "", "How to reach the API server from outside the cluster.")
	pflag.BoolVar(&f.dryRun, "dry-run", false, "Drain as ordered, but only log that the host would be rebooted.")
	pflag.StringVar(&f.healthAddress, "health-probe-bind-address", ":8081", "Where to serve /healthz and /readyz.")
	pflag.Parse()
	return f
}

func run(f flags, log logr.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", f.kubeconfig)
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	allowed := make([]v1alpha1.RebootMethod, 0, len(f.allowedMethods))
	for _, method := range f.allowedMethods {
		allowed = append(allowed, v1alpha1.RebootMethod(method))
	}
	host, err := helper.NewLocalHost(helper.HostOptions{
		Method:  v1alpha1.RebootMethod(f.method),
		Allowed: allowed,
		Command: f.command,
		DryRun:  f.dryRun,
		Log:     log.WithName("host"),
	})
	if err != nil {
		return err
	}
	return helper.Run(ctx, helper.Options{
		NodeName:           f.nodeName,
		Config:             config,
		ImpersonateNode:    f.impersonateNode,
		Host:               host,
		Sentinel:           helper.NewFileSentinel(ctx, f.sentinels, log.WithName("sentinel")),
		Log:                log,
		PollInterval:       f.pollInterval,
		HealthProbeAddress: f.healthAddress,
	})
}
