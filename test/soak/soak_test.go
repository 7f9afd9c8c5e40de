// Package soak runs rollouts for hours, and looks whether anything grows.
package soak

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
	"github.com/reboot-operator/reboot-operator/test/chaos/rig"
	"github.com/reboot-operator/reboot-operator/test/soak/trend"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	pool  = "soak"
	nodes = 50
	// most is how many nodes ask for a reboot in a round.
	most = 12
	// roundLimit is how long a round may take.
	roundLimit = 5 * time.Minute
	// warmUp rounds fill caches and histories before anything is measured.
	warmUp = 2
)

// soak is one run.
type soak struct {
	*testing.T
	*rig.Rig
	ctx     context.Context
	rand    *rand.Rand
	manager *rig.Manager
	hosts   []*testbed.Host
	series  map[string][]trend.Sample
	rounds  int
	reboots int
	began   time.Time
	// first and now are how many objects there are of each kind.
	first, now map[string]float64
}

// TestNothingGrows runs for as long as SOAK says, such as 2h. Without it, it is skipped: `go test` has no hours.
func TestNothingGrows(t *testing.T) {
	text := os.Getenv("SOAK")
	if text == "" {
		t.Skip("takes as long as SOAK says, such as 2h; make soak sets it")
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("SOAK is a duration, such as 2h: %v", err)
	}
	seed := uint64(1)
	if text := os.Getenv("SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED is a number, such as 1: %v", err)
		}
	}
	log.SetLogger(logr.Discard())
	s := start(t, seed)
	s.round(nodes) // so that each node has its history
	for range warmUp {
		s.round(1 + s.rand.IntN(most))
	}
	s.began = time.Now()
	s.measure()
	for enough := s.began.Add(duration); time.Now().Before(enough) || len(s.series[goroutines]) < trend.Least; {
		s.round(1 + s.rand.IntN(most))
		s.measure()
	}
	t.Logf("%s, seed %d: %d rounds, %d reboots\n%s", time.Since(s.began).Round(time.Second), seed, s.rounds, s.reboots, s.table())
}

func start(t *testing.T, seed uint64) *soak {
	t.Helper()
	started, err := rig.Start(t.Context(), logr.FromSlogHandler(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := started.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &soak{T: t, Rig: started, ctx: t.Context(), rand: rand.New(rand.NewPCG(seed, 8)), series: map[string][]trend.Sample{}}
	zones := make([]string, nodes)
	for i := range zones {
		zones[i] = string("abc"[i%3])
	}
	s.hosts, err = s.AddNodes(s.ctx, pool, zones...)
	s.must(err)
	app := rig.App(pool, nodes/2)
	app.MaxUnavailable = ptr.To(most)
	s.must(s.CreateApp(s.ctx, app))
	s.must(s.WaitReady(s.ctx, app))
	s.manager, err = s.StartManager(s.ctx, "--leader-elect=false")
	s.must(err)
	t.Cleanup(func() {
		if err := s.manager.Stop(); err != nil {
			t.Error(err)
		}
	})
	s.must(s.Client().Create(s.ctx, rig.Policy(pool, pool, rig.Patient(nodes), rig.AnyOrder(), rig.MaxUnavailable(most), short)))
	return s
}

// short keeps little history, so that it is full after some rounds.
func short(spec *v1alpha1.RebootPolicySpec) {
	spec.History = v1alpha1.HistorySpec{Succeeded: ptr.To[int32](1), Failed: ptr.To[int32](1), Cancelled: ptr.To[int32](1)}
}

func (s *soak) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// round has as many nodes rebooted while one thing goes wrong, and judges it.
func (s *soak) round(count int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, roundLimit)
	defer cancel()
	trial, err := s.Begin(ctx, judge.Rules{Grace: 20 * time.Second}, s.hosts...)
	s.must(err)
	for _, i := range s.rand.Perm(len(s.hosts))[:count] {
		s.hosts[i].RequireReboot()
	}
	what := s.disturb(ctx)
	err = trial.Settle(ctx)
	s.must(trial.Stop())
	violations := trial.Verdict()
	for _, host := range s.hosts {
		host.ForgetEvents() // they are judged, and would grow in the process that is measured
	}
	s.rounds, s.reboots = s.rounds+1, s.reboots+count
	if err != nil || len(violations) > 0 {
		s.Fatalf("round %d, %s: %v\n%s", s.rounds, what, err, rig.Lines(violations))
	}
}

// disturb has one thing go wrong. The manager lives on: what grows in it would not be seen otherwise.
func (s *soak) disturb(ctx context.Context) string {
	s.Helper()
	pause := func() {
		select {
		case <-s.Clock.After(time.Duration(200+s.rand.IntN(1500)) * time.Millisecond):
		case <-ctx.Done():
		}
	}
	switch s.rand.IntN(6) {
	case 0:
		for range 5 {
			pause()
			s.hosts[s.rand.IntN(len(s.hosts))].CrashHelper()
		}
		return "helpers crashed"
	case 1:
		for range 3 {
			pause()
			s.manager.Wire().CloseWatches()
			s.CloseHelperWatches()
		}
		return "watches were closed"
	case 2:
		for range 3 {
			pause()
			s.must(s.ChangePolicy(ctx, pool, rig.MaxUnavailable(1+s.rand.IntN(most))))
		}
		s.must(s.ChangePolicy(ctx, pool, rig.MaxUnavailable(most)))
		return "the policy was edited"
	case 3:
		s.must(s.ChangePolicy(ctx, pool, rig.Mode(v1alpha1.ModePaused)))
		pause()
		s.must(s.ChangePolicy(ctx, pool, rig.Mode(v1alpha1.ModeEnforce)))
		return "the policy was paused"
	case 4:
		pause()
		s.must(s.PauseAPIServer())
		pause()
		s.must(s.ContinueAPIServer())
		return "the API server was stopped"
	default:
		return "nothing went wrong"
	}
}

// table has a line for each series. A trend is an error.
func (s *soak) table() string {
	s.Helper()
	var text strings.Builder
	writer := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(writer, "\tsecond quarter\tlast quarter\tper hour\terror\t\t")
	for _, name := range sorted(s.series) {
		line := trend.Of(s.series[name], allowed(name))
		verdict := "flat"
		switch {
		case line.Few:
			verdict = "too few samples"
			s.Errorf("%s: too few samples", name)
		case line.Grows:
			verdict = "GROWS"
			s.Errorf("%s grows by %.2f per hour, and is known to %.2f; objects since the beginning: %v", name, line.PerHour, line.Error, s.more())
		}
		_, _ = fmt.Fprintf(writer, "%s\t%.1f\t%.1f\t%.2f\t%.2f\t%s\t\n", name, line.First, line.Last, line.PerHour, line.Error, verdict)
	}
	_ = writer.Flush() // into memory
	return text.String()
}
