// Command assets prints the folder with the control plane's programs that tests run on: that of KUBEBUILDER_ASSETS where it is set, or else
// one that it builds at its first run.
package main

import (
	"context"
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
	err := run(ctx, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "assets:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdout, stderr io.Writer) error {
	dir, err := testbed.Assets(ctx, logr.FromSlogHandler(slog.NewTextHandler(stderr, nil)))
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
