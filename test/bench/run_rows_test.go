package bench

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestARowThatFailsDoesNotEndARunAndAnInterruptDoes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("noise is measured on Linux")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	broken := errors.New("broken")
	row := func(name string, err error, then func()) Row {
		return Row{Name: name, Title: name, Run: func(context.Context, Say) (Measured, error) {
			then()
			return Measured{Figures: []Figure{count("c", 1)}}, err
		}}
	}
	nothing := func() {}
	rows := []Row{
		row("fails", broken, nothing), row("unknown", ErrSkipped, nothing), row("works", nil, nothing), row("interrupted", broken, cancel),
		row("late", nil, nothing),
	}
	results, kept := Results{"old": {Title: "old"}}, 0
	measured, err := runRows(ctx, rows, results, newProgress(rows, io.Discard), func() error {
		kept++
		return nil
	})
	if !errors.Is(err, broken) || errors.Is(err, ErrSkipped) {
		t.Errorf("the error is %v, want that of the rows that failed", err)
	}
	if len(measured) != 1 || measured["works"].Title != "works" || kept != 1 {
		t.Errorf("measured %v, kept %d times; want one row that works", measured, kept)
	}
	var names []string
	for name := range results {
		names = append(names, name)
	}
	if diff := cmp.Diff(2, len(names)); diff != "" {
		t.Errorf("results of %v: %s", names, diff)
	}
}
