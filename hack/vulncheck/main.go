// Command vulncheck runs govulncheck on packages, offline but for the Go module proxy: it builds the vulnerability database from the module
// golang.org/x/vulndb into the user's cache. It fails if the packages call something in a module that is known to be vulnerable. What is in
// Go's standard library depends on who builds, so it is reported, and an error only with -strict.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// tools is the go.mod file that pins the tools, and the oldest database that is good enough.
const tools = "-modfile=hack/tools/security/go.mod"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var said strings.Builder
	err := run(ctx, os.Args[1:], &said)
	stop()
	if _, failed := os.Stdout.WriteString(said.String()); failed != nil || err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out *strings.Builder) error {
	flags := flag.NewFlagSet("vulncheck", flag.ContinueOnError)
	strict := flags.Bool("strict", false, "Vulnerabilities of Go's standard library are errors as well.")
	tags := flags.String("tags", "", "Build tags of the programs.")
	if err := flags.Parse(args); err != nil {
		return err
	}
	database, err := findDatabase(ctx, out)
	if err != nil {
		return err
	}
	command := append([]string{"govulncheck", "-format=json", "-db=file://" + database, "-tags=" + *tags}, flags.Args()...)
	output, err := goTool(ctx, command...)
	if err != nil {
		return err
	}
	found, err := parse(strings.NewReader(string(output)))
	if err != nil {
		return err
	}
	return report(out, found, *strict)
}

// report tells what was found and whether that is an error.
func report(out *strings.Builder, found []vulnerability, strict bool) error {
	inModules := 0
	for _, v := range found {
		if v.inModules() {
			inModules++
		}
		fmt.Fprintf(out, "%s: %s\n  called in %s\n  https://pkg.go.dev/vuln/%s\n", v.ID, v.Summary, strings.Join(v.describe(), ", "), v.ID)
	}
	inGo := len(found) - inModules
	switch {
	case inModules > 0:
		return fmt.Errorf("%d known vulnerabilities in modules that are called; update them in go.mod", inModules)
	case inGo > 0 && strict:
		return fmt.Errorf("%d known vulnerabilities in the standard library that are called; build with a newer Go", inGo)
	case inGo > 0:
		fmt.Fprintf(out, "WARNING: %d known vulnerabilities in the standard library are called. Build images with a newer Go.\n", inGo)
	}
	fmt.Fprintln(out, "No known vulnerability in a module is called.")
	return nil
}

// goTool runs a tool of hack/tools/security and returns what it prints.
func goTool(ctx context.Context, args ...string) ([]byte, error) {
	return goCommand(ctx, append([]string{"tool", tools}, args...)...)
}

func goCommand(ctx context.Context, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", args...)
	output, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("go %s: %w: %s%s", strings.Join(args, " "), err, output, exit.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return output, nil
}

// vulnerability is one that the packages call, with the modules that it is in.
type vulnerability struct {
	ID, Summary string
	// Modules as module@version, with the version that is fixed or "" if none is.
	Modules map[string]string
}

// inModules tells whether it is in anything but the standard library.
func (v vulnerability) inModules() bool {
	for module := range v.Modules {
		if !strings.HasPrefix(module, "stdlib@") {
			return true
		}
	}
	return false
}

func (v vulnerability) describe() []string {
	var all []string
	for module, fixed := range v.Modules {
		if fixed == "" {
			all = append(all, module+" (not fixed yet)")
			continue
		}
		all = append(all, fmt.Sprintf("%s (fixed in %s)", module, fixed))
	}
	slices.Sort(all)
	return all
}
