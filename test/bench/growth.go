package bench

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// sample is one line of what `go test -bench` prints.
type sample struct {
	// benchmark is the first part of the name, and scenario the others without the number of nodes.
	benchmark, scenario string
	nodes               float64
	// values by unit, such as ns/op.
	values map[string]float64
}

// parseBenchmarks reads what `go test -bench` printed. One part of the name of each benchmark is its number of nodes, any other line and
// any other benchmark is skipped.
func parseBenchmarks(output io.Reader) ([]sample, error) {
	var samples []sample
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		s, ok := parseName(fields[0])
		if !ok {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("read %q: %w", lines.Text(), err)
			}
			s.values[fields[i+1]] = value
		}
		samples = append(samples, s)
	}
	return samples, lines.Err()
}

// parseName takes a name such as BenchmarkScale/5000/idle-2 apart.
func parseName(name string) (sample, bool) {
	parts := strings.Split(name, "/")
	last := len(parts) - 1
	if i := strings.LastIndex(parts[last], "-"); i >= 0 { // the number of processors
		if _, err := strconv.Atoi(parts[last][i+1:]); err == nil {
			parts[last] = parts[last][:i]
		}
	}
	s := sample{benchmark: strings.TrimPrefix(parts[0], "Benchmark"), values: map[string]float64{}}
	var scenario []string
	for _, part := range parts[1:] {
		number := strings.TrimSuffix(strings.TrimPrefix(part, "nodes="), "_nodes")
		if nodes, err := strconv.Atoi(number); err == nil && s.nodes == 0 {
			s.nodes = float64(nodes)
			continue
		}
		scenario = append(scenario, strings.ReplaceAll(part, "_", " "))
	}
	s.scenario = strings.Join(scenario, "/")
	return s, s.nodes > 0
}

// curvesOf are the values of one unit by size, one curve for each benchmark and scenario, by name.
func curvesOf(samples []sample, unit string) []Curve {
	var curves []Curve
	for _, s := range samples {
		value, known := s.values[unit]
		if !known {
			continue
		}
		name := s.benchmark
		if s.scenario != "" {
			name += " " + s.scenario
		}
		i := slices.IndexFunc(curves, func(c Curve) bool { return c.Name == name })
		if i < 0 {
			curves, i = append(curves, Curve{Name: name}), len(curves)
		}
		curves[i].add(s.nodes, value)
	}
	slices.SortFunc(curves, func(a, b Curve) int { return strings.Compare(a.Name, b.Name) })
	return curves
}

// add puts a value at its place. Of several for one size the smallest counts: noise only adds.
func (c *Curve) add(size, value float64) {
	i, found := slices.BinarySearch(c.Sizes, size)
	if found {
		c.Values[i] = min(c.Values[i], value)
		return
	}
	c.Sizes = slices.Insert(c.Sizes, i, size)
	c.Values = slices.Insert(c.Values, i, value)
}

// at is the value at a size.
func (c Curve) at(size float64) (float64, bool) {
	i, found := slices.BinarySearch(c.Sizes, size)
	if !found {
		return 0, false
	}
	return c.Values[i], true
}

// exponent is the b of the best fit of value = a * size^b to the sizes from a least one on; false for fewer than two sizes. 1 is linear.
func (c Curve) exponent(from float64) (float64, bool) {
	var n, sumX, sumY, sumXX, sumXY float64
	for i, size := range c.Sizes {
		if size < from || c.Values[i] <= 0 {
			continue
		}
		x, y := math.Log(size), math.Log(c.Values[i])
		n, sumX, sumY, sumXX, sumXY = n+1, sumX+x, sumY+y, sumXX+x*x, sumXY+x*y
	}
	if n < 2 {
		return 0, false
	}
	return (n*sumXY - sumX*sumY) / (n*sumXX - sumX*sumX), true
}
