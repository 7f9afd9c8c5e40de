package timeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history/recorded"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

func TestWhatCannotBeShownIsSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"an unknown name":     {[]string{"worker-99"}, app.ExitFailed, `no node, RebootPolicy or NodeReboot is named "worker-99"; see kubectl get`},
		"no such policy":      {[]string{"policy/worker-b4"}, app.ExitFailed, `is named "policy/worker-b4"`},
		"an unknown kind":     {[]string{"pod/web"}, app.ExitUsage, "write the name of a node or a RebootPolicy"},
		"no time":             {[]string{"--since", "yesterday"}, app.ExitUsage, `--since "yesterday" is not a time: write how long ago, such as 90m`},
		"no time to come":     {[]string{"--until", "tomorrow"}, app.ExitUsage, `such as 90m, 24h or 7d, how far ahead, such as +4h, or a time`},
		"times in their turn": {[]string{"--since", "1h", "--until", "2h"}, app.ExitUsage, "--since 1h is not before --until 2h"},
		"an unknown output":   {[]string{"-o", "yaml"}, app.ExitUsage, `--output "yaml": write text, json`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := terminal(t, 80, recorded.End(t)).Run(plugin.Run, append([]string{"timeline"}, test.args...)...)
			if code != test.code || !strings.Contains(errOut, test.want) || out != "" {
				t.Errorf("it ended with %d, %q and %q", code, out, errOut)
			}
		})
	}
}

func TestNodesAreNamedInManyWays(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"worker-b4": {"worker-b4"}, "node/worker-b4": {"worker-b4"}, "worker-b4-2": {"worker-b4"}, "nrb/worker-b4-2": {"worker-b4"},
	} {
		_, out, errOut := terminal(t, 0, recorded.End(t)).Run(plugin.Run, "timeline", "-o", "json", name)
		var chart history.Chart
		if err := json.Unmarshal([]byte(out), &chart); err != nil {
			t.Fatalf("%s: %v: %s", name, err, errOut)
		}
		if len(chart.Lanes) != 1 || len(chart.Lanes[0].Rows) != 1 || chart.Lanes[0].Rows[0].Node != want[0] {
			t.Errorf("%s: lanes are %+v", name, chart.Lanes)
		}
		if chart.Version != history.Version || len(chart.Lanes[0].Rows[0].Story) == 0 {
			t.Errorf("%s: the chart is of version %q and has no story", name, chart.Version)
		}
	}
}

func TestThePageOfTheDashboardIsWrittenAsAFile(t *testing.T) {
	t.Parallel()
	code, out, errOut := terminal(t, 0, recorded.End(t)).Run(plugin.Run, "timeline", "worker-b5", "-o", "html")
	if code != app.ExitOK || errOut != "" || !strings.Contains(out, "<html") {
		t.Errorf("it ended with %d, %s and\n%.2000s", code, errOut, out)
	}
	if !strings.Contains(out, `"worker-b5"`) || strings.Contains(out, `"worker-b6"`) {
		t.Errorf("it ended with %d, %s and\n%.2000s", code, errOut, out)
	}
}

// running are a manager that leads and a helper on each node.
func running(rollout *recorded.Rollout) []client.Object {
	const namespace = "reboot-operator-system"
	all := []client.Object{&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: install.LeaseName},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: rollout.Now}},
	}}
	for i := range rollout.Nodes {
		name := rollout.Nodes[i].Name
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "helper-" + name, Labels: map[string]string{v1alpha1.ComponentLabel: "helper"},
		}}
		pod.Spec.NodeName = name
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		all = append(all, pod)
	}
	return all
}

func TestTheFileKnowsWhatRuns(t *testing.T) {
	t.Parallel()
	rollout := recorded.End(t)
	terminal := plugintest.New(t, 0, append(rollout.Objects(), running(rollout)...)...)
	terminal.Clock = clocktesting.NewFakePassiveClock(rollout.Now)
	_, out, errOut := terminal.Run(plugin.Run, "timeline", "-o", "html")
	if !strings.Contains(out, "Its helper (pod helper-worker-b5) is Ready") {
		t.Errorf("it does not say that a helper is Ready: %s", errOut)
	}
	for _, wrong := range []string{"No manager is running", "No helper runs", "kubectl -n  "} {
		if strings.Contains(out, wrong) {
			t.Errorf("it says %q", wrong)
		}
	}
}

func TestAFileThatEndsNowHasWhatIsExpected(t *testing.T) {
	t.Parallel()
	rollout := recorded.Middle(t)
	rollout.Nodes = append(rollout.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "idle-1"}})
	const forecast, idle, note = `"forecast":true`, `"node":"idle-1"`, "The timeline ends at "
	_, out, errOut := terminal(t, 0, rollout).Run(plugin.Run, "timeline", "-o", "html")
	if !strings.Contains(out, forecast) || !strings.Contains(out, idle) || strings.Contains(out, note) {
		t.Errorf("it lacks what the dashboard shows: %s\n%s", errOut, out)
	}
	_, out, errOut = terminal(t, 0, rollout).Run(plugin.Run, "timeline", "-o", "html", "--until", "1s")
	if strings.Contains(out, forecast) || !strings.Contains(out, note) {
		t.Errorf("it does not say that nothing is expected in it: %s", errOut)
	}
}

func TestATimelineThatEndsInTheFutureHasWhatIsExpected(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		until string
		want  bool
	}{
		"it ends now":              {"now", false},
		"it ends in a few minutes": {"+2m", true},
	} {
		rollout := recorded.Middle(t)
		terminal := plugintest.New(t, 120, append(rollout.Objects(), running(rollout)...)...)
		terminal.Clock = clocktesting.NewFakePassiveClock(rollout.Now)
		_, text, errOut := terminal.Run(plugin.Run, "timeline", "--no-color", "--until", test.until)
		if strings.Contains(text, "- expected") != test.want {
			t.Errorf("%s: %s%s", name, errOut, text)
		}
		_, chart, errOut := terminal.Run(plugin.Run, "timeline", "--until", test.until, "-o", "json")
		if strings.Contains(chart, `"forecast": true`) != test.want {
			t.Errorf("%s: %s%s", name, errOut, chart)
		}
	}
}

func TestATimelineWithoutAForecastSaysWhy(t *testing.T) {
	t.Parallel()
	terminal := terminal(t, 120, recorded.Middle(t))
	refused := interceptor.NewClient(terminal.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, are := list.(*corev1.PodList); are {
				return forbidden("pods")
			}
			return c.List(ctx, list, opts...)
		},
	})
	terminal.Connect = func() (client.WithWatch, error) { return refused, nil }
	code, text, errOut := terminal.Run(plugin.Run, "timeline", "--no-color", "--until", "+1h")
	if code != 0 || !strings.Contains(text, "You may not read Pods") {
		t.Errorf("%d: %s%s", code, errOut, text)
	}
}

// answering is a client of a recorded rollout whose lists fail as a function says.
func answering(t *testing.T, fails func(client.ObjectList) error) *plugintest.Terminal {
	t.Helper()
	terminal := terminal(t, 80, recorded.End(t))
	terminal.Connect = func() (client.WithWatch, error) {
		return interceptor.NewClient(terminal.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				if err := fails(list); err != nil {
					return err
				}
				return c.List(ctx, list, opts...)
			},
		}), nil
	}
	return terminal
}

func forbidden(resource string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no"))
}

func TestEventsThatCannotBeReadAreLeftOut(t *testing.T) {
	t.Parallel()
	terminal := answering(t, func(list client.ObjectList) error {
		if _, are := list.(*eventsv1.EventList); are {
			return forbidden("events")
		}
		return nil
	})
	code, out, _ := terminal.Run(plugin.Run, "timeline", "worker-b5", "--no-color")
	for _, want := range []string{"Note: Events are left out: you may not read Events", "The host asked for a reboot."} {
		if code != app.ExitOK || !strings.Contains(out, want) {
			t.Errorf("it ended with %d and does not say %q:\n%s", code, want, out)
		}
	}
	if code, out, _ = terminal.Run(plugin.Run, "timeline", "--no-color"); code != app.ExitOK || strings.Contains(out, "Events") {
		t.Errorf("without stories it ended with %d and says\n%s", code, out)
	}
}

func TestObjectsThatCannotBeReadEndTheCommand(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"no permission": {forbidden("nodereboots"), "you may not read NodeReboots"},
		"not installed": {&meta.NoKindMatchError{}, "reboot-operator is not installed in this cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := answering(t, func(list client.ObjectList) error {
				if _, are := list.(*v1alpha1.NodeRebootList); are {
					return test.err
				}
				return nil
			}).Run(plugin.Run, "timeline")
			if code != app.ExitFailed || out != "" || !strings.Contains(errOut, test.want) {
				t.Errorf("it ended with %d, %q and %q", code, out, errOut)
			}
		})
	}
}

func TestTextOfOthersCannotTurnALine(t *testing.T) {
	t.Parallel()
	rollout := recorded.End(t)
	for i := range rollout.Reboots {
		rollout.Reboots[i].Status.Message = "left\u202eright\u2066\u2028below"
	}
	for _, args := range [][]string{{"worker-a2"}, {"worker-a2", "-o", "svg"}} {
		_, out, _ := terminal(t, 80, rollout).Run(plugin.Run, append([]string{"timeline"}, args...)...)
		if out == "" || strings.ContainsAny(out, "\u202e\u2066\u2028") {
			t.Errorf("%v turns a line:\n%s", args, out)
		}
	}
}

func TestAnEmptyClusterHasNoTimeline(t *testing.T) {
	t.Parallel()
	code, out, _ := plugintest.New(t, 80).Run(plugin.Run, "timeline", "--no-color")
	if code != app.ExitOK || !strings.HasSuffix(out, "\nNothing happened in this time.\n") {
		t.Errorf("it ended with %d and says\n%s", code, out)
	}
}

func TestColorsAreForTerminals(t *testing.T) {
	t.Parallel()
	if _, out, _ := terminal(t, 0, recorded.End(t)).Run(plugin.Run, "timeline"); strings.Contains(out, "\x1b") {
		t.Errorf("a file has colors:\n%s", out)
	}
	if _, out, _ := terminal(t, 80, recorded.End(t)).Run(plugin.Run, "timeline", "-o", "svg"); strings.Contains(out, "\x1b") {
		t.Errorf("a picture has the colors of a terminal:\n%s", out)
	}
}

func TestDaysAreShownWhereTheyChange(t *testing.T) {
	t.Parallel()
	rollout := recorded.End(t)
	terminal := terminal(t, 80, rollout)
	terminal.Zone = time.FixedZone("AEDT", 11*3600)
	_, out, _ := terminal.Run(plugin.Run, "timeline", "--since", "20h", "--no-color")
	lines := strings.Split(out, "\n")
	days := strings.Join(strings.Fields(lines[2]), " ")
	if lines[0] != "Sat 2026-11-28 17:44 to Sun 2026-11-29 13:44 AEDT" || days != "Nov 28 Sun Nov 29" {
		t.Errorf("it says\n%s", out)
	}
}

func TestFifteenThousandNodesHaveATimeline(t *testing.T) {
	t.Parallel()
	const count = 15000
	nodes, reboots := make([]corev1.Node, count), make([]v1alpha1.NodeReboot, count)
	for i := range count {
		nodes[i].Name, reboots[i].Name = fmt.Sprintf("節点-%d", i), fmt.Sprintf("reboot-%d", i)
		reboots[i].Spec.NodeName, reboots[i].CreationTimestamp = nodes[i].Name, metav1.NewTime(plugintest.Now.Add(-time.Hour))
	}
	terminal := plugintest.New(t, 80)
	terminal.Connect = func() (client.WithWatch, error) {
		return interceptor.NewClient(terminal.Client, interceptor.Funcs{
			List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
				switch list := list.(type) {
				case *corev1.NodeList:
					list.Items = nodes
				case *v1alpha1.NodeRebootList:
					list.Items = reboots
				}
				return nil
			},
		}), nil
	}
	for _, output := range []string{"text", "svg", "json"} {
		code, out, errOut := terminal.Run(plugin.Run, "timeline", "-o", output)
		if code != app.ExitOK || !strings.Contains(out, "節点-14999") {
			t.Errorf("%s ended with %d and %s", output, code, errOut)
		}
	}
}
