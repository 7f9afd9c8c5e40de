// Command demo shows the main job: a fleet of simulated nodes on a real control plane is rebooted, zone after zone. It ends with status 1
// if a promise of the operator was broken.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/term"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/reboot-operator/reboot-operator/test/demo"
)

func main() {
	options := demo.Options{Out: os.Stdout, Live: term.IsTerminal(int(os.Stdout.Fd())), Log: logr.Discard()}
	flag.IntVar(&options.Nodes, "nodes", 12, "how many nodes that are not of the control plane")
	flag.IntVar(&options.Zones, "zones", 3, "how many zones")
	flag.IntVar(&options.ControlPlane, "control-plane", 2, "how many control-plane nodes")
	flag.IntVar(&options.RebootSeconds, "reboot-seconds", 3, "how long a host is down")
	flag.StringVar(&options.PolicyFile, "policy", "", "a file with the RebootPolicy to apply instead of the demo's own")
	flag.DurationVar(&options.Timeout, "timeout", 10*time.Minute, "how long the rollout may take")
	verbose := flag.Bool("v", false, "say what the testbed does, and show no live view")
	flag.Parse()
	// What libraries log would be written over the live view.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	if *verbose {
		options.Live = false
		options.Log = zap.New(zap.WriteTo(os.Stderr), zap.UseDevMode(true))
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	broken, err := demo.Run(ctx, options)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	if err != nil || len(broken) > 0 {
		os.Exit(1)
	}
}
