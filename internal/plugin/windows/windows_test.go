package windows_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/internal/plugin/windows"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return instant
}

func policy(name string, schedule v1alpha1.ScheduleSpec) *v1alpha1.RebootPolicy {
	return &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.RebootPolicySpec{Schedule: schedule}}
}

func weekly(seconds int32, start string, days ...v1alpha1.Weekday) v1alpha1.ScheduleWindow {
	return v1alpha1.ScheduleWindow{Weekly: &v1alpha1.WeeklyWindow{Days: days, Start: start}, DurationSeconds: seconds}
}

func freeze(t *testing.T, name, from, to string) v1alpha1.Freeze {
	return v1alpha1.Freeze{Name: name, From: metav1.Time{Time: at(t, from)}, To: metav1.Time{Time: at(t, to)}}
}

var week = []v1alpha1.Weekday{
	v1alpha1.Monday, v1alpha1.Tuesday, v1alpha1.Wednesday, v1alpha1.Thursday, v1alpha1.Friday, v1alpha1.Saturday, v1alpha1.Sunday,
}

// outline describes a schedule in a few words, in UTC.
func outline(s *windows.Schedule) []string {
	lines := []string{string(s.State)}
	for _, p := range s.Periods {
		line := strings.TrimSpace(p.Kind + " " + p.Name)
		for _, t := range []*metav1.Time{p.From, p.To} {
			if t == nil {
				line += " ?"
				continue
			}
			line += " " + t.UTC().Format("0102T15:04")
		}
		if p.Now {
			line += " now"
		}
		if len(p.CutBy) > 0 {
			line += " cut by " + strings.Join(p.CutBy, ",")
			for _, span := range p.Open {
				line += " " + span.From.UTC().Format("15:04") + "-" + span.To.UTC().Format("15:04")
			}
		}
		if p.ClockChange != "" {
			line += " " + p.ClockChange
		}
		lines = append(lines, line)
	}
	return append(lines, s.Problems...)
}

func TestTheNextWindowsAndFreezesAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now      string
		schedule v1alpha1.ScheduleSpec
		want     []string
	}{
		"none": {"2026-03-02T12:00:00Z", v1alpha1.ScheduleSpec{}, []string{"Open"}},
		"one that is open": {
			"2026-03-02T12:00:00Z", v1alpha1.ScheduleSpec{Windows: []v1alpha1.ScheduleWindow{weekly(7200, "11:00", week...)}},
			[]string{"Open", "Window 0302T11:00 0302T13:00 now", "Window 0303T11:00 0303T13:00"},
		},
		"one that has just closed": {
			"2026-03-02T13:00:00Z", v1alpha1.ScheduleSpec{Windows: []v1alpha1.ScheduleWindow{weekly(7200, "11:00", week...)}},
			[]string{"Closed", "Window 0303T11:00 0303T13:00", "Window 0304T11:00 0304T13:00"},
		},
		"two that overlap are one": {
			"2026-03-02T10:00:00Z",
			v1alpha1.ScheduleSpec{Windows: []v1alpha1.ScheduleWindow{
				weekly(7200, "11:00", v1alpha1.Monday), weekly(7200, "12:00", v1alpha1.Monday),
			}},
			[]string{"Closed", "Window 0302T11:00 0302T14:00", "Window 0309T11:00 0309T14:00"},
		},
		"open day and night": {
			"2026-03-02T10:00:00Z", v1alpha1.ScheduleSpec{Windows: []v1alpha1.ScheduleWindow{weekly(86400, "00:00", week...)}},
			[]string{"Open", "Window ? ? now"},
		},
		"freezes alone": {
			"2026-03-02T10:00:00Z",
			v1alpha1.ScheduleSpec{Freezes: []v1alpha1.Freeze{
				freeze(t, "over", "2026-03-01T00:00:00Z", "2026-03-02T10:00:00Z"), freeze(t, "now", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"),
			}},
			[]string{"Frozen", "Freeze now 0302T10:00 0302T11:00 now"},
		},
		"what freezes cut": {
			"2026-03-02T10:00:00Z",
			v1alpha1.ScheduleSpec{
				Windows: []v1alpha1.ScheduleWindow{weekly(4*3600, "12:00", v1alpha1.Monday, v1alpha1.Tuesday)},
				Freezes: []v1alpha1.Freeze{
					freeze(t, "lunch", "2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z"),
					freeze(t, "tuesday", "2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z"),
				},
			},
			[]string{
				"Closed", "Window 0302T12:00 0302T16:00 cut by lunch 12:00-13:00 14:00-16:00", "Freeze lunch 0302T13:00 0302T14:00",
				"Freeze tuesday 0303T00:00 0304T00:00", "Window 0303T12:00 0303T16:00 cut by tuesday",
			},
		},
		"clocks that are set forward over the opening": {
			"2026-03-28T12:00:00Z",
			v1alpha1.ScheduleSpec{TimeZone: "Europe/Berlin", Windows: []v1alpha1.ScheduleWindow{weekly(3600, "02:30", week...)}},
			[]string{
				"Closed", "Window 0329T01:00 0329T02:00 clocks are set forward by 1h as it opens", "Window 0330T00:30 0330T01:30",
			},
		},
		"clocks that are set back in a window": {
			"2026-10-24T12:00:00Z",
			v1alpha1.ScheduleSpec{TimeZone: "Europe/Berlin", Windows: []v1alpha1.ScheduleWindow{weekly(7200, "02:00", week...)}},
			[]string{"Closed", "Window 1025T00:00 1025T02:00 clocks are set back by 1h while it is open", "Window 1026T01:00 1026T03:00"},
		},
		"clocks that are set between two windows": {
			"2026-10-24T12:00:00Z",
			v1alpha1.ScheduleSpec{TimeZone: "Europe/Berlin", Windows: []v1alpha1.ScheduleWindow{weekly(3600, "22:00", week...)}},
			[]string{"Closed", "Window 1024T20:00 1024T21:00", "Window 1025T21:00 1025T22:00 clocks are set back by 1h since the window before"},
		},
		"one that is wrong": {
			"2026-10-24T12:00:00Z", v1alpha1.ScheduleSpec{Windows: []v1alpha1.ScheduleWindow{{Cron: "* * * * *", DurationSeconds: 0}}},
			[]string{"", "spec.schedule.windows[0].durationSeconds: 0 seconds: the window never opens; write how many seconds it stays open"},
		},
	} {
		got := outline(windows.Of(policy("p", c.schedule), at(t, c.now), 2))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func run(t *testing.T, columns int, args ...string) (int, string, string) {
	t.Helper()
	terminal := plugintest.New(t, columns,
		policy("always", v1alpha1.ScheduleSpec{}),
		policy("frozen", v1alpha1.ScheduleSpec{Freezes: []v1alpha1.Freeze{
			freeze(t, "東京の停止期間名前名前名前名前名前", "2026-03-01T00:00:00Z", "2026-04-02T00:00:00Z"),
		}}),
	)
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	terminal.Zone, terminal.Clock = zone, clocktesting.NewFakePassiveClock(at(t, "2026-10-24T20:30:00Z"))
	if slices.Contains(args, "cluster") {
		terminal.Clock = clocktesting.NewFakePassiveClock(at(t, "2026-03-02T12:00:00Z"))
		args = slices.DeleteFunc(args, func(a string) bool { return a == "cluster" })
	}
	return terminal.Run(plugin.Run, append([]string{"windows", "--no-color"}, args...)...)
}

func TestWindowsOfAFileFitTheTerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{80, 120} {
		code, out, errOut := run(t, columns, "-f", "testdata/policies.yaml", "--next", "5")
		if code != app.ExitNo || errOut != "" {
			t.Errorf("it ended with %d: %s", code, errOut)
		}
		golden.Compare(t, filepath.Join("testdata", fmt.Sprintf("file-%d", columns)+".txt"), out)
		for line := range strings.SplitSeq(out, "\n") {
			if cells.Width(line) > columns {
				t.Errorf("%d columns, and the line has %d: %s", columns, cells.Width(line), line)
			}
		}
	}
}

func TestWindowsOfTheClusterAreShown(t *testing.T) {
	t.Parallel()
	code, out, errOut := run(t, 80, "cluster", "frozen", "always")
	if code != app.ExitOK {
		t.Errorf("it ended with %d: %s", code, errOut)
	}
	golden.Compare(t, filepath.Join("testdata", "cluster-80.txt"), out)
}

func TestJSONHasEveryWindow(t *testing.T) {
	t.Parallel()
	_, out, _ := run(t, 80, "-f", "testdata/policies.yaml", "workers", "--next", "3", "-o", "json")
	var answer struct{ Policies []windows.Schedule }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Policies) != 1 || answer.Policies[0].Policy != "workers" || len(answer.Policies[0].Periods) != 4 {
		t.Errorf("the answer:\n%s", out)
	}
}

func TestAMistakeIsExplained(t *testing.T) {
	t.Parallel()
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	head := "apiVersion: reboot-operator.io/v1alpha1\nkind: RebootPolicy\nmetadata: {name: p}\n"
	for want, c := range map[string]struct {
		code int
		args []string
	}{
		"name one or more RebootPolicies, or a file with -f":   {app.ExitUsage, nil},
		"-o name: write json or yaml":                          {app.ExitUsage, []string{"p", "-o", "name"}},
		"--next 0: write 1 to 1000":                            {app.ExitUsage, []string{"p", "--next", "0"}},
		"there is no RebootPolicy p; there are always, frozen": {app.ExitFailed, []string{"p"}},
		"no such file or directory":                            {app.ExitFailed, []string{"-f", "testdata/nothing.yaml"}},
		"has no RebootPolicy":                                  {app.ExitFailed, []string{"-f", write("# nothing\n")}},
		"schedul":                                              {app.ExitNo, []string{"-f", write(head + "spec: {schedul: {}}\n")}},
		"line 1: ":                                             {app.ExitFailed, []string{"-f", write("a: [")}},
		"there is no RebootPolicy other; there are p":          {app.ExitFailed, []string{"other", "-f", write(head + "spec: {nodes: All}\n")}},
	} {
		code, out, errOut := run(t, 80, c.args...)
		if code != c.code || !strings.Contains(out+errOut, want) {
			t.Errorf("%q ended with %d: %s%s", c.args, code, out, errOut)
		}
	}
}
