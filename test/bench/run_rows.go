package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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
	measured, failed := Results{}, []error(nil)
	for _, name := range results.derive() {
		if slices.Contains(rowNames(rows), name) {
			measured[name] = results[name]
		}
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(row Row) bool { return row.From != nil }) // they are made of the others
	progress := newProgress(rows, out)
	for _, row := range rows {
		result, err := row.measure(ctx, progress.begin(row))
		switch {
		case errors.Is(err, ErrSkipped):
			progress.say("  skipped: %v", err)
			continue
		case err != nil:
			progress.say("  failed: %v", err)
			failed = append(failed, err)
			continue
		}
		results[row.Name], measured[row.Name] = result, result
		for _, name := range results.derive() {
			measured[name] = results[name]
		}
		if err := errors.Join(writeJSON(root, resultsFile, results), writePage(root, results)); err != nil {
			return err
		}
	}
	printTable(out, measured)
	return errors.Join(failed...)
}

// progress says how far a run is.
type progress struct {
	out   io.Writer
	began time.Time
	rows  int
	row   int
	left  time.Duration
}

func newProgress(rows []Row, out io.Writer) *progress {
	p := &progress{out: out, began: time.Now(), rows: len(rows)}
	for _, row := range rows {
		p.left += row.Takes
	}
	return p
}

func (p *progress) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, "%6.0fs  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

// begin returns what the row says its progress with.
func (p *progress) begin(row Row) Say {
	p.row++
	p.say("row %d of %d, %s: %s (about %s left)", p.row, p.rows, row.Name, row.Title, p.left.Round(time.Minute))
	p.left -= row.Takes
	return func(format string, args ...any) { p.say("  "+format, args...) }
}
