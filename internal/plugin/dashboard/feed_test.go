package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

// feeding is a feed of a cluster in memory, in a bubble of synctest. Its forecasts say that worker-1 is the second of three nodes.
type feeding struct {
	*feed
	cluster *plugintest.Terminal
	mu      sync.Mutex
	// asked is how many forecasts were asked for, and takes how long each takes. A failure is what each ends with.
	asked   int
	takes   time.Duration
	failure error
	end     func()
}

func feeds(t *testing.T, objects ...client.Object) *feeding {
	t.Helper()
	f := unfed(t, objects...)
	f.start(t)
	return f
}

// unfed is a feed that does not run yet.
func unfed(t *testing.T, objects ...client.Object) *feeding {
	t.Helper()
	f := &feeding{cluster: plugintest.New(t, 0, objects...)}
	f.feed = newFeed(f.cluster.App, f.cluster.Client, time.Hour, parts{clock: clock.RealClock{}, forecast: f.predict})
	return f
}

func (f *feeding) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.run(ctx) }()
	f.end = func() { cancel(); <-done }
	synctest.Wait()
	time.Sleep(2 * gather)
	synctest.Wait()
}

func (f *feeding) predict(context.Context, client.Reader, string, time.Time) (*forecast.Forecast, []string, error) {
	f.mu.Lock()
	f.asked++
	takes, failure := f.takes, f.failure
	f.mu.Unlock()
	time.Sleep(takes)
	if failure != nil {
		return nil, nil, failure
	}
	node := forecast.Node{Name: "worker-1", State: forecast.Waiting, Position: 2, Of: 3}
	return &forecast.Forecast{Nodes: []forecast.Node{node}}, []string{"Budgets may not be read."}, nil
}

// predicts has each forecast take so long, and end with a failure.
func (f *feeding) predicts(takes time.Duration, failure error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.takes, f.failure = takes, failure
}

// forecasts is how many were asked for.
func (f *feeding) forecasts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// later is what a page shows that is opened after some time.
func (f *feeding) later(t *testing.T, d time.Duration) received {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	got, _ := take(t, f.hub, "")
	return got
}

func (f *feeding) change(t *testing.T, change func(client.WithWatch) error) {
	t.Helper()
	if err := change(f.cluster.Client); err != nil {
		t.Fatal(err)
	}
}

func waiting() *v1alpha1.NodeReboot {
	return &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: "r", CreationTimestamp: metav1.NewTime(noon.Add(-time.Minute))},
		Spec:       v1alpha1.NodeRebootSpec{NodeName: "worker-1"},
	}
}

func TestAForecastIsMadeAfterChangesAndEveryMinuteWhileANodeNeedsAReboot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := feeds(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}})
		defer f.end()
		if got := f.later(t, 3*again); f.forecasts() != 0 || len(got.Rows) != 1 || got.Rows[0].State != stateIdle || !got.Server.Live {
			t.Errorf("although no node needs a reboot, %d forecasts were made; the page is %+v", f.forecasts(), got)
		}
		r := waiting()
		f.change(t, func(c client.WithWatch) error { return c.Create(t.Context(), r) })
		got := f.later(t, 3*gather)
		if f.forecasts() != 1 || got.Rows[0].Queue != 2 || !slices.Equal(got.Notes, []string{"Budgets may not be read."}) {
			t.Errorf("after a change, %d forecasts were made; the page is %+v", f.forecasts(), got)
		}
		if f.later(t, again-time.Second); f.forecasts() != 1 {
			t.Errorf("within a minute without a change, %d forecasts were made", f.forecasts())
		}
		if f.later(t, 2*time.Second); f.forecasts() != 2 {
			t.Errorf("after a minute, %d forecasts were made", f.forecasts())
		}
		r.Status.CompletionTime = after(0)
		f.change(t, func(c client.WithWatch) error { return c.Status().Update(t.Context(), r) })
		if got := f.later(t, 3*again); f.forecasts() != 2 || len(got.Notes) != 0 {
			t.Errorf("after the reboot, %d forecasts were made; the page is %+v", f.forecasts(), got)
		}
	})
}

func TestForecastsTakeATenthOfTheTimeAtMost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ takes, pause time.Duration }{
		"a fast one": {0, forecastPause}, "a slow one": {2 * time.Second, 18 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := feeds(t)
				defer f.end()
				f.predicts(c.takes, nil)
				r := waiting()
				f.change(t, func(c client.WithWatch) error { return c.Create(t.Context(), r) })
				f.later(t, gather+c.takes)
				for i := range 2 {
					r.Status.Message = strings.Repeat("x", i)
					f.change(t, func(c client.WithWatch) error { return c.Status().Update(t.Context(), r) })
					if f.later(t, c.pause-3*gather); f.forecasts() != i+1 {
						t.Errorf("%s after the first, %d forecasts were made", c.pause, f.forecasts())
					}
					if f.later(t, 4*gather+c.takes); f.forecasts() != i+2 {
						t.Errorf("after the pause, %d forecasts were made", f.forecasts())
					}
				}
			})
		})
	}
}

func TestAForecastThatFailsIsSaidAndLeavesNoneThatIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := feeds(t, waiting())
		defer f.end()
		if got := f.later(t, time.Second); got.Rows[0].Queue != 2 {
			t.Fatalf("the page is %+v", got)
		}
		f.predicts(0, errors.New("pods may not be read"))
		got := f.later(t, again+time.Second)
		if got.Rows[0].Queue != 0 || !slices.Equal(got.Notes, []string{"There is no forecast: Pods may not be read."}) {
			t.Errorf("the page is %+v", got)
		}
	})
}

func TestThePageMovesWithTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := unfed(t, waiting())
		f.app.Clock = clock.RealClock{}
		f.start(t)
		defer f.end()
		before := f.later(t, again+time.Second)
		if got := f.later(t, quarter); got.From != before.From+quarter.Milliseconds() {
			t.Errorf("it begins at %d, and %s before at %d", got.From, quarter, before.From)
		}
	})
}

func TestChangesInQuickSuccessionAreShownTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := feeds(t)
		defer f.end()
		f.later(t, time.Second)
		for _, name := range []string{"a", "b", "c", "d"} {
			f.change(t, func(c client.WithWatch) error {
				return c.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
			})
			synctest.Wait()
		}
		first := f.later(t, 0)
		second := f.later(t, gather)
		if len(first.Rows) != 1 || len(second.Rows) != 4 || *second.Seq != *first.Seq+1 {
			t.Errorf("the page is %+v, then %+v", first, second)
		}
	})
}

func TestAPageIsNotShownBeforeEverythingWasReadAndSaysWhyNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		terminal := plugintest.New(t, 0, waiting())
		c := interceptor.NewClient(terminal.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				if _, nodes := list.(*corev1.NodeList); nodes {
					return errors.New("connection refused")
				}
				return c.List(ctx, list, options...)
			},
		})
		f := newFeed(terminal.App, c, time.Hour, parts{clock: clock.RealClock{}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); f.run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		got, _ := take(t, f.hub, "")
		if got.Full || got.Rows != nil || got.Server == nil || got.Server.Live || !strings.Contains(got.Server.Why, "connection refused") {
			t.Errorf("the page is %+v", got)
		}
		cancel()
		<-done
	})
}

func TestWhatRunsIsReadEveryFewSecondsAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		terminal := plugintest.New(t, 0)
		reads := 0
		c := interceptor.NewClient(terminal.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				in := client.ListOption(client.InNamespace(install.DefaultNamespace))
				if _, managers := list.(*appsv1.DeploymentList); managers && slices.Contains(options, in) {
					reads++
				}
				if ctx.Err() != nil {
					t.Errorf("it is asked for by a request that has ended")
				}
				return c.List(ctx, list, options...)
			},
		})
		f := newFeed(terminal.App, c, time.Hour, parts{clock: clock.RealClock{}})
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for i, want := range []int{1, 1, 1, 2, 2} {
			if f.installed(gone) == nil || reads != want {
				t.Errorf("the request %d reads: %d reads", i, reads)
			}
			time.Sleep([]time.Duration{0, installedLife, 1, 0, 0}[i])
		}
	})
}

func TestAFileSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	failing := func(terminal *plugintest.Terminal) client.Reader {
		return interceptor.NewClient(terminal.Client, interceptor.Funcs{
			List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
				return errors.New("connection refused")
			},
		})
	}
	for name, c := range map[string]struct {
		to    time.Duration
		fleet *app.Fleet
		notes []string
		rows  int
	}{
		"one that ended before": {-time.Hour, &app.Fleet{}, []string{
			"The timeline ends at 2026-03-02 11:00:00 UTC: what is expected, and nodes to which nothing happened, are left out.",
		}, 0},
		"one that ends now, of nodes that need nothing": {0, &app.Fleet{Nodes: []corev1.Node{node("worker-1", nil)}}, []string{}, 1},
		"one that ends now, without a forecast": {
			0, &app.Fleet{Nodes: []corev1.Node{node("worker-1", nil)}, Reboots: []v1alpha1.NodeReboot{*waiting()}},
			[]string{"There is no forecast: Read RebootPolicies: connection refused."}, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terminal := plugintest.New(t, 0)
			var out bytes.Buffer
			about := &history.Input{From: noon.Add(-2 * time.Hour), To: noon.Add(c.to), Now: noon, Zone: time.UTC, Nodes: c.fleet.Nodes}
			if err := WriteFile(t.Context(), terminal.App, failing(terminal), &out, c.fleet, about); err != nil {
				t.Fatal(err)
			}
			var doc Document
			if err := json.Unmarshal([]byte(inlined.FindStringSubmatch(out.String())[1]), &doc); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.notes, doc.Notes); diff != "" || len(doc.Rows) != c.rows {
				t.Errorf("it has %d rows; the notes (-want +got):\n%s", len(doc.Rows), diff)
			}
		})
	}
}

func TestAFileIsAboutTheNodesThatWereAskedFor(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0)
	var out bytes.Buffer
	fleet := &app.Fleet{Nodes: []corev1.Node{node("worker-1", nil), node("worker-2", nil)}}
	about := &history.Input{From: noon.Add(-time.Hour), To: noon, Now: noon, Zone: time.UTC, OnlyNodes: []string{"worker-2"}}
	if err := WriteFile(t.Context(), terminal.App, terminal.Client, &out, fleet, about); err != nil {
		t.Fatal(err)
	}
	if page := out.String(); strings.Contains(page, "worker-1") || !strings.Contains(page, "worker-2") {
		t.Errorf("the page is about others: %s", inlined.FindString(page))
	}
}
