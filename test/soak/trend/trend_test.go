package trend

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// series has a sample each half minute, for two hours.
func series(value func(hours float64) float64) []Sample {
	samples := make([]Sample, 240)
	for i := range samples {
		at := time.Duration(i) * 30 * time.Second
		samples[i] = Sample{At: at, Value: value(at.Hours())}
	}
	return samples
}

func TestATrendIsToldFromNoise(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	noise := func(width float64) float64 { return width * source.NormFloat64() }
	walk := 0.0
	for name, test := range map[string]struct {
		value func(hours float64) float64
		want  bool
	}{
		"the same always":                 {value: func(float64) float64 { return 100 }},
		"noise":                           {value: func(float64) float64 { return 100 + noise(10) }},
		"a saw":                           {value: func(h float64) float64 { return 100 + 30*(h*7-math.Floor(h*7)) }},
		"growth that ends early":          {value: func(h float64) float64 { return 100 + 400*min(h, 0.4) }},
		"a fall":                          {value: func(h float64) float64 { return 100 - 20*h + noise(3) }},
		"growth within the allowance":     {value: func(h float64) float64 { return 100 + 2*h }},
		"noise that remembers for a bit":  {value: func(float64) float64 { walk = 0.8*walk + noise(3); return 100 + walk }},
		"a leak":                          {value: func(h float64) float64 { return 100 + 20*h }, want: true},
		"a leak in noise":                 {value: func(h float64) float64 { return 100 + 20*h + noise(10) }, want: true},
		"a leak that begins late":         {value: func(h float64) float64 { return 100 + 60*max(0, h-1) }, want: true},
		"a leak of one in a round of two": {value: func(h float64) float64 { return 100 + math.Floor(h*20) }, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			line := Of(series(test.value), Allowance{Share: 0.05})
			if line.Grows != test.want || line.Few {
				t.Errorf("%+v", line)
			}
		})
	}
}

func TestALineSaysWhatItIs(t *testing.T) {
	line := Of(series(func(h float64) float64 { return 10 + 4*h }), Allowance{})
	for name, pair := range map[string][2]float64{
		"slope": {line.PerHour, 4}, "growth": {line.Growth, 6}, "first": {line.First, 13}, "last": {line.Last, 17},
	} {
		if math.Abs(pair[0]-pair[1]) > 0.1 {
			t.Errorf("the %s is %g, want %g", name, pair[0], pair[1])
		}
	}
	if got := Of(series(func(h float64) float64 { return 10 + 4*h }), Allowance{Absolute: 7}); got.Grows {
		t.Errorf("what is allowed is a trend: %+v", got)
	}
}

func TestFewSamplesSayNothing(t *testing.T) {
	for _, samples := range [][]Sample{nil, series(func(h float64) float64 { return h })[:Least-1], make([]Sample, 100)} {
		if line := Of(samples, Allowance{}); !line.Few || line.Grows {
			t.Errorf("%d samples say %+v", len(samples), line)
		}
	}
}
