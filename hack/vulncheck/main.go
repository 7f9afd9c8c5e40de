// Command vulncheck runs govulncheck on packages, offline but for the Go module proxy: it builds the vulnerability database from the module
// golang.org/x/vulndb into the user's cache. It fails if the packages call something that is known to be vulnerable and for which a fixed
// version exists, in a module or in Go's standard library. What has no fixed version yet is reported.
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
	return report(out, found)
}

// report tells what was found. It is an error if there is a version to update to.
func report(out *strings.Builder, found []vulnerability) error {
	var updates []string
	fixable := 0
	for _, v := range found {
		if fixes := v.fixes(); len(fixes) > 0 {
			fixable++
			updates = append(updates, fixes...)
		}
		fmt.Fprintf(out, "%s: %s\n  called in %s\n  https://pkg.go.dev/vuln/%s\n", v.ID, v.Summary, strings.Join(v.describe(), ", "), v.ID)
	}
	if unfixed := len(found) - fixable; unfixed > 0 {
		fmt.Fprintf(out, "WARNING: %s no fixed version yet.\n", count(unfixed, "known vulnerability has", "known vulnerabilities have"))
	}
	if fixable > 0 {
		slices.Sort(updates)
		which := count(fixable, "known vulnerability that is called has", "known vulnerabilities that are called have")
		return fmt.Errorf("%s a fixed version: %s", which, strings.Join(slices.Compact(updates), "; "))
	}
	if len(found) == 0 {
		fmt.Fprintln(out, "No known vulnerability is called.")
	}
	return nil
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
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

// fixes are the updates that get rid of it; none if there is no fixed version.
func (v vulnerability) fixes() []string {
	var all []string
	for module, fixed := range v.Modules {
		name, _, _ := strings.Cut(module, "@")
		switch {
		case fixed == "":
		case name == "stdlib" || name == "toolchain":
			all = append(all, "go get toolchain@go"+strings.TrimPrefix(fixed, "v"))
		default:
			all = append(all, fmt.Sprintf("update %s to %s", name, fixed))
		}
	}
	return all
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
