package bench

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// sampleInterval is how often the managers are asked. What a manager does between the last sample and its end is not counted.
const sampleInterval = 2 * time.Second

// usageOfManagers is what all managers of a run needed together.
type usageOfManagers struct {
	// cpu is seconds of processor time, passes how many passes over the cluster were made.
	cpu, passes float64
	// memory is the most that one manager had resident, in bytes.
	memory float64
}

// perPass is milliseconds of processor time for each pass, everything that a manager does included.
func (u usageOfManagers) perPass() float64 { return 1000 * u.cpu / max(u.passes, 1) }

// sampler asks the managers for their metrics repeatedly.
type sampler struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup

	last map[string]map[string]float64 // by where it was asked
	most float64
}

// sample begins to ask the managers of a fleet. What they needed before does not count.
func (f *fleet) sample() *sampler {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sampler{cancel: cancel, last: map[string]map[string]float64{}}
	before := s.ask(ctx, f)
	s.ended.Go(func() {
		ticker := time.NewTicker(sampleInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				s.ask(ctx, f)
			case <-ctx.Done():
				s.ask(context.Background(), f)
				s.subtract(before)
				return
			}
		}
	})
	return s
}

// stop returns what the managers needed.
func (s *sampler) stop() usageOfManagers {
	s.cancel()
	s.ended.Wait()
	usage := usageOfManagers{memory: s.most}
	for _, metrics := range s.last {
		usage.cpu += metrics["process_cpu_seconds_total"]
		usage.passes += metrics["reboot_operator_pass_seconds_count"]
	}
	return usage
}

// ask returns what each manager says now.
func (s *sampler) ask(ctx context.Context, f *fleet) map[string]map[string]float64 {
	now := map[string]map[string]float64{}
	for _, manager := range f.runningManagers() {
		metrics, err := scrape(ctx, manager.MetricsURL())
		if err != nil {
			continue // it has ended, or is about to
		}
		now[manager.MetricsURL()], s.last[manager.MetricsURL()] = metrics, metrics
		s.most = max(s.most, metrics["process_resident_memory_bytes"])
	}
	return now
}

func (s *sampler) subtract(before map[string]map[string]float64) {
	for from, metrics := range before {
		for name, value := range metrics {
			s.last[from][name] -= value
		}
	}
}

func (f *fleet) runningManagers() []*testbed.Manager {
	if f.manager != nil {
		return []*testbed.Manager{f.manager}
	}
	var all []*testbed.Manager
	for _, host := range f.hosts {
		all = append(all, host.ManagersOn()...)
	}
	return all
}

// scrape reads the metrics without labels.
func scrape(ctx context.Context, url string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was read, or the manager is gone
	return parseMetrics(response.Body)
}

func parseMetrics(text io.Reader) (map[string]float64, error) {
	metrics := map[string]float64{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), " ")
		if !found || strings.HasPrefix(name, "#") || strings.Contains(name, "{") {
			continue
		}
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			metrics[name] = number
		}
	}
	return metrics, lines.Err()
}
