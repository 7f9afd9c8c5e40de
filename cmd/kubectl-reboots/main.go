// Command kubectl-reboots shows what reboot-operator does, why, and what it will do next. kubectl runs it as "kubectl reboots".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// What libraries log would be written over the live view. Errors are returned.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	a := app.New(genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr})
	code := plugin.Run(ctx, a, os.Args[1:])
	stop()
	os.Exit(code)
}
