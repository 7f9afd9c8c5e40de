package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// writeTable prints what runs on several versions of Kubernetes gave. The folder has a file times with a line for each, with the version
// and the seconds that it took, and a summary of each that ran tests.
func writeTable(folder string, out io.Writer) error {
	times, err := os.Open(filepath.Join(folder, "times"))
	if err != nil {
		return fmt.Errorf("read how long the runs took: %w", err)
	}
	defer func() { _ = times.Close() }()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nKubernetes\tpassed\tfailed\tskipped\ttime")
	lines := bufio.NewScanner(times)
	for lines.Scan() {
		row, err := tableRow(folder, lines.Text())
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(table, row)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read how long the runs took: %w", err)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

func tableRow(folder, line string) (string, error) {
	version, seconds, _ := strings.Cut(line, " ")
	took, err := time.ParseDuration(seconds + "s")
	if err != nil {
		return "", fmt.Errorf("read how long %s took: %w", version, err)
	}
	summary, err := readSummary(filepath.Join(folder, version+".summary"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("%s\tno test ran\t\t\t%s", version, took), nil
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s\t%d\t%d\t%d\t%s", version, summary.Passed, len(summary.Failed), len(summary.Skipped), took), nil
}
