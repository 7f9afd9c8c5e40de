//go:build linux && !race

package plan

import (
	"maps"
	"math"
	"slices"
	"testing"
)

// effort is how many allocations a plan of the usual pass may take for each node, with and without a state. They are about what there is,
// not about how fast the machine is.
var effort = map[string]struct{ next, compute float64 }{
	"idle, no history":   {1, 12},
	"idle, 3+3":          {1, 40},
	"all pending":        {8, 20},
	"all pending, 3+3":   {8, 50},
	"rolling 2%, 3+3":    {10, 55},
	"rolling, AnyOrder":  {10, 40},
	"groups of 10":       {12, 45},
	"groups of 100":      {12, 45},
	"groups of 1000":     {12, 45},
	"canaries waiting":   {8, 40},
	"canaries half done": {8, 55},
	"gates":              {8, 40},
	"capacity":           {12, 45},
	"halted":             {8, 40},
	"21 policies":        {14, 40},
	"idle, 3+0":          {1, 30},
}

// TestAPlanAllocatesInProportion counts allocations for clusters of two sizes: they grow no faster than the cluster, and stay few.
func TestAPlanAllocatesInProportion(t *testing.T) {
	const small, large, exponent = 200, 800, 1.1
	all := scales()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			count := func(nodes int) (next, compute float64) {
				s := all[name].of(t, nodes)
				_, state := Next(nil, s, start)
				n := 0
				next = testing.AllocsPerRun(3, func() {
					renew(s, n)
					n++
					_, state = Next(state, s, start)
				})
				return next, testing.AllocsPerRun(1, func() { Compute(s, start) })
			}
			few, fewFresh := count(small)
			many, manyFresh := count(large)
			t.Logf("%.1f allocations for each node from a state, %.1f from none; exponents %.2f and %.2f",
				many/large, manyFresh/large, growth(few, many, small, large), growth(fewFresh, manyFresh, small, large))
			if g := growth(few, many, small, large); g > exponent {
				t.Errorf("allocations from a state grow with exponent %.2f", g)
			}
			if g := growth(fewFresh, manyFresh, small, large); g > exponent {
				t.Errorf("allocations from no state grow with exponent %.2f", g)
			}
			if limit := effort[name]; many/large > limit.next || manyFresh/large > limit.compute {
				t.Errorf("%.1f and %.1f allocations for each node, at most %.0f and %.0f are expected",
					many/large, manyFresh/large, limit.next, limit.compute)
			}
		})
	}
}

func growth(few, many, small, large float64) float64 {
	return math.Log(many/few) / math.Log(large/small)
}
