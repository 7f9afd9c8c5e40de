// Command cluster starts a control plane on this machine with simulated nodes and the operator, prints how to reach it, and keeps it until
// it is stopped. It is what "make cluster" runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// settings are what the command line says.
type settings struct {
	nodes         int
	zones         int
	controlPlane  int
	rebootSeconds float64
	dir           string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	settings, err := parse(args, stderr)
	if err != nil {
		return err
	}
	log := logr.FromSlogHandler(slog.NewTextHandler(stderr, nil))
	ctrllog.SetLogger(log)
	cluster, err := testbed.Start(ctx, testbed.Options{Log: log, WorkDir: settings.dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	if err := addNodes(ctx, cluster, settings); err != nil {
		return err
	}
	if err := cluster.Install(ctx); err != nil {
		return err
	}
	manager, err := cluster.StartManager(ctx, testbed.ManagerOptions{})
	if err != nil {
		return err
	}
	if err := cluster.CreateApp(ctx, shop); err != nil {
		return err
	}
	programs, err := cluster.Programs(ctx)
	if err != nil {
		return err
	}
	guide := guide{
		kubeconfig: cluster.Kubeconfig(), programs: programs, node: cluster.Hosts()[0].Name(),
		logs: cluster.WorkDir(), managerLog: manager.LogPath(),
	}
	if _, err := io.WriteString(stdout, guide.text()); err != nil {
		return fmt.Errorf("print how to use the cluster: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-manager.Exited():
		return fmt.Errorf("the manager ended by itself; its log is %s", manager.LogPath())
	}
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.nodes, "nodes", 12, "number of nodes besides the control plane's")
	flags.IntVar(&s.zones, "zones", 3, "number of zones that the nodes are spread over")
	flags.IntVar(&s.controlPlane, "control-plane", 2, "number of control-plane nodes")
	flags.Float64Var(&s.rebootSeconds, "reboot-seconds", 10, "time that a reboot of a node takes, in seconds")
	flags.StringVar(&s.dir, "dir", "", "folder for logs and kubeconfigs, kept in the end (default: a temporary one)")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return s, s.validate()
}

func (s settings) validate() error {
	switch {
	case s.nodes < 0 || s.controlPlane < 0 || s.nodes+s.controlPlane == 0:
		return fmt.Errorf("-nodes=%d -control-plane=%d: there has to be at least one node", s.nodes, s.controlPlane)
	case s.zones < 1 || s.zones > testbed.MaxZones:
		return fmt.Errorf("-zones=%d: write a number from 1 to %d", s.zones, testbed.MaxZones)
	case s.rebootSeconds <= 0:
		return fmt.Errorf("-reboot-seconds=%g: write a time above 0", s.rebootSeconds)
	}
	return nil
}

// addNodes adds all nodes at the same time.
func addNodes(ctx context.Context, cluster *testbed.Cluster, s settings) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range testbed.Fleet(s.nodes, s.zones, s.controlPlane) {
		node.RebootDuration = time.Duration(s.rebootSeconds * float64(time.Second))
		group.Go(func() error {
			_, err := cluster.AddNode(ctx, node)
			return err
		})
	}
	return group.Wait()
}
