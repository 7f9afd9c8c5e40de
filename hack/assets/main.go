// Command assets prints the folder with the control plane's programs for tests: the folder in KUBEBUILDER_ASSETS if it is set, otherwise a
// folder that it builds at its first run, for the version of Kubernetes in KUBERNETES_VERSION.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/go-logr/logr"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "assets:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("assets", flag.ContinueOnError)
	flags.SetOutput(stderr)
	kubelet := flags.Bool("kubelet", false, "Build a kubelet as well, for real nodes.")
	if err := flags.Parse(args); err != nil {
		return err
	}
	assets := testbed.Assets
	if *kubelet {
		assets = testbed.AssetsWithKubelet
	}
	dir, err := assets(ctx, logr.FromSlogHandler(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		return err
	}
	// Tests run in their own folders, where a relative path would lead somewhere else.
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	_, err = fmt.Fprintln(stdout, dir)
	return err
}
