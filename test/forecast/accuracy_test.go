package forecast

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
	"github.com/reboot-operator/reboot-operator/test/chaos/rig"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	// limit of one rollout.
	limit = 5 * time.Minute
	// goal is how far the median forecast may be off; most is how far each of the few rollouts of continuous integration may be off, on a
	// machine that is also busy with other things.
	goal = 0.10
	most = 0.50
	few  = 2
)

// row is one line of the table.
type row struct {
	name string
	// expected and late are the forecast's P50 and P90 from when it was made, and took is the real time.
	expected, late, took time.Duration
	samples              int
}

// off is how far the forecast was off, as a share of the real time. It is negative if the rollout ended later.
func (r *row) off() float64 { return (r.expected - r.took).Seconds() / r.took.Seconds() }

// TestForecastsAreNearReality forecasts rollouts that were measured once before, as those of a fleet are each month. FORECAST=all is for
// the whole table, and any other text for the rollouts with the text in their names.
func TestForecastsAreNearReality(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS names no control plane; make test-envtest sets it")
	}
	log.SetLogger(logr.Discard())
	started, err := rig.Start(t.Context(), logr.FromSlogHandler(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := started.Stop(); err != nil {
			t.Error(err)
		}
	})
	manager, err := started.StartManager(t.Context(), "--leader-elect=false")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := manager.Stop(); err != nil {
			t.Error(err)
		}
	})
	all := rollouts()
	asked := os.Getenv("FORECAST")
	whole := asked == "all"
	switch {
	case whole:
	case asked != "":
		all = slices.DeleteFunc(all, func(r rollout) bool { return !strings.Contains(r.name, asked) })
	default:
		all = all[:few]
	}
	rows := make([]row, 0, len(all))
	for i := range all {
		row, err := measure(t.Context(), started, &all[i], fmt.Sprintf("pool%d", i+1))
		if err != nil {
			t.Fatalf("%s: %v", all[i].name, err)
		}
		rows = append(rows, row)
		if off := row.off(); !whole && max(off, -off) > most {
			t.Errorf("%s: the forecast was %s and it took %s", row.name, row.expected, row.took)
		}
	}
	text, median := table(rows)
	t.Logf("\n%s", text)
	if whole && median > goal {
		t.Errorf("the median forecast is off by %.1f %%, and may be by %.0f %%", 100*median, 100*goal)
	}
}

// measure carries a rollout out twice, and forecasts the second one.
func measure(ctx context.Context, r *rig.Rig, what *rollout, pool string) (row, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*limit)
	defer cancel()
	measured := row{name: what.name}
	var hosts []*testbed.Host
	for i := range what.nodes {
		host, err := r.AddNode(ctx, what.options(pool, i))
		if err != nil {
			return measured, err
		}
		hosts = append(hosts, host)
	}
	for _, app := range what.apps {
		app.Namespace = pool
		if err := r.CreateApp(ctx, app); err != nil {
			return measured, err
		}
		if err := r.WaitReady(ctx, app); err != nil {
			return measured, err
		}
	}
	options := append([]rig.PolicyOption{rig.Patient(len(hosts)), rig.Mode(v1alpha1.ModePaused), long}, what.policy...)
	if err := r.Client().Create(ctx, rig.Policy(pool, pool, options...)); err != nil {
		return measured, fmt.Errorf("create the policy: %w", err)
	}
	if _, _, err := rollOut(ctx, r, pool, hosts); err != nil {
		return measured, err
	}
	made, took, err := rollOut(ctx, r, pool, hosts)
	if err != nil {
		return measured, err
	}
	policy := made.Policy(pool)
	if policy == nil || policy.Unknown > 0 || !policy.Finish.Known() {
		return measured, fmt.Errorf("the forecast knows no end: %+v", policy)
	}
	finish := policy.Finish
	measured.expected, measured.late, measured.took = finish.Median().Sub(made.Computed), finish.Late().Sub(made.Computed), took
	measured.samples = made.Samples
	return measured, r.Clean(ctx, hosts, pool)
}

// rollOut lets all hosts ask while the policy is paused, enforces it, makes a forecast, and waits for the end. Took is from the forecast
// on.
func rollOut(ctx context.Context, r *rig.Rig, pool string, hosts []*testbed.Host) (made *forecast.Forecast, took time.Duration, err error) {
	if err := r.ChangePolicy(ctx, pool, rig.Mode(v1alpha1.ModePaused)); err != nil {
		return nil, 0, err
	}
	for _, host := range hosts {
		host.RequireReboot()
	}
	waiting := func(s *v1alpha1.NodeRebootStatus) bool { return s.CompletionTime == nil && s.Reason != "" }
	if err := r.Poll(ctx, "all nodes wait", func() (bool, error) { return count(ctx, r, pool, waiting) == len(hosts), nil }); err != nil {
		return nil, 0, err
	}
	if err := r.ChangePolicy(ctx, pool, rig.Mode(v1alpha1.ModeEnforce)); err != nil {
		return nil, 0, err
	}
	now := time.Now()
	cluster, err := objects.Read(ctx, r.Client(), r.Namespace(), now)
	if err != nil {
		return nil, 0, err
	}
	made = forecast.Compute(forecast.Input{Snapshot: cluster.Snapshot(now), Now: now})
	open := func(s *v1alpha1.NodeRebootStatus) bool { return s.CompletionTime == nil }
	if err := r.Poll(ctx, "all nodes are done", func() (bool, error) { return count(ctx, r, pool, open) == 0, nil }); err != nil {
		return nil, 0, err
	}
	end, err := last(ctx, r, pool)
	return made, end.Sub(now), err
}

// count is how many NodeReboots of a policy are as said; -1 if that is not known.
func count(ctx context.Context, r *rig.Rig, policy string, is func(*v1alpha1.NodeRebootStatus) bool) int {
	var list v1alpha1.NodeRebootList
	if err := r.Client().List(ctx, &list); err != nil {
		return -1
	}
	n := 0
	for i := range list.Items {
		if s := &list.Items[i].Status; s.PolicyName == policy && is(s) {
			n++
		}
	}
	return n
}

// last is when the last NodeReboot of a policy ended.
func last(ctx context.Context, r *rig.Rig, policy string) (time.Time, error) {
	var list v1alpha1.NodeRebootList
	if err := r.Client().List(ctx, &list); err != nil {
		return time.Time{}, fmt.Errorf("list NodeReboots: %w", err)
	}
	var end time.Time
	for i := range list.Items {
		s := &list.Items[i].Status
		if s.PolicyName != policy || s.CompletionTime == nil {
			continue
		}
		if s.Outcome != v1alpha1.OutcomeSucceeded {
			return end, fmt.Errorf("NodeReboot %s: %s", list.Items[i].Name, s.OutcomeMessage)
		}
		if s.CompletionTime.After(end) {
			end = s.CompletionTime.Time
		}
	}
	return end, nil
}

// table of all rows, and how far the median forecast is off.
func table(rows []row) (text string, median float64) {
	var out strings.Builder
	writer := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(writer, "rollout\tforecast\tat most (p90)\tit took\toff")
	offs := make([]float64, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		offs = append(offs, max(r.off(), -r.off()))
		_, _ = fmt.Fprintf(writer, "%s\t%.1fs\t%.1fs\t%.1fs\t%+.1f %%\n",
			r.name, r.expected.Seconds(), r.late.Seconds(), r.took.Seconds(), 100*r.off())
	}
	_ = writer.Flush() // into memory
	slices.Sort(offs)
	median = offs[len(offs)/2]
	if len(offs)%2 == 0 {
		median = (median + offs[len(offs)/2-1]) / 2
	}
	fmt.Fprintf(&out, "%d rollouts; the median is off by %.1f %%, the worst by %.1f %%\n", len(rows), 100*median, 100*offs[len(offs)-1])
	return out.String(), median
}
