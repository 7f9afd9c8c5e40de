package soak

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/test/chaos/record"
	"github.com/reboot-operator/reboot-operator/test/soak/trend"
)

// What is measured. The helpers of all hosts run in the process of the test, with the simulated hosts themselves.
const (
	goroutines       = "manager: goroutines"
	managerHeap      = "manager: heap after a collection (MiB)"
	managerFiles     = "manager: open files"
	helperGoroutines = "helpers: goroutines"
	helperHeap       = "helpers: heap after a collection (MiB)"
	helperFiles      = "helpers: open files"
	watchesOpen      = "API server: watches"
	objects          = "etcd: objects without events"
)

// allowed is growth that is not a trend.
func allowed(name string) trend.Allowance {
	switch name {
	case managerHeap, helperHeap:
		return trend.Allowance{Share: 0.08, Absolute: 2}
	default:
		return trend.Allowance{Share: 0.03, Absolute: 2}
	}
}

func sorted(series map[string][]trend.Sample) []string { return slices.Sorted(maps.Keys(series)) }

const mebi = 1 << 20

// measure takes a sample of everything. It is called between two rounds, when nothing is under way.
func (s *soak) measure() {
	s.Helper()
	at := time.Since(s.began)
	note := func(name string, value float64) {
		s.series[name] = append(s.series[name], trend.Sample{At: at, Value: value})
	}
	current := s.manager.Current()
	if current == nil || s.manager.Starts() > 1 {
		s.Fatal("the manager has ended")
	}
	manager := s.metrics(http.DefaultClient, current.MetricsURL())
	note(goroutines, manager["go_goroutines"])
	note(managerHeap, manager["go_memstats_next_gc_bytes"]/2/mebi) // collected when it is twice what was left
	note(managerFiles, openFiles(s.T, current.PID()))
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	note(helperGoroutines, float64(runtime.NumGoroutine()))
	note(helperHeap, float64(memory.HeapAlloc)/mebi)
	note(helperFiles, openFiles(s.T, os.Getpid()))
	server := s.serverMetrics()
	note(watchesOpen, sum(server, func(name string) bool {
		return strings.HasPrefix(name, "apiserver_longrunning_requests{") && strings.Contains(name, `verb="WATCH"`)
	}))
	s.now = s.perKind()
	if s.first == nil {
		s.first = s.now
	}
	total := 0.0
	for _, count := range s.now {
		total += count
	}
	note(objects, total)
}

// perKind is how many objects there are of each kind but events, which expire after an hour. Keys are as /registry/pods/default/web, and
// /registry/reboot-operator.io/nodereboots/a1-0.
func (s *soak) perKind() map[string]float64 {
	s.Helper()
	keys, err := record.Keys(s.ctx, s.EtcdURL())
	s.must(err)
	kinds := map[string]float64{}
	for _, key := range keys {
		parts := strings.Split(strings.TrimPrefix(key, "/registry/"), "/")
		kind := parts[0]
		if strings.Contains(kind, ".") && len(parts) > 1 {
			kind = parts[1]
		}
		if kind != "events" {
			kinds[kind]++
		}
	}
	return kinds
}

// more lists the kinds of which there is more than at first.
func (s *soak) more() []string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(s.now)) {
		if added := s.now[kind] - s.first[kind]; added > 0 {
			all = append(all, fmt.Sprintf("%s %+.0f", kind, added))
		}
	}
	return all
}

func sum(values map[string]float64, which func(string) bool) float64 {
	total := 0.0
	for name, value := range values {
		if which(name) {
			total += value
		}
	}
	return total
}

// openFiles counts those of a process.
func openFiles(t *testing.T, pid int) float64 {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return float64(len(files))
}

func (s *soak) serverMetrics() map[string]float64 {
	s.Helper()
	text, err := s.Kubernetes().Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(s.ctx)
	s.must(err)
	values, err := parse(string(text))
	s.must(err)
	return values
}

// metrics reads what a program says about itself.
func (s *soak) metrics(client *http.Client, url string) map[string]float64 {
	s.Helper()
	request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
	s.must(err)
	response, err := client.Do(request)
	s.must(err)
	var text strings.Builder
	_, err = bufio.NewReader(response.Body).WriteTo(&text)
	s.must(err)
	s.must(response.Body.Close())
	values, err := parse(text.String())
	s.must(err)
	return values
}

// parse reads the text format of Prometheus: a name with its labels, and a value.
func parse(text string) (map[string]float64, error) {
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		cut := strings.LastIndexByte(line, ' ')
		if line == "" || line[0] == '#' || cut < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", line, err)
		}
		values[line[:cut]] = value
	}
	return values, nil
}

func TestMetricsAreRead(t *testing.T) {
	values, err := parse("# HELP a b\n# TYPE a gauge\na 3\nb{c=\"d e\"} 1.5e+06\n")
	if err != nil || values["a"] != 3 || values[`b{c="d e"}`] != 1.5e6 || len(values) != 2 {
		t.Errorf("%v, %v", values, err)
	}
	if _, err := parse("a b"); err == nil {
		t.Error("what is no number is read")
	}
}
