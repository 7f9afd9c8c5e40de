package status_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/statustest"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

var fleet = statustest.Fleet{Now: plugintest.Now}

func large() []client.Object {
	objects := []client.Object{fleet.Policy("everything", func(p *v1alpha1.RebootPolicy) {
		p.Spec.Rollout.Zones.Strategy, p.Status.Nodes = v1alpha1.ZonesAnyOrder, 1000
		p.Spec.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.FromInt32(2))
	})}
	for i := range 1000 {
		zone := string(rune('a' + i%3))
		r := fleet.Reboot("everything", zone, fmt.Sprintf("node-%04d", i))
		if i < 2 {
			r = fleet.Reboot("everything", zone, r.Spec.NodeName, fleet.Drains(time.Minute, 1, 30))
		}
		objects = append(objects, r)
	}
	return objects
}

func odd() []client.Object {
	long := "a-node-with-a-very-long-name-that-goes-on-and-on-and-on.example-region-1.compute.internal"
	return []client.Object{
		fleet.Policy("異常な名前", func(p *v1alpha1.RebootPolicy) {
			p.Spec.Mode, p.Status.Summary, p.Generation = v1alpha1.ModePaused, "Halted", 2
			p.Status.Conditions = []metav1.Condition{{
				Type: "Ready", Status: metav1.ConditionFalse, Reason: "NodesNotBack", LastTransitionTime: metav1.Time{Time: fleet.Now},
				Message: "Halted: NodeReboot reboot-x did not come back.\n\x1b[31mRepair the node, or delete the NodeReboot \u202eto go on.",
			}}
			p.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "not a schedule", DurationSeconds: 60}}
		}),
		fleet.Reboot("異常な名前", "東京の非常に長い名前のゾーンで切り捨てられる必要があるものその二その三その四その五", "ノード一", fleet.Drains(time.Minute, 2, 2)),
		fleet.Reboot("異常な名前", "", long, fleet.Waits("SomethingThatIsNewerThanThisProgram", "No one knows.", 400*24*time.Hour)),
		fleet.Reboot("", "", "orphan", fleet.Waits(v1alpha1.ReasonNoPolicy, "No policy selects the node.", 0)),
		fleet.Reboot("deleted", "z", "left-over", fleet.Reboots(time.Hour)),
		fleet.Reboot("deleted", "z", "over", fleet.Done(time.Hour, v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved)),
	}
}

func TestTheStatusFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for name, objects := range map[string][]client.Object{"usual": fleet.Usual(), "large": large(), "odd": odd(), "empty": nil} {
		for _, columns := range []int{80, 120} {
			terminal := plugintest.New(t, columns, objects...)
			code, out, errOut := terminal.Run(plugin.Run, "status", "--no-color")
			if code != app.ExitOK || errOut != "" {
				t.Fatalf("%s ended with %d: %s", name, code, errOut)
			}
			golden.Compare(t, filepath.Join("testdata", fmt.Sprintf("%s-%d", name, columns)+".txt"), out)
			fits(t, out, columns)
		}
	}
}

func fits(t *testing.T, text string, columns int) {
	t.Helper()
	for line := range splitLines(text) {
		if cells.Width(line) > columns {
			t.Errorf("%d columns, and the line has %d: %s", columns, cells.Width(line), line)
		}
	}
}
