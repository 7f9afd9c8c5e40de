package bench

import (
	"fmt"
	"html"
	"maps"
	"math"
	"slices"
	"strings"
)

// Sizes of the plot, in pixels.
const (
	plotWidth  = 860
	leftMargin = 130
	rightEdge  = 800
	barStep    = 22
	panelGap   = 70
	logHeight  = 300
)

// plotStyle has colors that are readable on light and dark pages: those of the page's scheme.
const plotStyle = `<style>
text{font:13px system-ui,sans-serif;fill:#24292f}
.title{font-weight:600;font-size:15px}
.axis{stroke:#8c959f;stroke-width:1}
.goal{stroke:#bc4c00;stroke-width:1.5;stroke-dasharray:5 4;fill:none}
.goaltext{fill:#bc4c00}
.dot{fill:#0969da}
.noisy{fill:none;stroke:#0969da;stroke-width:2}
.curve{fill:none;stroke-width:2}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.axis{stroke:#6e7681}.goal{stroke:#f0883e}.goaltext{fill:#f0883e}.dot{fill:#58a6ff}.noisy{stroke:#58a6ff}
}
</style>`

// curveColors have enough contrast with white and with black.
var curveColors = []string{"#2f81f7", "#bf8700", "#2da44e", "#cf222e", "#a475f9", "#1b9e9e", "#e85aad", "#8c7a52"}

// canvas collects the parts of a drawing.
type canvas struct {
	strings.Builder
	height float64
}

func (c *canvas) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(c, format, args...)
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	c.printf(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", class, x1, y1, x2, y2)
}

func (c *canvas) text(class, anchor string, x, y float64, text string) {
	c.printf(`<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`+"\n", class, anchor, x, y, html.EscapeString(text))
}

// plot draws how close each rollout is to its bound, and the planner by size.
func plot(results Results) []byte {
	c := &canvas{height: 10}
	c.ratios(results)
	c.growth(results)
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img">`+"\n",
		plotWidth, c.height, plotWidth, c.height)
	const title = "<title>Rollouts beside their bound, and the planner by size of the cluster</title>\n"
	return []byte(head + title + plotStyle + "\n" + c.String() + "</svg>\n")
}

// ratios has one dot for each rollout; 1 is the bound.
func (c *canvas) ratios(results Results) {
	const name = "makespan / bound"
	type dot struct {
		label string
		f     Figure
		noisy bool
	}
	var dots []dot
	most := 1.2
	for _, row := range Rows() {
		if f, found := results[row.Name].figure(name); found {
			dots = append(dots, dot{row.Name, f, results[row.Name].Noise.tooMuch()})
			most = max(most, f.Value)
		}
	}
	if len(dots) == 0 {
		return
	}
	most = math.Ceil(most*10) / 10
	x := func(value float64) float64 { return leftMargin + (value-1)/(most-1)*(rightEdge-leftMargin) }
	top := c.height + 20
	c.text("title", "start", 10, top, "Makespan of a rollout / least time that it can take")
	top += 14
	bottom := top + barStep*float64(len(dots))
	for i := range 5 {
		value := 1 + (most-1)*float64(i)/4
		c.line("axis", x(value), bottom, x(value), bottom+5)
		c.text("", "middle", x(value), bottom+20, fmt.Sprintf("%.2f", value))
	}
	c.line("axis", leftMargin, bottom, rightEdge, bottom)
	for i, d := range dots {
		y := top + barStep*(float64(i)+0.5)
		c.text("", "end", leftMargin-12, y+4, d.label)
		class := "dot"
		if d.noisy {
			class = "noisy"
		}
		if d.f.Goal != nil {
			c.line("goal", x(*d.f.Goal), y-barStep/2, x(*d.f.Goal), y+barStep/2)
		}
		c.printf(`<circle class="%s" cx="%.1f" cy="%.1f" r="5"/>`+"\n", class, x(max(d.f.Value, 1)), y)
		c.text("", "start", x(max(d.f.Value, 1))+10, y+4, fmt.Sprintf("%.2f", d.f.Value))
	}
	c.text("goaltext", "start", leftMargin, bottom+42, "dashed: the goal; hollow: the machine was noisy, the value is an upper bound")
	c.height = bottom + 60
}

// growth draws milliseconds for one plan by nodes, both on logarithmic scales, for the slowest scenarios.
func (c *canvas) growth(results Results) {
	curves := slowest(results["compute"].Curves, len(curveColors))
	if len(curves) == 0 {
		return
	}
	low, high := logRange(curves, func(c Curve) []float64 { return c.Values })
	left, right := logRange(curves, func(c Curve) []float64 { return c.Sizes })
	top := c.height + panelGap - 20
	bottom := top + logHeight
	scale := func(value, from, to, begin, end float64) float64 {
		return begin + (math.Log10(value)-from)/(to-from)*(end-begin)
	}
	x := func(size float64) float64 { return scale(size, left, right, 70, 560) }
	y := func(value float64) float64 { return scale(value, low, high, bottom, top) }
	c.text("title", "start", 10, top-18, "Milliseconds for one plan by number of nodes (the slowest scenarios)")
	c.line("axis", 70, bottom, 560, bottom)
	c.line("axis", 70, top, 70, bottom)
	for power := low; power <= high; power++ {
		c.line("axis", 65, y(math.Pow(10, power)), 70, y(math.Pow(10, power)))
		c.text("", "end", 60, y(math.Pow(10, power))+4, fmt.Sprintf("%g", math.Pow(10, power)))
	}
	for _, size := range curves[0].Sizes {
		c.text("", "middle", x(size), bottom+18, fmt.Sprintf("%.0f", size))
	}
	for i, curve := range curves {
		var points []string
		for j, size := range curve.Sizes {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(size), y(curve.Values[j])))
		}
		c.printf(`<polyline class="curve" stroke="%s" points="%s"/>`+"\n", curveColors[i], strings.Join(points, " "))
		c.printf(`<rect x="580" y="%.1f" width="12" height="12" fill="%s"/>`+"\n", top+float64(i)*20, curveColors[i])
		c.text("", "start", 598, top+float64(i)*20+11, curve.Name)
	}
	for _, size := range slices.Sorted(maps.Keys(goalsCompute)) {
		if x(size) <= 561 {
			c.printf(`<path class="goal" d="M%.1f %.1fh24"/>`+"\n", x(size)-12, y(goalsCompute[size]))
		}
	}
	c.height = bottom + 40
}

// slowest are the curves with the largest last values, the largest first.
func slowest(curves []Curve, count int) []Curve {
	sorted := slices.Clone(curves)
	slices.SortStableFunc(sorted, func(a, b Curve) int {
		switch x, y := a.Values[len(a.Values)-1], b.Values[len(b.Values)-1]; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return sorted[:min(count, len(sorted))]
}

// logRange is the range of powers of ten that the values are in.
func logRange(curves []Curve, of func(Curve) []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, curve := range curves {
		for _, value := range of(curve) {
			low, high = min(low, math.Floor(math.Log10(value))), max(high, math.Ceil(math.Log10(value)))
		}
	}
	if low == high {
		high++
	}
	return low, high
}
