package dashboard

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

// after noon, as objects and as pages have it.
func after(d time.Duration) *metav1.MicroTime { return ptr.To(metav1.NewMicroTime(noon.Add(d))) }

func node(name string, labels map[string]string) corev1.Node {
	return corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func policy(name string, change func(*v1alpha1.RebootPolicy)) v1alpha1.RebootPolicy {
	p := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.RebootPolicySpec{Nodes: v1alpha1.NodesAll}}
	if change != nil {
		change(&p)
	}
	return p
}

// pageOf is a page about a fleet, an hour back.
func pageOf(fleet *app.Fleet, expected *forecast.Forecast) *Document {
	return Build(&Input{
		Cluster: "test", Fleet: fleet, Forecast: expected, Zone: time.UTC,
		Chart: MakeChart(fleet, expected, noon.Add(-time.Hour), noon, time.UTC),
	})
}

func TestTheChartReachesTwoDaysAheadAndToTheEndOfWhatIsExpected(t *testing.T) {
	t.Parallel()
	now := noon.Add(7 * time.Minute)
	for name, c := range map[string]struct {
		end  []time.Duration
		want time.Duration
	}{
		"nothing is expected":           {nil, 48 * time.Hour},
		"something soon":                {[]time.Duration{time.Hour}, 48 * time.Hour},
		"something later":               {[]time.Duration{50*time.Hour + 10*time.Minute, time.Hour}, 50*time.Hour + 15*time.Minute},
		"something at the end of a bar": {[]time.Duration{48 * time.Hour}, 48*time.Hour + 15*time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &forecast.Forecast{Computed: noon}
			for i, end := range c.end {
				start, end := noon.Add(time.Minute), noon.Add(end)
				f.Nodes = append(f.Nodes, forecast.Node{
					Name: fmt.Sprint(i), State: forecast.Waiting, Start: forecast.Times{P50: &start}, Back: forecast.Times{P50: &end},
				})
			}
			chart := MakeChart(&app.Fleet{}, f, now.Add(-time.Hour), now, time.UTC)
			if want := noon.Add(-time.Hour); !chart.From.Equal(want) || !chart.To.Equal(noon.Add(c.want)) {
				t.Errorf("it goes from %s to %s, not to %s", chart.From, chart.To, noon.Add(c.want))
			}
		})
	}
}

func TestWhatIsExpectedStartsWhenTheForecastWasMadeIfItIsUnderWay(t *testing.T) {
	t.Parallel()
	past, soon, late := noon.Add(-time.Hour), noon.Add(time.Hour), noon.Add(2*time.Hour)
	times := func(at time.Time) forecast.Times { return forecast.Times{P50: &at} }
	f := &forecast.Forecast{Computed: noon, Nodes: []forecast.Node{
		{Name: "under way", Policy: "p", Zone: "z", Reboot: "r", State: forecast.UnderWay, Start: times(past), Back: times(late)},
		{Name: "starts now", State: forecast.UnderWay, Start: times(soon), Back: times(late)},
		{Name: "waits", State: forecast.Waiting, Start: times(past), Back: times(late)},
		{Name: "never starts", State: forecast.Waiting, Back: times(late)},
		{Name: "never ends", State: forecast.Waiting, Start: times(soon)},
	}}
	want := []history.Expected{
		{Node: "under way", Policy: "p", Zone: "z", Reboot: "r", Start: noon, End: late},
		{Node: "starts now", Start: soon, End: late}, {Node: "waits", Start: past, End: late},
	}
	if diff := cmp.Diff(want, Expected(f)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Expected(nil); got != nil {
		t.Errorf("without a forecast, %v is expected", got)
	}
}

func TestThePageHasZonesWindowsAndNotes(t *testing.T) {
	t.Parallel()
	fleet := &app.Fleet{
		Nodes: []corev1.Node{node("n", map[string]string{corev1.LabelTopologyZone: "z", v1alpha1.ControlPlaneLabel: ""}), node("m", nil)},
		Policies: []v1alpha1.RebootPolicy{policy("p", func(p *v1alpha1.RebootPolicy) {
			p.Spec.Schedule.Freezes = []v1alpha1.Freeze{{Name: "release", From: metav1.NewTime(noon), To: metav1.NewTime(noon.Add(time.Hour))}}
		})},
		Reboots: []v1alpha1.NodeReboot{
			{
				ObjectMeta: metav1.ObjectMeta{Name: "n", ResourceVersion: "7"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "n"},
				Status: v1alpha1.NodeRebootStatus{PolicyName: "p", RequiredSince: after(-time.Minute), TaintedTime: after(-time.Second)},
			},
			{ObjectMeta: metav1.ObjectMeta{Name: "nameless"}},
		},
	}
	in := &Input{
		Cluster: "test", Fleet: fleet, Zone: time.UTC, Notes: []string{"You may not read Pods."}, Forecast: &forecast.Forecast{Why: "no reason"},
		Chart: MakeChart(fleet, nil, noon.Add(-time.Hour), noon, time.UTC),
	}
	at := func(d time.Duration) int64 { return noon.Add(d).UnixMilli() }
	want := &Document{
		Full: true, Head: &Head{
			At: at(0), Cluster: "test", From: at(-time.Hour), To: at(48 * time.Hour), Zones: []string{"z", ""},
			Policies: []Policy{{Name: "p", Waiting: 1}},
			Shades:   []Shade{{Policy: "p", Kind: "Freeze", Name: "release", From: at(0), To: at(time.Hour)}},
			Notes:    []string{"You may not read Pods.", "NodeReboot nameless names no node that can be read, so it is not shown."},
		},
		Rows: []Row{{
			Node: "n", Zone: "z", Policy: "p", ControlPlane: true, State: "Waiting", Open: true, Version: "7",
			Bars: []Bar{{Kind: "Waiting", From: at(-time.Minute)}}, Marks: []Mark{{Kind: "Tainted", At: at(-time.Second)}},
		}, {Node: "m", Policy: "p", State: "Idle"}},
	}
	if diff := cmp.Diff(want, Build(in)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(in.Notes) != 1 {
		t.Errorf("the notes of the input are %q", in.Notes)
	}
}

func TestAPageWithoutAnythingHasEmptyLists(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(pageOf(&app.Fleet{}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"zones", "policies", "shades", "notes"} {
		if got, is := doc[list].([]any); !is || len(got) != 0 {
			t.Errorf("%s is %v", list, doc[list])
		}
	}
}

func TestTheNodeRebootThatSaysMostIsThatOfTheNode(t *testing.T) {
	t.Parallel()
	made := func(name string, change func(*v1alpha1.NodeReboot)) v1alpha1.NodeReboot {
		r := v1alpha1.NodeReboot{
			ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: name}, Spec: v1alpha1.NodeRebootSpec{NodeName: "n"},
			Status: v1alpha1.NodeRebootStatus{RequiredSince: after(-30 * time.Minute)},
		}
		if change != nil {
			change(&r)
		}
		return r
	}
	ended := func(at time.Duration) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) { r.Status.CompletionTime = after(at) }
	}
	created := func(at time.Duration) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) { r.CreationTimestamp = metav1.NewTime(noon.Add(at)) }
	}
	attempt := func(ended *metav1.MicroTime) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) { r.Status.Attempt = &v1alpha1.Attempt{EndedTime: ended} }
	}
	for name, c := range map[string]struct{ most, less v1alpha1.NodeReboot }{
		"one with a slot, and one that waits":      {made("a", attempt(nil)), made("b", nil)},
		"one with a slot, and one that had one":    {made("a", attempt(nil)), made("b", attempt(after(-time.Minute)))},
		"one that waits, and one that has ended":   {made("a", nil), made("b", ended(-time.Minute))},
		"one that waits, and one that ends later":  {made("a", nil), made("b", ended(time.Minute))},
		"one that ended last":                      {made("a", ended(-time.Minute)), made("b", ended(-2*time.Minute))},
		"one that waits, and was created later":    {made("a", created(-time.Minute)), made("b", created(-2*time.Minute))},
		"two that were created at the same moment": {made("b", created(-time.Minute)), made("a", created(-time.Minute))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, reboots := range [][]v1alpha1.NodeReboot{{c.most, c.less}, {c.less, c.most}} {
				rows := pageOf(&app.Fleet{Reboots: reboots}, nil).Rows
				if len(rows) != 1 || rows[0].Version != c.most.Name || !rows[0].NoNode {
					t.Errorf("of %s and %s, the rows are %+v", reboots[0].Name, reboots[1].Name, rows)
				}
			}
		})
	}
}

func TestANodeWithoutARebootHasThePolicyThatThePlannerWouldTake(t *testing.T) {
	t.Parallel()
	selecting := func(name, key string, priority int32) v1alpha1.RebootPolicy {
		return policy(name, func(p *v1alpha1.RebootPolicy) {
			p.Spec.Nodes, p.Spec.Priority = "", priority
			p.Spec.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{key: "yes"}}
		})
	}
	created := func(name string, at time.Duration) v1alpha1.RebootPolicy {
		return policy(name, func(p *v1alpha1.RebootPolicy) { p.CreationTimestamp = metav1.NewTime(noon.Add(at)) })
	}
	deleted := policy("deleted", func(p *v1alpha1.RebootPolicy) {
		p.Spec.Priority, p.DeletionTimestamp = 100, ptr.To(metav1.NewTime(noon))
	})
	wrong := selecting("wrong", "a key that is wrong", 100)
	for name, c := range map[string]struct {
		policies []v1alpha1.RebootPolicy
		want     string
	}{
		"none":                              {nil, ""},
		"one that selects it":               {[]v1alpha1.RebootPolicy{selecting("p", "mine", 0)}, "p"},
		"one that selects others":           {[]v1alpha1.RebootPolicy{selecting("p", "other", 0)}, ""},
		"one of all nodes":                  {[]v1alpha1.RebootPolicy{policy("p", nil)}, "p"},
		"the highest priority":              {[]v1alpha1.RebootPolicy{created("a", -time.Hour), selecting("b", "mine", 5), created("c", 0)}, "b"},
		"the oldest":                        {[]v1alpha1.RebootPolicy{created("a", 0), created("b", -time.Hour), created("c", 0)}, "b"},
		"the first by name":                 {[]v1alpha1.RebootPolicy{created("c", 0), created("a", 0), created("b", 0)}, "a"},
		"one that is deleted takes no node": {[]v1alpha1.RebootPolicy{deleted, policy("p", nil)}, "p"},
		"one whose selector cannot be read": {[]v1alpha1.RebootPolicy{wrong, policy("p", nil)}, "p"},
		"one whose selector is not asked for": {[]v1alpha1.RebootPolicy{policy("p", func(p *v1alpha1.RebootPolicy) {
			p.Spec.NodeSelector = wrong.Spec.NodeSelector
		})}, "p"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet := &app.Fleet{Nodes: []corev1.Node{node("n", map[string]string{"mine": "yes"})}, Policies: slices.Clone(c.policies)}
			if got := pageOf(fleet, nil).Rows[0].Policy; got != c.want {
				t.Errorf("it is %q and not %q", got, c.want)
			}
		})
	}
}

func TestANodeThatWasRebootedByAnotherPolicyIsOfThatPolicy(t *testing.T) {
	t.Parallel()
	doc := pageOf(&app.Fleet{
		Nodes: []corev1.Node{node("n", nil)}, Policies: []v1alpha1.RebootPolicy{policy("p", nil)},
		Reboots: []v1alpha1.NodeReboot{{
			Spec: v1alpha1.NodeRebootSpec{NodeName: "n"}, Status: v1alpha1.NodeRebootStatus{PolicyName: "q", RequiredSince: after(-time.Minute)},
		}},
	}, nil)
	if got := doc.Rows[0].Policy; got != "q" {
		t.Errorf("it is %q", got)
	}
}
