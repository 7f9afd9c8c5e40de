package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Kind is what a figure is about. Figures are shown in the order of their kinds.
type Kind string

// Kinds of figures.
const (
	// Ratio compares two times of one run, so that it hardly depends on the machine.
	Ratio Kind = "Ratio"
	// Count counts what happened.
	Count Kind = "Count"
	// Growth is the exponent with which something grows with the size of the cluster.
	Growth Kind = "Growth"
	// Latency depends on the machine and on what else it does.
	Latency Kind = "Latency"
	// Processor is processor time, which depends on the machine.
	Processor Kind = "Processor"
	// Memory hardly depends on the machine.
	Memory Kind = "Memory"
)

// isTime reports whether a figure of this kind is made of times, which noise changes.
func (k Kind) isTime() bool { return k == Ratio || k == Growth || k == Latency || k == Processor }

var kinds = []Kind{Ratio, Count, Growth, Latency, Processor, Memory}

// Figure is one number that was measured.
type Figure struct {
	// Name says what it is, and is unique in its row.
	Name  string  `json:"name"`
	Kind  Kind    `json:"kind"`
	Value float64 `json:"value"`
	// Unit is empty for a plain number.
	Unit string `json:"unit,omitempty"`
	// Goal is how much it should be at most; nil where there is no goal.
	Goal *float64 `json:"goal,omitempty"`
}

// goal returns the figure with a goal.
func (f Figure) goal(most float64) Figure {
	f.Goal = &most
	return f
}

func ratio(name string, value float64) Figure { return Figure{Name: name, Kind: Ratio, Value: value} }

func count(name string, value float64) Figure { return Figure{Name: name, Kind: Count, Value: value} }

func latency(name string, value time.Duration) Figure {
	return Figure{Name: name, Kind: Latency, Value: value.Seconds(), Unit: "s"}
}

// seconds is a time that is part of the method and not a latency.
func seconds(name string, value time.Duration) Figure { return latency(name, value) }

func processor(name string, value float64, unit string) Figure {
	return Figure{Name: name, Kind: Processor, Value: value, Unit: unit}
}

// memory is given in bytes.
func memory(name string, bytes float64) Figure {
	return Figure{Name: name, Kind: Memory, Value: bytes / (1 << 20), Unit: "MiB"}
}

// met reports whether the goal is reached, or that there is none.
func (f Figure) met() bool { return f.Goal == nil || f.Value <= *f.Goal }

// text is the value with its unit, with three digits that matter.
func (f Figure) text() string { return number(f.Value, f.Kind) + unit(f.Unit) }

func (f Figure) goalText() string {
	if f.Goal == nil {
		return ""
	}
	return "≤ " + strconv.FormatFloat(*f.Goal, 'f', -1, 64) + unit(f.Unit)
}

func unit(name string) string {
	if name == "" || name == "%" {
		return name
	}
	return " " + name
}

func number(value float64, kind Kind) string {
	digits := 1
	switch size := math.Abs(value); {
	case kind == Ratio || kind == Growth:
		digits = 2
	case value == math.Trunc(value) || size >= 100:
		digits = 0
	case size < 0.1:
		digits = 3
	case size < 10:
		digits = 2
	}
	return strconv.FormatFloat(value, 'f', digits, 64)
}

// Detail is a table of what a figure is made of.
type Detail struct {
	Title  string     `json:"title"`
	Header []string   `json:"header"`
	Rows   [][]string `json:"rows"`
}

// Measured is what a row came to.
type Measured struct {
	Figures []Figure `json:"figures"`
	Details []Detail `json:"details,omitempty"`
	// Curves are what is drawn.
	Curves []Curve `json:"curves,omitempty"`
}

// Curve is something by the size of the cluster.
type Curve struct {
	Name string `json:"name"`
	// Sizes are numbers of nodes, ascending; Values belong to them.
	Sizes  []float64 `json:"sizes"`
	Values []float64 `json:"values"`
}

func (m Measured) figure(name string) (Figure, bool) {
	i := slices.IndexFunc(m.Figures, func(f Figure) bool { return f.Name == name })
	if i < 0 {
		return Figure{}, false
	}
	return m.Figures[i], true
}

// Say reports the progress of a row.
type Say func(format string, args ...any)

// Row is a part of the table that can be run by itself.
type Row struct {
	// Name selects it: make bench BENCH=name.
	Name  string
	Title string
	// Scaled says what was made faster or smaller than in the world, and by how much.
	Scaled string
	// Takes is about how long it takes on a quiet machine.
	Takes time.Duration
	Run   func(context.Context, Say) (Measured, error)
	// From makes the row of the results of others instead, so that it costs nothing; false while there are too few of them.
	From func(Results) (Result, bool)
}

// percentile is the smallest value that so much of all values is not above; 0 without values.
func percentile(values []time.Duration, percent float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	index := int(math.Ceil(percent/100*float64(len(sorted)))) - 1
	return sorted[min(max(index, 0), len(sorted)-1)]
}

// latencies are the median and the 99th percentile.
func latencies(name string, values []time.Duration, most time.Duration) []Figure {
	if len(values) == 0 {
		return nil
	}
	return []Figure{
		latency(name+" p50", percentile(values, 50)),
		latency(fmt.Sprintf("%s p99 of %d", name, len(values)), percentile(values, 99)).goal(most.Seconds()),
	}
}
