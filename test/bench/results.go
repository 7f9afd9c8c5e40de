package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ErrSkipped is what a row returns that cannot be measured with this version.
var ErrSkipped = errors.New("this version cannot measure it")

// Result is what a row came to when it was measured last.
type Result struct {
	Measured
	Title  string `json:"title"`
	Scaled string `json:"scaled,omitempty"`
	// Date is the day, Commit the version that was measured, with a + if files were changed.
	Date    string `json:"date"`
	Commit  string `json:"commit"`
	Machine string `json:"machine"`
	// Seconds is how long the row took.
	Seconds float64 `json:"seconds"`
	Noise   Noise   `json:"noise"`
}

// Results are the last result of each row, by its name.
type Results map[string]Result

// Files of the bench, below the root of the module.
const (
	resultsFile  = "test/bench/results.json"
	baselineFile = "test/bench/baseline.json"
	pageFile     = "docs/performance.md"
	plotFile     = "docs/performance.svg"
)

// measure runs one row with a meter around it.
func (r Row) measure(ctx context.Context, say Say) (Result, error) {
	meter, err := startMeter()
	if err != nil {
		return Result{}, err
	}
	began := time.Now()
	measured, err := r.Run(ctx, say)
	if err != nil {
		return Result{}, fmt.Errorf("row %s: %w", r.Name, err)
	}
	result := Result{
		Measured: measured, Title: r.Title, Scaled: r.Scaled, Seconds: time.Since(began).Round(time.Second).Seconds(),
		Date: time.Now().UTC().Format(time.DateOnly), Commit: commit(ctx), Machine: machine(),
	}
	result.Noise, err = meter.stop()
	return result, err
}

// commit is the version that is measured, with a + if files were changed since. What the bench itself writes does not count.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=9", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--", ":/",
		":(top,exclude)"+resultsFile, ":(top,exclude)"+pageFile, ":(top,exclude)"+plotFile).Output()
	if err != nil || len(changed) > 0 {
		return name + "+"
	}
	return name
}

func machine() string {
	return fmt.Sprintf("%d processors (%s/%s), %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// readJSON reads a file below the root of the module; one that is not there leaves the value as it is.
func readJSON(root, file string, into any) error {
	content, err := os.ReadFile(filepath.Join(root, file))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

func writeJSON(root, file string, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return writeFile(root, file, text.Bytes())
}

func writeFile(root, file string, content []byte) error {
	if err := os.WriteFile(filepath.Join(root, file), content, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
