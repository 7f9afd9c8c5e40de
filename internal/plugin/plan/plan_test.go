package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plan"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/internal/plugin/policyfile"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

const zone = "topology.kubernetes.io/zone"

// workers is a policy with two windows that are too short for all nodes at once.
const workers = `apiVersion: reboot-operator.io/v1alpha1
kind: RebootPolicy
metadata:
  name: workers
spec:
  nodes: All
  rollout:
    maxUnavailable: 1
    zones:
      topologyKey: topology.kubernetes.io/zone
  schedule:
    timeZone: UTC
    windows:
    - weekly:
        days: [Mon, Tue]
        start: "22:00"
      durationSeconds: 3600
`

// parsed reads policies as the command does.
func parsed(t *testing.T, content string) []client.Object {
	t.Helper()
	found, err := policyfile.Read(strings.NewReader(content), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []client.Object
	for i := range found {
		if err := found[i].Err("policy.yaml"); err != nil {
			t.Fatal(err)
		}
		found[i].Object.UID, found[i].Object.Generation = types.UID("uid-"+found[i].Name), 1
		found[i].Object.CreationTimestamp = metav1.NewTime(plugintest.Now.Add(-24 * time.Hour))
		all = append(all, found[i].Object)
	}
	return all
}

// node with a helper that is Ready, and a NodeReboot if it needs a reboot.
func node(name, inZone string, needs bool) []client.Object {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{zone: inZone}}}
	n.Status.NodeInfo.BootID = "boot-of-" + name
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	helper := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "reboot-operator-system", Name: "helper-" + name}}
	helper.Labels = map[string]string{v1alpha1.ComponentLabel: "helper", "app.kubernetes.io/name": "reboot-operator"}
	helper.Spec.NodeName = name
	helper.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "DaemonSet", Name: "helper", UID: "h", Controller: ptr.To(true),
	}}
	helper.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	objects := []client.Object{n, helper}
	if needs {
		reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{
			Name: v1alpha1.SentinelRebootName(name, "boot-of-"+name), UID: types.UID("uid-of-" + name), Generation: 1,
			CreationTimestamp: metav1.NewTime(plugintest.Now.Add(-time.Hour)),
		}}
		reboot.Spec = v1alpha1.NodeRebootSpec{NodeName: name, Trigger: v1alpha1.TriggerSentinel, BootID: "boot-of-" + name}
		reboot.Status.Report = &v1alpha1.HelperReport{
			BootID: "boot-of-" + name, Sentinel: v1alpha1.SentinelRequired, Protocol: v1alpha1.ProtocolLevel,
			Methods: []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}},
		}
		objects = append(objects, reboot)
	}
	return objects
}

func fleet(t *testing.T) []client.Object {
	t.Helper()
	objects := parsed(t, workers)
	for i, name := range []string{"worker-1", "worker-2", "worker-3", "worker-4", "worker-5", "worker-6"} {
		objects = append(objects, node(name, string(rune('a'+i%2)), i != 5)...)
	}
	return objects
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestThePlanForTheClusterAsItIs(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{80, 120} {
		code, out, errOut := plugintest.New(t, columns, fleet(t)...).Run(plugin.Run, "plan", "--no-color")
		if code != app.ExitOK || errOut != "" {
			t.Errorf("it ended with %d and %q", code, errOut)
		}
		golden.Compare(t, filepath.Join("testdata", fmt.Sprintf("plan.%d.txt", columns)), out)
	}
}

// gpu takes two of the workers, and has no window.
const gpu = `apiVersion: reboot-operator.io/v1alpha1
kind: RebootPolicy
metadata:
  name: gpu
spec:
  priority: 10
  nodeSelector:
    matchLabels:
      topology.kubernetes.io/zone: b
`

func TestThePlanWithAPolicyOfAFileSaysWhatChanges(t *testing.T) {
	t.Parallel()
	sooner, _, _ := strings.Cut(workers, "  schedule:")
	for name, content := range map[string]string{
		"new":      gpu,
		"same":     workers,
		"replaced": strings.Replace(workers, "  schedule:", "  mode: Paused\n  schedule:", 1),
		"sooner":   sooner,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, columns := range []int{80, 120} {
				code, out, errOut := plugintest.New(t, columns, fleet(t)...).Run(plugin.Run, "plan", "--no-color", "-f", write(t, "p.yaml", content))
				want := app.ExitOK
				if name == "replaced" {
					want = app.ExitNo
				}
				if code != want || errOut != "" {
					t.Errorf("it ended with %d and %q", code, errOut)
				}
				golden.Compare(t, filepath.Join("testdata", fmt.Sprintf("%s.%d.txt", name, columns)), out)
				for _, line := range strings.Split(out, "\n") {
					if ansi.StringWidth(line) > columns {
						t.Errorf("a line is too wide: %s", line)
					}
				}
			}
		})
	}
}

func TestThePlanFromAFileIsThatOfTheCluster(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 80, fleet(t)...)
	code, want, _ := terminal.Run(plugin.Run, "plan", "-o", "json")
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	if saved, _, errOut := terminal.Run(plugin.Run, "snapshot", "-o", file); code != app.ExitOK || saved != app.ExitOK {
		t.Fatalf("they ended with %d and %d: %s", code, saved, errOut)
	}
	offline := plugintest.New(t, 80)
	offline.Connect = func() (client.WithWatch, error) { return nil, errors.New("there is no cluster") }
	code, got, errOut := offline.Run(plugin.Run, "plan", "-o", "json", "--from", file)
	if code != app.ExitOK {
		t.Fatalf("it ended with %d: %s", code, errOut)
	}
	got = strings.Replace(got, fmt.Sprintf("%q", file), `"cluster"`, 1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-cluster +file):\n%s", diff)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	offline.In = bytes.NewReader(content)
	if code, _, errOut := offline.Run(plugin.Run, "plan", "--from", "-"); code != app.ExitOK {
		t.Errorf("from the standard input it ended with %d: %s", code, errOut)
	}
}

func TestThePlanForALaterTimeStartsThen(t *testing.T) {
	t.Parallel()
	code, out, errOut := plugintest.New(t, 80, fleet(t)...).Run(plugin.Run, "plan", "--at", "2026-03-03 12:00", "-o", "yaml")
	var answer plan.Answer
	if err := yaml.Unmarshal([]byte(out), &answer); err != nil || code != app.ExitOK {
		t.Fatalf("it ended with %d: %v %s", code, err, errOut)
	}
	want := time.Date(2026, 3, 3, 22, 0, 0, 0, time.UTC)
	if first := answer.Forecast.Nodes[0].Start.Median(); first.Before(want) || first.After(want.Add(time.Minute)) {
		t.Errorf("the first node starts at %s", first)
	}
	if !answer.Taken.Equal(plugintest.Now) || len(answer.Assumptions) == 0 {
		t.Errorf("it is of %s, and assumes %q", answer.Taken, answer.Assumptions)
	}
}

func TestAnObstacleThatLastsEndsWithThree(t *testing.T) {
	t.Parallel()
	objects := parsed(t, workers)
	objects = append(objects, node("worker-1", "a", true)...)
	objects[1].SetLabels(map[string]string{v1alpha1.SkipLabel: ""})
	for _, args := range [][]string{{"plan"}, {"plan", "-o", "json"}} {
		code, out, errOut := plugintest.New(t, 80, objects...).Run(plugin.Run, args...)
		if code != app.ExitNo || errOut != "" || !strings.Contains(out, v1alpha1.ReasonSkipped) {
			t.Errorf("%v ended with %d, %q and:\n%s", args, code, errOut, out)
		}
	}
}

func TestAnEmptyClusterNeedsNothing(t *testing.T) {
	t.Parallel()
	code, out, errOut := plugintest.New(t, 80).Run(plugin.Run, "plan")
	if code != app.ExitOK || errOut != "" || !strings.Contains(out, "0 of 0 nodes need a reboot.") {
		t.Errorf("it ended with %d, %q and:\n%s", code, errOut, out)
	}
	code, out, _ = plugintest.New(t, 80).Run(plugin.Run, "plan", "-o", "json", "-f", write(t, "p.yaml", gpu))
	if code != app.ExitOK || !strings.Contains(out, `"change": "Added"`) || !strings.Contains(out, `"nodes": []`) {
		t.Errorf("with a policy it ended with %d and:\n%s", code, out)
	}
}

func TestBadInputOfThePlanIsReported(t *testing.T) {
	t.Parallel()
	broken := write(t, "broken.yaml", strings.Replace(gpu, "priority: 10", "priorty: 10", 1))
	good := write(t, "good.yaml", gpu)
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"an argument":          {[]string{"plan", "workers"}, app.ExitUsage, ""},
		"an output":            {[]string{"plan", "-o", "wide"}, app.ExitUsage, "--output=wide: write json or yaml"},
		"two standard inputs":  {[]string{"plan", "-f", "-", "--from", "-"}, app.ExitUsage, "the standard input can be read once"},
		"a time":               {[]string{"plan", "--at", "soon"}, app.ExitUsage, `--at "soon" is not a time: write "2026-03-07 22:00"`},
		"a past time":          {[]string{"plan", "--at", "2026-03-02 11:59"}, app.ExitUsage, `--at "2026-03-02 11:59" is in the past: the cluster is known as it was on 2026-03-02 12:00:00 UTC`},
		"a past duration":      {[]string{"plan", "--at", "-2h"}, app.ExitUsage, `--at "-2h" is in the past`},
		"no such file":         {[]string{"plan", "-f", "/no/such.yaml"}, app.ExitFailed, "read a file: open /no/such.yaml: "},
		"no such snapshot":     {[]string{"plan", "--from", "/no/such.yaml"}, app.ExitFailed, "read a file: open /no/such.yaml: "},
		"a policy as snapshot": {[]string{"plan", "--from", write(t, "empty.yaml", "")}, app.ExitFailed, "has no Nodes, RebootPolicies or NodeReboots; write one with: kubectl reboots snapshot -o FILE"},
		"a broken policy":      {[]string{"plan", "-f", broken}, app.ExitFailed, broken + ": line 1: RebootPolicy gpu is not valid:\n  spec.priorty: there is no such field"},
		"a policy twice":       {[]string{"plan", "-f", good, "-f", good}, app.ExitFailed, "RebootPolicy gpu is in " + good + " and in " + good},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := plugintest.New(t, 80, fleet(t)...).Run(plugin.Run, test.args...)
			if code != test.code || out != "" || !strings.Contains(errOut, test.says) {
				t.Errorf("it ended with %d, %q and %q, want %d and %q", code, out, errOut, test.code, test.says)
			}
		})
	}
}

func TestTheFormsOfATime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2h":                   plugintest.Now.Add(2 * time.Hour),
		"+90m":                 plugintest.Now.Add(90 * time.Minute),
		"22:00":                time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC),
		"11:00":                time.Date(2026, 3, 3, 11, 0, 0, 0, time.UTC),
		"2026-03-07":           time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC),
		"2026-03-07T22:00":     time.Date(2026, 3, 7, 22, 0, 0, 0, time.UTC),
		"2026-03-07 22:00:30":  time.Date(2026, 3, 7, 22, 0, 30, 0, time.UTC),
		"2026-03-07T22:00:00Z": time.Date(2026, 3, 7, 22, 0, 0, 0, time.UTC),
	} {
		code, out, errOut := plugintest.New(t, 80).Run(plugin.Run, "plan", "-o", "json", "--at", text)
		var answer plan.Answer
		if err := json.Unmarshal([]byte(out), &answer); err != nil || code != app.ExitOK || !answer.Forecast.Computed.Equal(want) {
			t.Errorf("%s ended with %d: %v %s", text, code, err, errOut)
		}
	}
}

func TestManyNodesAreCutUnlessAllAreAskedFor(t *testing.T) {
	t.Parallel()
	objects := parsed(t, gpu)
	for i := range 40 {
		objects = append(objects, node(fmt.Sprintf("node-with-a-name-that-is-much-too-long-for-a-column-of-a-terminal-%02d", i), "b", true)...)
	}
	_, out, _ := plugintest.New(t, 80, objects...).Run(plugin.Run, "plan")
	if !strings.Contains(out, "\nand 15 more; --all writes them\n") {
		t.Errorf("it writes:\n%s", out)
	}
	for _, line := range strings.Split(out, "\n") {
		if ansi.StringWidth(line) > 80 {
			t.Errorf("a line is too wide: %s", line)
		}
	}
	if _, out, _ := plugintest.New(t, 80, objects...).Run(plugin.Run, "plan", "--all"); strings.Count(out, "node-with-a-name") < 40 {
		t.Errorf("with --all it writes:\n%s", out)
	}
}

func TestAnAttemptUnderWayIsTakenToGoOnAtTheTimeOfAt(t *testing.T) {
	t.Parallel()
	at := func(ago time.Duration) *metav1.MicroTime {
		return ptr.To(metav1.NewMicroTime(plugintest.Now.Add(-ago)))
	}
	objects := fleet(t)
	slots := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "reboot-operator-system", Name: v1alpha1.SlotsName}}
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.Node:
			if o.Name == "worker-1" {
				o.Spec.Unschedulable = true
				o.Annotations = map[string]string{v1alpha1.CordonAnnotation: "uid-of-worker-1"}
				o.Status.Conditions[0].Status = corev1.ConditionUnknown
			}
		case *v1alpha1.NodeReboot:
			if o.Spec.NodeName != "worker-1" {
				continue
			}
			o.Status.PolicyName, o.Status.Zone, o.Status.NodeUID, o.Status.RequiredSince = "workers", "a", "uid-worker-1", at(time.Hour)
			o.Status.Before = &v1alpha1.BootInfo{BootID: "boot-of-worker-1"}
			o.Status.Attempt = &v1alpha1.Attempt{
				Number: 1, PolicyName: "workers", Zone: "a", Cordon: v1alpha1.CordonOperator, GrantedTime: *at(4 * time.Minute),
				CordonedTime: at(4 * time.Minute), DrainOrderedTime: at(4 * time.Minute), DrainedTime: at(time.Minute),
				RebootOrderedTime: at(time.Minute),
			}
			o.Status.LastSequence = 1
			o.Status.Order = &v1alpha1.RebootOrder{
				Sequence: 1, Action: v1alpha1.ActionReboot, BootID: "boot-of-worker-1", Deadline: *at(-time.Minute), Protocol: v1alpha1.ProtocolLevel,
			}
			o.Status.Report.Sequence, o.Status.Report.State = 1, v1alpha1.OrderDone
			slots.Data = map[string]string{"worker-1": fmt.Sprintf(`{"nodeReboot":%q,"uid":"uid-of-worker-1","attempt":1}`, o.Name)}
		}
	}
	w := plugintest.New(t, 80, append(objects, slots)...)
	for _, args := range [][]string{{"plan", "-o", "json"}, {"plan", "-o", "json", "--at", "22:00"}} {
		code, out, errOut := w.Run(plugin.Run, args...)
		var answer plan.Answer
		if err := json.Unmarshal([]byte(out), &answer); err != nil || errOut != "" {
			t.Fatalf("it says %q, %v", errOut, err)
		}
		node := answer.Forecast.Node("worker-1")
		if code != app.ExitOK || node == nil || !node.Back.Known() {
			t.Fatalf("%v ended with %d: %+v", args, code, answer.Forecast.Policies)
		}
		if takes := node.Back.Median().Sub(answer.Forecast.Computed); takes > 3*time.Minute {
			t.Errorf("%v: what reboots is back %s after the beginning", args, takes)
		}
	}
}

func TestNodesWithoutAPolicyAreOneObstacle(t *testing.T) {
	t.Parallel()
	var objects []client.Object
	for i := range 40 {
		objects = append(objects, node(fmt.Sprintf("worker-%02d", i), "a", true)...)
	}
	code, out, errOut := plugintest.New(t, 80, objects...).Run(plugin.Run, "plan", "--no-color")
	if code != app.ExitNo || errOut != "" || strings.Count(out, "Obstacle: ") != 1 || !strings.Contains(out, "(NoPolicy)") ||
		!strings.Contains(out, "\nNodes without a RebootPolicy: ") {
		t.Errorf("it ended with %d, %q and:\n%s", code, errOut, out)
	}
	file := write(t, "p.yaml", strings.Replace(gpu, ": b", ": a", 1))
	if code, _, _ := plugintest.New(t, 80, objects...).Run(plugin.Run, "plan", "-f", file); code != app.ExitOK {
		t.Errorf("with a policy it ended with %d", code)
	}
}
