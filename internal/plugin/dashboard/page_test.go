package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	if len(doc.Details) != 2 || !strings.Contains(doc.Details["worker-1"].Why, "paused") || len(doc.Details["worker-2"].Commands) == 0 {
		t.Errorf("the details are %+v", doc.Details)
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
	done := metav1.NewMicroTime(noon.Add(-time.Minute))
	old := metav1.NewMicroTime(noon.Add(-48 * time.Hour))
	for name, c := range map[string]struct {
		change func(*v1alpha1.NodeReboot)
		want   Row
	}{
		"one that nobody looked at": {func(r *v1alpha1.NodeReboot) { r.Status.Phase = "" }, Row{State: "Waiting", Open: true}},
		"one that drains":           {func(r *v1alpha1.NodeReboot) { r.Status.Phase, r.Status.Reason = "Draining", "Draining" }, Row{State: "Draining", Reason: "Draining", Open: true}},
		"a drain that is refused":   {func(r *v1alpha1.NodeReboot) { r.Status.Phase, r.Status.Reason = "Draining", "EvictionRefused" }, Row{State: "Draining", Reason: "EvictionRefused", Open: true, Warn: true}},
		"one that is rolled back": {func(r *v1alpha1.NodeReboot) {
			r.Status.Phase, r.Status.Attempt = "Draining", &v1alpha1.Attempt{RolledBackTime: &done}
		}, Row{State: "RolledBack", Open: true}},
		"one that is proved": {func(r *v1alpha1.NodeReboot) {
			r.Status.Phase, r.Status.CompletionTime, r.Status.OutcomeReason = "Succeeded", &done, "Proved"
		}, Row{State: "Proved", Reason: "Proved", Ended: done.UnixMilli()}},
		"one that failed": {func(r *v1alpha1.NodeReboot) {
			r.Status.Phase, r.Status.CompletionTime, r.Status.OutcomeReason = "Failed", &done, "NodeNotBack"
		}, Row{State: "Failed", Reason: "NodeNotBack", Ended: done.UnixMilli(), Warn: true}},
		"one that was proved before": {func(r *v1alpha1.NodeReboot) { r.Status.Phase, r.Status.CompletionTime = "Succeeded", &old }, Row{State: "Idle"}},
		"one of a newer version":     {func(r *v1alpha1.NodeReboot) { r.Status.Phase = "Hibernating" }, Row{State: "Unknown", Open: true}},
		"one that cannot be read":    {func(r *v1alpha1.NodeReboot) { r.Abridged = true }, Row{State: "Unknown", Open: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := inputOf(map[string]v1alpha1.Phase{"worker-1": v1alpha1.PhasePending})
			c.change(&in.Fleet.Reboots[0])
			got := Build(in).Rows[0]
			got = Row{State: got.State, Reason: got.Reason, Open: got.Open, Warn: got.Warn, Ended: got.Ended}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("the row (-want +got):\n%s", diff)
			}
		})
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

func TestTheRebootThatHoldsASlotSaysWhereANodeIs(t *testing.T) {
	t.Parallel()
	done := metav1.NewMicroTime(noon)
	fleet := &app.Fleet{Reboots: []v1alpha1.NodeReboot{
		{ObjectMeta: metav1.ObjectMeta{Name: "z-waits"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "worker-1"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "holds"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "worker-1"}, Status: v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{Number: 1}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "ended"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "worker-1"}, Status: v1alpha1.NodeRebootStatus{CompletionTime: &done}},
	}}
	if got := lastReboots(fleet)["worker-1"].Name; got != "holds" {
		t.Errorf("it is %s", got)
	}
}
