package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// summary of one or more runs. Tests that have tests below them do not count: those do.
type summary struct {
	Passed          int
	Failed, Skipped []string
}

// write prints it.
func (s *summary) write(out io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%d tests passed, %d failed, %d were skipped.\n", s.Passed, len(s.Failed), len(s.Skipped))
	for _, name := range slices.Sorted(slices.Values(s.Failed)) {
		fmt.Fprintf(&text, "failed: %s\n", name)
	}
	for _, name := range slices.Sorted(slices.Values(s.Skipped)) {
		fmt.Fprintf(&text, "skipped: %s\n", name)
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print the summary: %w", err)
	}
	return nil
}

// addTo appends it to a file, from which readSummary reads the sum of all.
func (s *summary) addTo(file string) error {
	line, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

func readSummary(file string) (*summary, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the summary: %w", err)
	}
	defer func() { _ = f.Close() }()
	all := &summary{}
	for decoder := json.NewDecoder(f); ; {
		var one summary
		switch err := decoder.Decode(&one); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("read the summary %s: %w", file, err)
		}
		all.Passed += one.Passed
		all.Failed = append(all.Failed, one.Failed...)
		all.Skipped = append(all.Skipped, one.Skipped...)
	}
}
