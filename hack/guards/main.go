// Command guards breaks the guards of the planner one at a time and has fleets simulated, which have to find each. It changes no file: Go
// builds the tests with an overlay. It is what "make guards" runs.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "only guards whose name has this text")
	flag.Parse()
	missed, err := run(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "guards:", err)
		os.Exit(1)
	}
	if missed > 0 {
		os.Exit(1)
	}
}

// run breaks each guard, prints what came of it, and returns how many no fleet noticed.
func run(only string) (missed int, err error) {
	dir, err := os.MkdirTemp("", "guards-")
	if err != nil {
		return 0, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if !slices.ContainsFunc(guards, func(g guard) bool { return strings.Contains(g.name, only) }) {
		return 0, fmt.Errorf("no guard has %q in its name; hack/guards/guards.go lists them", only)
	}
	for _, g := range guards {
		if !strings.Contains(g.name, only) {
			continue
		}
		overlay, err := g.overlay(dir)
		if err != nil {
			return missed, err
		}
		began := time.Now()
		found := simulate(overlay)
		fmt.Printf("%-70s %6s  %s\n", g.name, time.Since(began).Round(time.Second), found)
		if found == notFound || strings.HasPrefix(found, didNotRun) {
			missed++
		}
	}
	fmt.Printf("%d guards whose absence no fleet noticed\n", missed)
	return missed, nil
}

// broken is the source with the guard broken.
func (g *guard) broken() (path string, source []byte, err error) {
	path, err = filepath.Abs(filepath.Join("controllers", "plan", g.file))
	if err != nil {
		return "", nil, fmt.Errorf("find %s: %w", g.file, err)
	}
	source, err = os.ReadFile(path)
	if err != nil {
		return "", nil, fmt.Errorf("read the planner: %w", err)
	}
	if n := bytes.Count(source, []byte(g.old)); n != 1 {
		return "", nil, fmt.Errorf("guard %q: %q is in %s %d times instead of once", g.name, g.old, g.file, n)
	}
	return path, bytes.Replace(source, []byte(g.old), []byte(g.fresh), 1), nil
}

// overlay writes the broken source, and the file that puts it in the place of the right one.
func (g *guard) overlay(dir string) (string, error) {
	path, source, err := g.broken()
	if err != nil {
		return "", err
	}
	replacement, overlay := filepath.Join(dir, "broken.go"), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: replacement}})
	if err != nil {
		return "", fmt.Errorf("encode the overlay: %w", err)
	}
	if err := errors.Join(os.WriteFile(replacement, source, 0o600), os.WriteFile(overlay, text, 0o600)); err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	return overlay, nil
}

const (
	notFound  = "NOT FOUND"
	didNotRun = "did not run: "
)

// brokenPromise is how the simulation names the fleet and the promise.
var brokenPromise = regexp.MustCompile(`seed (\d+): (.*)`)

// simulate says which fleet noticed, and what; notFound if none did, and what the compiler says if the broken planner does not build.
func simulate(overlay string) string {
	test := exec.Command("go", "test", "-count=1", "-overlay", overlay, "-run", "TestSimulatedFleets", "./controllers/plan")
	output, err := test.CombinedOutput()
	if err == nil {
		return notFound
	}
	if match := brokenPromise.FindSubmatch(output); match != nil {
		return fmt.Sprintf("seed %s: %s", match[1], match[2])
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(output)), "FAIL")
	return didNotRun + first
}
