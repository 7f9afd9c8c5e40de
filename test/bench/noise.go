package bench

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"
)

// Limits of noise, above which a row is marked.
const (
	// mostStretch is how much longer than its processor time a loop may take that does nothing but compute.
	mostStretch = 1.25
	// mostForeign is how much of the machine others may use while a row runs.
	mostForeign = 0.10
)

// Noise is what else the machine did while a row ran.
type Noise struct {
	// Before and After are how many times longer than its processor time the calibration loop took: 1 on a quiet machine.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// Load is the load average of one minute, before the row and at its end, where the row itself is in it.
	LoadBefore float64 `json:"loadBefore"`
	LoadAfter  float64 `json:"loadAfter"`
	// Foreign is the share of the machine's processors that others used while the row ran, or that the hypervisor gave to others.
	Foreign float64 `json:"foreign"`
	// Own is the share that the row used, testbed included.
	Own float64 `json:"own"`
}

// tooMuch reports whether times that were measured are not to be trusted.
func (n Noise) tooMuch() bool { return max(n.Before, n.After) > mostStretch || n.Foreign > mostForeign }

func (n Noise) text() string {
	return fmt.Sprintf("loop %.2f/%.2f, load %.1f/%.1f, others %.0f %%, own %.0f %%",
		n.Before, n.After, n.LoadBefore, n.LoadAfter, 100*n.Foreign, 100*n.Own)
}

// meter measures noise from its start to its end.
type meter struct {
	noise Noise
	began usage
}

// usage is processor time since the machine, or this process, was started.
type usage struct {
	at         time.Time
	busy, idle time.Duration // of the machine; stolen time is busy
	own        time.Duration // of this process and of its children that have ended
}

func startMeter() (*meter, error) {
	m := &meter{noise: Noise{Before: stretch()}}
	var err error
	if m.noise.LoadBefore, err = loadAverage(); err != nil {
		return nil, err
	}
	m.began, err = used()
	return m, err
}

// stop has to be called when all processes of the row have ended: those that run are others.
func (m *meter) stop() (Noise, error) {
	ended, err := used()
	if err != nil {
		return Noise{}, err
	}
	busy, idle := ended.busy-m.began.busy, ended.idle-m.began.idle
	own := ended.own - m.began.own
	if total := busy + idle; total > 0 {
		m.noise.Own = float64(own) / float64(total)
		m.noise.Foreign = max(0, float64(busy-own)/float64(total))
	}
	if m.noise.LoadAfter, err = loadAverage(); err != nil {
		return Noise{}, err
	}
	m.noise.After = stretch()
	return m.noise, nil
}

// stretch is how many times longer than its processor time a loop takes, on all processors at once. It is near 1 on any machine that has
// nothing else to do, whatever its speed.
func stretch() float64 {
	var wait sync.WaitGroup
	stretched := make([]float64, runtime.NumCPU())
	for i := range stretched {
		wait.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			began, used := time.Now(), threadTime()
			for compute := 1.0; time.Since(began) < 300*time.Millisecond; {
				for range 100_000 {
					compute = math.Sqrt(compute + 1)
				}
			}
			stretched[i] = time.Since(began).Seconds() / max((threadTime()-used).Seconds(), 1e-6)
		})
	}
	wait.Wait()
	most := 0.0
	for _, s := range stretched {
		most = max(most, s)
	}
	return most
}
