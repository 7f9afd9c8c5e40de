package timeline_test

import (
	"path/filepath"
	"testing"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history/recorded"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

// terminal has the cluster of a recorded rollout.
func terminal(t *testing.T, columns int, rollout *recorded.Rollout) *plugintest.Terminal {
	t.Helper()
	terminal := plugintest.New(t, columns, rollout.Objects()...)
	terminal.Clock = clocktesting.NewFakePassiveClock(rollout.Now)
	return terminal
}

func TestARolloutIsShown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		columns int
		rollout func(*testing.T) *recorded.Rollout
		args    []string
	}{
		"end-80.txt":       {80, recorded.End, nil},
		"end-120.txt":      {120, recorded.End, nil},
		"middle-80.txt":    {80, recorded.Middle, nil},
		"middle-120.txt":   {120, recorded.Middle, []string{"all-nodes", "--since", "2h"}},
		"node-80.txt":      {80, recorded.End, []string{"worker-b5"}},
		"node-120.txt":     {120, recorded.Middle, []string{"worker-a2"}},
		"reboots-80.txt":   {80, recorded.End, []string{"control-a1"}},
		"nothing-80.txt":   {80, recorded.End, []string{"--since", "2026-11-28", "--until", "2026-11-29"}},
		"some-json.json":   {0, recorded.Middle, []string{"worker-b5", "-o", "json"}},
		"picture.svg":      {0, recorded.Middle, []string{"-o", "svg"}},
		"picture-node.svg": {0, recorded.End, []string{"worker-b5", "-o", "svg"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"timeline", "--no-color"}, test.args...)
			code, out, errOut := terminal(t, test.columns, test.rollout(t)).Run(plugin.Run, args...)
			if code != app.ExitOK || errOut != "" {
				t.Fatalf("it ended with %d: %s", code, errOut)
			}
			golden.Compare(t, filepath.Join("testdata", name), out)
		})
	}
}
