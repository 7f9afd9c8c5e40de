package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func write(t *testing.T, in *Input) string {
	t.Helper()
	var out bytes.Buffer
	if err := WritePage(&out, in); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var inlined = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)

func TestNothingInTheDataCanLeaveItsPlaceInTheFile(t *testing.T) {
	t.Parallel()
	hostile := []string{
		`</script><script>alert(1)</script>`, `<!--<script>`, `]]>`, `"'` + "`" + `${alert(1)}`, "\u2028\u2029", "\u202egnp.exe", "🦊 ネズミ",
		`<img src=x onerror=alert(1)>`, "\x00\xff",
	}
	in := inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhasePending})
	in.Cluster = strings.Join(hostile, " ")
	in.Fleet.Reboots[0].Status.Message = in.Cluster
	in.Fleet.Reboots[0].Status.PolicyName = in.Cluster
	in.Fleet.Nodes[0].Labels = map[string]string{corev1.LabelTopologyZone: in.Cluster}
	in.Chart = MakeChart(in.Fleet, nil, noon.Add(-time.Hour), noon, time.UTC)
	page := write(t, in)
	if got, want := strings.Count(strings.ToLower(page), "<script"), 2; got != want {
		t.Errorf("the page has %d scripts and not %d", got, want)
	}
	if got, want := strings.Count(strings.ToLower(page), "</script"), 2; got != want {
		t.Errorf("the page ends %d scripts and not %d", got, want)
	}
	if strings.Contains(page, "<img") || strings.Contains(page, "\u2028") {
		t.Error("a message is in the page as it is")
	}
	data := inlined.FindStringSubmatch(page)
	if data == nil {
		t.Fatal("the page has no data")
	}
	var doc Document
	if err := json.Unmarshal([]byte(data[1]), &doc); err != nil {
		t.Fatal(err)
	}
	if want := strings.ToValidUTF8(in.Cluster, "\ufffd"); doc.Cluster != want || doc.Rows[0].Message != want || doc.Rows[0].Zone != want {
		t.Errorf("the names do not come back:\n%q\n%q", doc.Cluster, want)
	}
}

func TestAFileReachesForNothing(t *testing.T) {
	t.Parallel()
	page := write(t, inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhasePending}))
	found := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`).FindStringSubmatch(page)
	if len(found) != 2 || !strings.HasPrefix(found[1], "default-src 'none'; ") || strings.Contains(found[1], "unsafe") {
		t.Fatalf("the policy of the content is %q", found)
	}
	script := regexp.MustCompile(`(?s)<script type="module">(.*)</script>`).FindStringSubmatch(page)
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	if !strings.Contains(found[1], hash([]byte(script[1]))) || !strings.Contains(found[1], hash([]byte(style[1]))) {
		t.Error("the policy does not allow the script or the style of the page")
	}
	for _, bad := range []string{
		" src=", "@import", "url(", "eval(", "innerHTML", "insertAdjacentHTML", "document.write", "<!--", " style=", " onclick=",
	} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q in it", bad)
		}
	}
	files, err := filepath.Glob("web/*.js")
	if err != nil || len(files) != len(modules) {
		t.Errorf("there are %d modules, and the files are %q: %v", len(modules), files, err)
	}
	for _, module := range modules {
		for _, name := range regexp.MustCompile(`(?m)^export (?:async )?(?:function|const|class) (\w+)`).FindAllSubmatch(module, -1) {
			if !strings.Contains(script[1], string(name[1])) {
				t.Errorf("the script lacks %s", name[1])
			}
		}
	}
	for _, line := range strings.Split(script[1], "\n") {
		if strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "export ") {
			t.Errorf("a part of the script was not joined: %s", line)
		}
	}
}

func TestAFileHasTheDetailsOfEachNode(t *testing.T) {
	t.Parallel()
	in := inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhasePending, "worker-2": ""})
	in.Fleet.Reboots[0].Status.Reason, in.Fleet.Reboots[0].Status.Message = v1alpha1.ReasonPaused, "Policy workers is paused."
	var doc Document
	if err := json.Unmarshal([]byte(inlined.FindStringSubmatch(write(t, in))[1]), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Stream != "file" {
		t.Errorf("it is taken for a page that is served: the stream is %q", doc.Stream)
	}
	if len(doc.Details) != 2 || !strings.Contains(doc.Details["worker-1"].Why, "paused") || len(doc.Details["worker-2"].Commands) == 0 {
		t.Errorf("the details are %+v", doc.Details)
	}
	want := []Entry{
		{At: noon.Add(-time.Minute).UnixMilli(), Text: "Someone asked for a reboot."},
		{At: noon.UnixMilli(), Text: "Now it is pending (Paused): Policy workers is paused."},
	}
	if diff := cmp.Diff(want, doc.Details["worker-1"].Story); diff != "" {
		t.Errorf("the story (-want +got):\n%s", diff)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestAFileThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	if err := WritePage(broken{}, inputOf(nil)); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("got %v", err)
	}
}

func TestARowSaysWhereItsNodeIs(t *testing.T) {
	t.Parallel()
	done, at := after(-time.Minute), noon.Add(-time.Minute).UnixMilli()
	phase := func(phase v1alpha1.Phase, reason string) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) { r.Status.Phase, r.Status.Reason = phase, reason }
	}
	attempt := func(phase v1alpha1.Phase, a v1alpha1.Attempt) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) { r.Status.Phase, r.Status.Attempt = phase, &a }
	}
	drained := func(phase v1alpha1.Phase, drain *v1alpha1.DrainProgress) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) {
			r.Status.Phase, r.Status.Report = phase, &v1alpha1.HelperReport{Drain: drain}
		}
	}
	ended := func(phase v1alpha1.Phase, when *metav1.MicroTime, reason, message string) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) {
			r.Status.Phase, r.Status.CompletionTime, r.Status.OutcomeReason, r.Status.OutcomeMessage = phase, when, reason, message
			r.Status.UntilTime = done
		}
	}
	read := func(status string) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) {
			if err := json.Unmarshal([]byte(`{"metadata":{"name":"worker-1"},"spec":{"nodeName":"worker-1"},"status":`+status+`}`), r); err != nil {
				t.Error(err)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*v1alpha1.NodeReboot)
		want   Row
	}{
		"one that nobody looked at": {phase("", ""), Row{State: "Waiting", Open: true}},
		"one that waits":            {phase("Pending", "Paused"), Row{State: "Waiting", Reason: "Paused", Open: true}},
		"one that says why": {func(r *v1alpha1.NodeReboot) { r.Status.Message, r.Status.UntilTime = "It waits.", done },
			Row{State: "Waiting", Message: "It waits.", Until: at, Open: true}},
		"one that is stalled": {func(r *v1alpha1.NodeReboot) {
			r.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue}}
		}, Row{State: "Waiting", Open: true, Warn: true}},
		"one that drains":             {phase("Draining", "Draining"), Row{State: "Draining", Reason: "Draining", Open: true}},
		"a drain that is refused":     {phase("Draining", "EvictionRefused"), Row{State: "Draining", Reason: "EvictionRefused", Open: true, Warn: true}},
		"a drain that is stuck":       {phase("Draining", "DrainStuck"), Row{State: "Draining", Reason: "DrainStuck", Open: true, Warn: true}},
		"a drain with pods left":      {drained("Draining", &v1alpha1.DrainProgress{Remaining: 3}), Row{State: "Draining", Open: true, PodsLeft: 3}},
		"a drain without a report":    {drained("Draining", nil), Row{State: "Draining", Open: true}},
		"one that reboots":            {phase("Rebooting", "EvictionRefused"), Row{State: "Rebooting", Reason: "EvictionRefused", Open: true}},
		"one that reboots with pods":  {drained("Rebooting", &v1alpha1.DrainProgress{Remaining: 3}), Row{State: "Rebooting", Open: true}},
		"one that recovers":           {phase("Recovering", ""), Row{State: "Recovering", Open: true}},
		"one that is rolled back":     {attempt("Draining", v1alpha1.Attempt{RolledBackTime: done}), Row{State: "RolledBack", Open: true}},
		"one that was rolled back":    {attempt("Pending", v1alpha1.Attempt{RolledBackTime: done, EndedTime: done}), Row{State: "Waiting", Open: true}},
		"one that is not rolled back": {attempt("Draining", v1alpha1.Attempt{}), Row{State: "Draining", Open: true}},
		"one that fails":              {phase("Failed", ""), Row{State: "Failed", Open: true, Warn: true}},
		"one that is proved": {ended("Succeeded", done, "Proved", "It was proved."),
			Row{State: "Proved", Reason: "Proved", Message: "It was proved.", Ended: at}},
		"one that failed":       {ended("Failed", done, "NodeNotBack", ""), Row{State: "Failed", Reason: "NodeNotBack", Ended: at, Warn: true}},
		"one that is cancelled": {ended("Cancelled", done, "", ""), Row{State: "Cancelled", Ended: at}},
		"one that says no outcome": {func(r *v1alpha1.NodeReboot) {
			r.Status.Phase, r.Status.CompletionTime, r.Status.Reason, r.Status.Message = "Cancelled", done, "NotNeeded", "Nobody asks."
		}, Row{State: "Cancelled", Reason: "NotNeeded", Message: "Nobody asks.", Ended: at}},
		"one that was proved before": {ended("Succeeded", after(-48*time.Hour), "Proved", ""), Row{State: "Idle"}},
		"one that ended when the page begins": {ended("Succeeded", after(-time.Hour), "", ""),
			Row{State: "Proved", Ended: noon.Add(-time.Hour).UnixMilli()}},
		"one of a newer version":                   {phase("Hibernating", ""), Row{State: "Unknown", Open: true}},
		"one that cannot be read":                  {read(`{"phase":"Draining","attempt":{"number":"many"}}`), Row{State: "Unknown", Open: true}},
		"one with a condition that cannot be read": {read(`{"phase":"Draining","conditions":[7]}`), Row{State: "Draining", Open: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhasePending})
			c.change(&in.Fleet.Reboots[0])
			got := Build(in).Rows[0]
			got = Row{
				State: got.State, Reason: got.Reason, Message: got.Message, Open: got.Open, Warn: got.Warn, Ended: got.Ended, Until: got.Until,
				PodsLeft: got.PodsLeft,
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("the row (-want +got):\n%s", diff)
			}
		})
	}
}

func TestACardCountsTheNodesOfItsPolicy(t *testing.T) {
	t.Parallel()
	fleet := &app.Fleet{Policies: []v1alpha1.RebootPolicy{
		policy("p-10", func(p *v1alpha1.RebootPolicy) {
			p.Status.Summary, p.Status.Nodes = "All is well.", 12
			p.Status.Window = &v1alpha1.WindowStatus{State: "Open", NextClosingTime: ptr.To(metav1.NewTime(noon))}
		}),
		policy("p-2", func(p *v1alpha1.RebootPolicy) {
			p.Spec.Nodes = ""
			p.Status.Window = &v1alpha1.WindowStatus{State: "Frozen", Freeze: "release", NextOpeningTime: ptr.To(metav1.NewTime(noon))}
		}),
	}}
	add := func(policy, state string, change func(*v1alpha1.NodeRebootStatus)) {
		r := v1alpha1.NodeReboot{Spec: v1alpha1.NodeRebootSpec{NodeName: policy + state}}
		r.Status.PolicyName, r.Status.Phase, r.Status.RequiredSince = policy, v1alpha1.Phase(state), after(-time.Minute)
		if change != nil {
			change(&r.Status)
		}
		fleet.Reboots = append(fleet.Reboots, r)
	}
	for _, state := range []string{"Pending", "Draining", "Rebooting", "Recovering"} {
		add("p-2", state, nil)
	}
	for _, state := range []string{"Succeeded", "Failed", "Cancelled"} {
		add("p-2", state, func(s *v1alpha1.NodeRebootStatus) { s.CompletionTime = after(-time.Second) })
	}
	add("p-2", "RolledBack", func(s *v1alpha1.NodeRebootStatus) { s.Attempt = &v1alpha1.Attempt{RolledBackTime: after(-time.Second)} })
	add("p-10", "Pending", nil)
	add("gone", "Pending", nil)
	want := []Policy{
		{Name: "p-2", Proved: 1, UnderWay: 4, Waiting: 1, Failed: 1, Window: "Frozen", Freeze: "release", Opens: noon.UnixMilli()},
		{Name: "p-10", Summary: "All is well.", Nodes: 12, Waiting: 1, Window: "Open", Closes: noon.UnixMilli()},
	}
	if diff := cmp.Diff(want, pageOf(fleet, &forecast.Forecast{}).Policies); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestABarThatLastsHasNoEndAndOneThatIsOverHasOne(t *testing.T) {
	t.Parallel()
	in := inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhaseDraining})
	in.Fleet.Reboots[0].Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *after(-30 * time.Second)}
	in.Chart = MakeChart(in.Fleet, nil, noon.Add(-time.Hour), noon, time.UTC)
	want := []Bar{
		{Kind: "Waiting", From: noon.Add(-time.Minute).UnixMilli(), To: noon.Add(-30 * time.Second).UnixMilli()},
		{Kind: "Draining", From: noon.Add(-30 * time.Second).UnixMilli()},
	}
	if diff := cmp.Diff(want, Build(in).Rows[0].Bars); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFileThatDoesNotKnowWhatRunsSaysNothingAboutIt(t *testing.T) {
	t.Parallel()
	in := inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhasePending})
	in.Fleet.Nodes = append(in.Fleet.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "idle"}})
	in.Chart = MakeChart(in.Fleet, nil, noon.Add(-time.Hour), noon, time.UTC)
	page := write(t, in)
	for _, wrong := range []string{"No manager is running", "No helper runs", "kubectl -n  "} {
		if strings.Contains(page, wrong) {
			t.Errorf("it says %q", wrong)
		}
	}
}

func TestTheForecastIsInRowsAndCards(t *testing.T) {
	t.Parallel()
	in := inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhasePending})
	in.Fleet.Reboots[0].Status.PolicyName = "workers"
	in.Fleet.Policies = []v1alpha1.RebootPolicy{{ObjectMeta: metav1.ObjectMeta{Name: "workers"}}}
	start, back, late := noon.Add(time.Hour), noon.Add(2*time.Hour), noon.Add(60*time.Hour)
	in.Forecast = &forecast.Forecast{
		Computed: noon, Coarse: true, Why: "It had too little time.",
		Nodes: []forecast.Node{{
			Name: "worker-1", Policy: "workers", State: forecast.Waiting, Position: 1, Of: 3,
			Start: forecast.Times{P50: &start}, Back: forecast.Times{P50: &back, P90: &late},
		}},
		Policies: []forecast.Policy{{Name: "workers", Unknown: 2, Finish: forecast.Times{P50: &back, P90: &late}}},
	}
	in.Chart = MakeChart(in.Fleet, in.Forecast, noon.Add(-time.Hour), noon, time.UTC)
	doc := Build(in)
	row := doc.Rows[0]
	if row.Queue != 1 || row.Of != 3 || row.Start != start.UnixMilli() || row.Back != back.UnixMilli() || row.Late != late.UnixMilli() {
		t.Errorf("the row is %+v", row)
	}
	if last := row.Bars[len(row.Bars)-1]; !last.Forecast || last.From != start.UnixMilli() || last.To != back.UnixMilli() {
		t.Errorf("the bars are %+v", row.Bars)
	}
	want := Policy{Name: "workers", Waiting: 1, Finish: back.UnixMilli(), FinishLate: late.UnixMilli(), Never: 2}
	if diff := cmp.Diff(want, doc.Policies[0]); diff != "" {
		t.Errorf("the card (-want +got):\n%s", diff)
	}
	if len(doc.Notes) != 1 || !strings.Contains(doc.Notes[0], "coarse") {
		t.Errorf("the notes are %q", doc.Notes)
	}
}

func TestWhatIsExpectedOfANodeIsInItsRow(t *testing.T) {
	t.Parallel()
	at := noon.Add(time.Hour)
	times := forecast.Times{P50: &at}
	for name, c := range map[string]struct {
		of     forecast.Node
		change func(*v1alpha1.NodeReboot)
		want   Row
	}{
		"it waits": {forecast.Node{Name: "worker-1", State: forecast.Waiting, Start: times, Back: times}, nil,
			Row{Start: at.UnixMilli(), Back: at.UnixMilli(), Late: at.UnixMilli()}},
		"it is under way": {forecast.Node{Name: "worker-1", State: forecast.UnderWay, Start: times, Back: times}, nil,
			Row{Back: at.UnixMilli(), Late: at.UnixMilli()}},
		"it is not known to start": {
			forecast.Node{Name: "worker-1", State: forecast.Waiting, Obstacle: &forecast.Obstacle{Message: "It is paused."}}, nil,
			Row{Obstacle: "It is paused."},
		},
		"it has rebooted in the meantime": {forecast.Node{Name: "worker-1", State: forecast.UnderWay, Start: times, Back: times},
			func(r *v1alpha1.NodeReboot) { r.Status.CompletionTime = after(-time.Second) }, Row{}},
		"another node": {forecast.Node{Name: "worker-2", State: forecast.Waiting, Start: times, Back: times}, nil, Row{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhasePending})
			if c.change != nil {
				c.change(&in.Fleet.Reboots[0])
			}
			in.Forecast = &forecast.Forecast{Nodes: []forecast.Node{c.of}}
			got := Build(in).Rows[0]
			got = Row{Start: got.Start, Back: got.Back, Late: got.Late, Obstacle: got.Obstacle}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
