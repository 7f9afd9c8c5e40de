package timeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

// cells draws a row: each cell shows what matters most and, among that, what lasts longest. A bar that has ended has a mark for its result.
func (p *page) cells(row *history.Row) []look {
	cells := make([]look, p.scale.width)
	share := make([]time.Duration, p.scale.width)
	taken := make([]bool, p.scale.width)
	for i := range row.Bars {
		bar := &row.Bars[i]
		first, last := p.scale.span(bar.Start, bar.End)
		drawn := lookOf(bar)
		for c := first; c <= last; c++ {
			covered := p.covered(bar, c)
			if taken[c] && (drawn.rank < cells[c].rank || drawn.rank == cells[c].rank && covered <= share[c]) {
				continue
			}
			cells[c], share[c], taken[c] = drawn, covered, true
		}
	}
	marked := make([]int, p.scale.width)
	for i := range row.Marks {
		mark := &row.Marks[i]
		l, shown := markLooks[mark.Kind]
		if c := p.scale.cell(mark.Time); shown && p.scale.shows(mark.Time) && l.rank > marked[c] {
			cells[c], marked[c] = l, l.rank
		}
	}
	return cells
}

func lookOf(bar *history.Bar) look {
	l, known := looks[bar.Kind]
	if !known {
		l = looks[history.Unknown]
	}
	if bar.Forecast {
		l.color = app.Faint
	}
	return l
}

// covered is how much of a cell a bar covers.
func (p *page) covered(bar *history.Bar, cell int) time.Duration {
	wide := float64(p.scale.to.Sub(p.scale.from)) / float64(p.scale.width)
	start := p.scale.from.Add(time.Duration(wide * float64(cell)))
	end := p.scale.from.Add(time.Duration(wide * float64(cell+1)))
	if bar.Start.After(start) {
		start = bar.Start
	}
	if bar.End.Before(end) {
		end = bar.End
	}
	return end.Sub(start)
}

// result is what came out of the last NodeReboot of a row, and its color.
func result(row *history.Row) (app.Color, string) {
	last := lastMark(row)
	if bar := openBar(row); bar != nil {
		color := app.Faint
		switch looks[bar.Kind].rank {
		case rankTrouble:
			color = app.Bad
		case rankWork:
			color = app.Warning
		}
		return color, cmp.Or(bar.Result, looks[bar.Kind].words)
	}
	switch {
	case last == nil:
		return app.Faint, ""
	case last.Kind == history.Proved && last.Reason != "" && last.Reason != "Proved":
		return app.Good, last.Reason
	case last.Kind == history.Proved:
		return app.Good, "proved" + tookOf(row, last.Reboot)
	case last.Kind == history.Cancelled:
		return app.Faint, "cancelled"
	}
	return app.Bad, last.Reason
}

// openBar is the bar that says best what a node waits for or does now; nil if it does nothing.
func openBar(row *history.Row) *history.Bar {
	var best *history.Bar
	weight := func(bar *history.Bar) int {
		if bar.Result == v1alpha1.ReasonSameNode {
			return -1 // the other one says more
		}
		return looks[bar.Kind].rank
	}
	for i := range row.Bars {
		if bar := &row.Bars[i]; bar.Open && !bar.Forecast && (best == nil || weight(bar) >= weight(best)) {
			best = bar
		}
	}
	return best
}

// lastMark is the last mark with an outcome.
func lastMark(row *history.Row) *history.Mark {
	for i := range slices.Backward(row.Marks) {
		if _, shown := markLooks[row.Marks[i].Kind]; shown {
			return &row.Marks[i]
		}
	}
	return nil
}

// tookOf is how long the last attempt of a NodeReboot took.
func tookOf(row *history.Row, reboot string) string {
	var number int32
	var start, end time.Time
	for i := range row.Bars {
		bar := &row.Bars[i]
		if bar.Reboot != reboot || bar.Kind == history.Earlier || bar.Attempt == 0 || bar.Attempt < number {
			continue
		}
		if bar.Attempt > number {
			number, start, end = bar.Attempt, bar.Start, bar.End
		}
		if bar.End.After(end) {
			end = bar.End
		}
	}
	if number == 0 {
		return ""
	}
	return " in " + history.Span(end.Sub(start)) // bars are by their beginning
}

// byReboot splits a row: one for each of its NodeReboots, named after it, by its beginning.
func byReboot(row *history.Row) []history.Row {
	var parts []history.Row
	at := map[string]int{}
	part := func(name, uid string) *history.Row {
		i, known := at[name+"/"+uid]
		if !known {
			i = len(parts)
			at[name+"/"+uid] = i
			parts = append(parts, history.Row{Node: name})
		}
		return &parts[i]
	}
	for i := range row.Bars {
		bar := &row.Bars[i]
		of := part(bar.Reboot, bar.UID)
		of.Bars = append(of.Bars, *bar)
	}
	for i := range row.Marks {
		mark := &row.Marks[i]
		of := part(mark.Reboot, mark.UID)
		of.Marks = append(of.Marks, *mark)
	}
	return parts
}
