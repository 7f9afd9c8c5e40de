package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

func TestPercentilesAreValuesThatWereMeasured(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	tests := map[string]struct {
		values  []time.Duration
		percent float64
		want    time.Duration
	}{
		"the median of an odd number": {[]time.Duration{3, 1, 2}, 50, 2},
		"the 99th of 100":             {hundred, 99, 99},
		"the 99th of few":             {[]time.Duration{1, 5}, 99, 5},
		"of nothing":                  {nil, 99, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := percentile(test.values, test.percent); got != test.want {
				t.Errorf("it is %d, want %d", got, test.want)
			}
		})
	}
}

func TestGoalsAreUpperLimits(t *testing.T) {
	tests := map[string]struct {
		figure   Figure
		want     bool
		wantText string
	}{
		"met":              {ratio("r", 1.05).goal(1.05), true, "1.05"},
		"missed":           {ratio("r", 1.0501).goal(1.05), false, "1.05"},
		"none":             {count("c", 3), true, "3"},
		"a saving":         {Figure{Kind: Ratio, Value: -70, Unit: "%"}.goal(-65), true, "-70.00%"},
		"too small saving": {Figure{Kind: Ratio, Value: -60, Unit: "%"}.goal(-65), false, "-60.00%"},
		"a time":           {latency("l", 1234*time.Millisecond).goal(1), false, "1.23 s"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.figure.met(); got != test.want {
				t.Errorf("met: %t, want %t", got, test.want)
			}
			if got := test.figure.text(); got != test.wantText {
				t.Errorf("shown as %q, want %q", got, test.wantText)
			}
		})
	}
}

func TestBenchmarksAreReadAsGoTestPrintsThem(t *testing.T) {
	const output = `goos: linux
BenchmarkScale/idle/1000-2         	     100	   2000000 ns/op	    4000 B/op	      10 allocs/op
BenchmarkScale/idle/1000-2         	     100	   1000000 ns/op	    4000 B/op	      10 allocs/op
BenchmarkScale/idle/10000-2        	      10	 100000000 ns/op	   40000 B/op	     100 allocs/op
BenchmarkCompute/1000/needed_2%,_3+3-2	     100	   3000000 ns/op
BenchmarkOther-2                   	     100	   3000000 ns/op
PASS
`
	samples, err := parseBenchmarks(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	want := []Curve{
		{Name: "Compute needed 2%, 3+3", Sizes: []float64{1000}, Values: []float64{3e6}},
		{Name: "Scale idle", Sizes: []float64{1000, 10000}, Values: []float64{1e6, 1e8}},
	}
	times := curvesOf(samples, "ns/op")
	if diff := cmp.Diff(want, times); diff != "" {
		t.Error(diff)
	}
	if got, known := times[1].exponent(0); !known || got < 1.999 || got > 2.001 {
		t.Errorf("a hundredfold for ten times the nodes is the exponent 2, not %v", got)
	}
	if _, known := times[0].exponent(0); known {
		t.Error("one size has no exponent")
	}
	if _, known := times[1].exponent(5000); known {
		t.Error("sizes below the least one count")
	}
}

func TestAScenarioThatGetsSlowIsTheOneThatIsShown(t *testing.T) {
	samples := []sample{
		{benchmark: "Scale", scenario: "idle", nodes: 1000, values: map[string]float64{"ns/op": 1e6, "allocs/op": 10}},
		{benchmark: "Scale", scenario: "idle", nodes: 5000, values: map[string]float64{"ns/op": 5e6, "allocs/op": 50}},
		{benchmark: "Scale", scenario: "groups", nodes: 1000, values: map[string]float64{"ns/op": 1e6, "allocs/op": 10}},
		{benchmark: "Scale", scenario: "groups", nodes: 5000, values: map[string]float64{"cpu-ms": 25, "allocs/op": 250}},
		{benchmark: "Scale", scenario: "groups", nodes: 15000, values: map[string]float64{"cold-ms": 80}},
	}
	m, err := computeFigures(samples)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range m.Figures {
		got[f.Name+": "+f.text()] = f.met()
	}
	want := map[string]bool{
		"plan of 5000 nodes, slowest scenario (Scale groups): 25 ms":        false,
		"first plan of 15000 nodes, slowest scenario (Scale groups): 80 ms": true,
		"exponent of time, steepest scenario (Scale groups): 2.00":          false,
		"exponent of allocations, steepest scenario (Scale groups): 2.00":   false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := computeFigures(nil); err == nil {
		t.Error("no benchmark is no error")
	}
}

func TestRequestsAreCountedByClientAndVerb(t *testing.T) {
	o := outcome{scenario: scenario{nodes: make([]testbed.NodeOptions, 2)}, requests: []testbed.Request{
		{Actor: "helper", Verb: "watch", Resource: "nodereboots"}, {Actor: "helper", Verb: "watch", Resource: "nodereboots"},
		{Actor: "manager", Verb: "update", Resource: "leases"}, {Actor: "manager", Verb: "get", Resource: "configmaps"},
		{Actor: "manager", Verb: "patch", Resource: "nodes"}, {Actor: "manager", Verb: "create", Resource: "events"},
		{Actor: "helper", Verb: "create", Resource: "pods/eviction", Code: 429},
		{Actor: "helper", Verb: "create", Resource: "pods/eviction", Code: 201},
	}}
	got := map[string]float64{}
	for _, f := range o.requestFigures() {
		got[f.Name] = f.Value
	}
	want := map[string]float64{
		"requests per reboot": 3, "writes per reboot, events included": 1, "events per reboot": 0.5, "refused evictions": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if detail := o.requestDetail(); len(detail.Rows) != 5 || detail.Rows[0][3] != "1.00" {
		t.Errorf("requests by kind: %v", detail.Rows)
	}
}

func TestMetricsWithoutLabelsAreRead(t *testing.T) {
	const text = "# HELP x y\nprocess_cpu_seconds_total 1.5\nother{policy=\"a\"} 3\nreboot_operator_pass_seconds_count 7\n"
	got, err := parseMetrics(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"process_cpu_seconds_total": 1.5, "reboot_operator_pass_seconds_count": 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
