// Command bench measures the operator and writes docs/performance.md. See there.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/test/bench"
)

func main() {
	names := flag.String("rows", "", "which rows to measure, separated by commas; a name may end with *; empty measures all")
	list := flag.Bool("list", false, "list the rows")
	baseline := flag.Bool("baseline", false, "measure what continuous integration compares, and write the baseline")
	page := flag.Bool("page", false, "write docs/performance.md again, from what was measured before")
	flag.Parse()
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *names, *list, *baseline, *page)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names string, list, baseline, page bool) error {
	rows, err := bench.Select(bench.Rows(), names)
	if err != nil {
		return err
	}
	switch {
	case list:
		for _, row := range rows {
			fmt.Printf("%-12s %-5s %s\n", row.Name, row.Takes, row.Title)
		}
		return nil
	case baseline:
		return bench.WriteBaseline(ctx, os.Stdout)
	case page:
		return bench.WritePage()
	}
	return bench.Run(ctx, rows, os.Stdout)
}
