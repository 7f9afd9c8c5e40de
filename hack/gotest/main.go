// Command gotest runs `go test` with the arguments that it is given, prints what `go test` prints, and ends with a summary: how many tests
// passed, which failed, and which were skipped and why. `go test` itself says nothing of a test that is skipped, such as one that needs a
// program that is not installed. While nothing is printed for a minute it says what runs.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// quiet is how long nothing may be printed.
const quiet = time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Exited(): // go test has said why.
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("gotest", flag.ContinueOnError)
	file := flags.String("summary", "", "Add the summary to this `file` instead of printing it.")
	show := flags.Bool("show", false, "Run nothing; print what was added to the file.")
	makefile := flags.String("left-out", "", "With -show: print what \"make test\" does not run, as this Makefile says.")
	table := flags.String("table", "", "Run nothing; print a table of the summaries in this `folder`, of runs on versions of Kubernetes.")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *table != "" {
		return writeTable(*table, out)
	}
	if *show {
		all, err := readSummary(*file)
		if err != nil {
			return err
		}
		if err := all.write(out); err != nil || *makefile == "" {
			return err
		}
		lines, err := leftOut(*makefile)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "\nmake test does not run:\n  %s\n", strings.Join(lines, "\n  "))
		return err
	}
	result, failed := goTest(ctx, flags.Args(), out)
	if *file != "" {
		return errors.Join(failed, result.addTo(*file))
	}
	return errors.Join(failed, result.write(out))
}

// goTest runs the tests. The error is that of go test.
func goTest(ctx context.Context, args []string, out io.Writer) (*summary, error) {
	command := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	command.Stderr = os.Stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	p := newPrinter(out)
	output, err := command.StdoutPipe()
	if err != nil {
		return &p.summary, fmt.Errorf("run go test: %w", err)
	}
	if err := command.Start(); err != nil {
		return &p.summary, fmt.Errorf("run go test: %w", err)
	}
	follow(output, p)
	if err := command.Wait(); err != nil {
		return &p.summary, fmt.Errorf("go test: %w", err)
	}
	return &p.summary, p.err
}

// follow prints until go test has nothing more to say.
func follow(output io.Reader, p *printer) {
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		reader := bufio.NewReader(output)
		for {
			line, err := reader.ReadBytes('\n')
			if len(line) > 0 {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	silence := time.NewTimer(quiet)
	for {
		select {
		case line, more := <-lines:
			if !more {
				return
			}
			if p.take(line) {
				silence.Reset(quiet)
			}
		case now := <-silence.C:
			p.sayWhatRuns(now)
			silence.Reset(quiet)
		}
	}
}
