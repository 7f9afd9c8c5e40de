package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/reboot-operator/reboot-operator/test/repository"
)

const (
	// linearFrom is the least size that growth is judged from: below it, fixed costs count.
	linearFrom = 1000
	// goalGrowth is linear, with some room for what does not fit into the processor's caches. Allocations have no such excuse.
	goalGrowth, goalGrowthAllocations = 1.25, 1.1
)

// plannerBenchmarks are run for plans by size, and plannerSlices by continuous integration: of several scenarios where there are such.
const plannerBenchmarks = "^Benchmark(Scale|Compute)$"

var plannerSlices = []string{"^BenchmarkScale$/.*/^(1000|5000)$", "^BenchmarkCompute$/^(1000|5000)$"}

// goalsCompute is how many milliseconds a plan may take, by the number of nodes.
var goalsCompute = map[float64]float64{5000: 10, 15000: 40}

// benchPlanner runs benchmarks of the planner, and returns what they came to.
func benchPlanner(ctx context.Context, pattern string, args ...string) ([]sample, error) {
	root, err := repository.Root()
	if err != nil {
		return nil, err
	}
	all := append([]string{"test", "-run=^$", "-bench=" + pattern, "-benchmem", "-timeout=30m"}, args...)
	command := exec.CommandContext(ctx, "go", append(all, "./controllers/plan")...)
	command.Dir = root
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s%s", strings.Join(command.Args[1:], " "), err, output, stderr.Bytes())
	}
	return parseBenchmarks(bytes.NewReader(output))
}

func compute(ctx context.Context, say Say) (Measured, error) {
	say("running the planner's benchmarks")
	// Garbage is collected once in dozens of plans, which a few plans would show as nothing or as far too much.
	samples, err := benchPlanner(ctx, plannerBenchmarks, "-benchtime=50x", "-count=2")
	if err != nil {
		return Measured{}, err
	}
	return computeFigures(samples)
}

// computeFigures are the worst of all scenarios, and all of them in a table.
func computeFigures(samples []sample) (Measured, error) {
	times := planTimes(samples)
	if len(times) == 0 {
		return Measured{}, errors.New("the planner's benchmarks printed nothing")
	}
	m := Measured{Curves: times}
	for _, size := range []float64{5000, 15000} {
		if value, where := worst(times, func(c Curve) (float64, bool) { return c.at(size) }); where != "" {
			f := processor(fmt.Sprintf("plan of %.0f nodes, slowest scenario (%s)", size, where), value, "ms")
			m.Figures = append(m.Figures, f.goal(goalsCompute[size]))
		}
	}
	if value, where := worst(curvesOf(samples, coldUnit), func(c Curve) (float64, bool) { return c.at(15000) }); where != "" {
		m.Figures = append(m.Figures, processor("first plan of 15000 nodes, slowest scenario ("+where+")", value, "ms"))
	}
	for _, growth := range []struct {
		what   string
		curves []Curve
		goal   float64
	}{
		{"time", times, goalGrowth}, {"allocations", curvesOf(samples, "allocs/op"), goalGrowthAllocations},
		{"bytes", curvesOf(samples, "B/op"), goalGrowthAllocations},
	} {
		value, where := worst(growth.curves, func(c Curve) (float64, bool) { return c.exponent(linearFrom) })
		if where != "" {
			name := fmt.Sprintf("exponent of %s, steepest scenario (%s)", growth.what, where)
			m.Figures = append(m.Figures, Figure{Name: name, Kind: Growth, Value: value}.goal(growth.goal))
		}
	}
	m.Details = []Detail{computeDetail(times, samples)}
	return m, nil
}

// Units of the planner's benchmarks, which measure processor time including the garbage collector: of a plan that continues from the last
// one, and of a first plan.
const cpuUnit, coldUnit = "cpu-ms", "cold-ms"

// planTimes are milliseconds of processor time, or of wall-clock time where a benchmark measures nothing else.
func planTimes(samples []sample) []Curve {
	var all []sample
	for _, s := range samples {
		value, measured := s.values[cpuUnit]
		if !measured {
			if value, measured = s.values["ns/op"]; !measured {
				continue
			}
			value /= 1e6
		}
		s.values = map[string]float64{cpuUnit: value}
		all = append(all, s)
	}
	return curvesOf(all, cpuUnit)
}

// worst is the largest of what curves have, and which has it.
func worst(curves []Curve, of func(Curve) (float64, bool)) (float64, string) {
	most, where := 0.0, ""
	for _, curve := range curves {
		if value, known := of(curve); known && (where == "" || value > most) {
			most, where = value, curve.Name
		}
	}
	return most, where
}

func computeDetail(times []Curve, samples []sample) Detail {
	d := Detail{Title: "Milliseconds for one plan, by number of nodes, and the exponents of growth", Header: []string{"scenario"}}
	var sizes Curve
	for _, curve := range times {
		for _, size := range curve.Sizes {
			sizes.add(size, 0)
		}
	}
	for _, size := range sizes.Sizes {
		d.Header = append(d.Header, strconv.FormatFloat(size, 'f', 0, 64))
	}
	d.Header = append(d.Header, "time", "allocations")
	allocations := map[string]Curve{}
	for _, curve := range curvesOf(samples, "allocs/op") {
		allocations[curve.Name] = curve
	}
	for _, curve := range times {
		row := []string{curve.Name}
		for _, size := range sizes.Sizes {
			row = append(row, optional(curve.at(size)))
		}
		d.Rows = append(d.Rows, append(row, optional(curve.exponent(linearFrom)), optional(allocations[curve.Name].exponent(linearFrom))))
	}
	return d
}

func optional(value float64, known bool) string {
	if !known {
		return ""
	}
	return number(value, Processor)
}
