package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Run measures rows, one after the other, and says how far it is. What was measured is written after each row, so that a run that is
// broken off loses one row at most. It returns an error if a row failed; the others are measured nevertheless.
func Run(ctx context.Context, rows []Row, out io.Writer) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	results := Results{}
	if err := readJSON(root, resultsFile, &results); err != nil {
		return err
	}
	var left time.Duration
	for _, row := range rows {
		left += row.Takes
	}
	began := time.Now()
	say := func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, "%6.0fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	measured := Results{}
	var failed []error
	for i, row := range rows {
		if row.From != nil {
			continue
		}
		say("row %d of %d, %s: %s (about %s left)", i+1, len(rows), row.Name, row.Title, left.Round(time.Minute))
		left -= row.Takes
		result, err := row.measure(ctx, func(format string, args ...any) { say("  "+format, args...) })
		if errors.Is(err, ErrSkipped) {
			say("  skipped: %v", err)
			continue
		}
		if err != nil {
			say("  failed: %v", err)
			failed = append(failed, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		results[row.Name], measured[row.Name] = result, result
		results.derive()
		if err := errors.Join(writeJSON(root, resultsFile, results), writePage(root, results)); err != nil {
			return err
		}
	}
	for _, row := range rows {
		if result, found := results[row.Name]; found && row.From != nil {
			measured[row.Name] = result
		}
	}
	printTable(out, measured)
	return errors.Join(failed...)
}
