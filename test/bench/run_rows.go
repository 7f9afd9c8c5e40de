package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/reboot-operator/reboot-operator/test/repository"
)

// Run measures rows, one after the other, and reports its progress. What was measured is written after each row, so that a run that is
// interrupted loses one row at most. It returns an error if a row failed; the others are measured nevertheless.
func Run(ctx context.Context, rows []Row, out io.Writer) error {
	root, err := repository.Root()
	if err != nil {
		return err
	}
	results := Results{}
	if err := readJSON(root, resultsFile, &results); err != nil {
		return err
	}
	measured, err := runRows(ctx, rows, results, newProgress(rows, out), func() error {
		return errors.Join(writeJSON(root, resultsFile, results), writePage(root, results))
	})
	printTable(out, measured)
	return err
}

// runRows adds what it measures to the results, calls keep after each row, and returns what is new. It stops when ctx ends.
func runRows(ctx context.Context, rows []Row, results Results, progress *progress, keep func() error) (Results, error) {
	measured, failed := Results{}, []error(nil)
	for _, row := range rows {
		if row.From != nil { // it is made of others
			continue
		}
		result, err := row.measure(ctx, progress.begin(row))
		if err == nil {
			results[row.Name], measured[row.Name] = result, result
			results.derive()
			err = keep()
		}
		if err != nil {
			progress.say("  %s: %v", row.Name, err)
		}
		if err != nil && !errors.Is(err, ErrSkipped) {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	for _, row := range rows {
		if result, known := results[row.Name]; known && row.From != nil {
			measured[row.Name] = result
		}
	}
	return measured, errors.Join(failed...)
}

// progress reports the progress of a run.
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
