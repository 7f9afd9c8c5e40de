package plugin_test

import (
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

func TestACommandLineThatIsWrongEndsWithTwo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"vresion"}, {"version", "now"}, {"version", "--quick"}, {"--context"}} {
		code, _, errOut := plugintest.New(t, 0).Run(plugin.Run, args...)
		if code != app.ExitUsage || !strings.HasPrefix(errOut, "error: ") {
			t.Errorf("%q ended with %d and %q", args, code, errOut)
		}
	}
}

func TestThePluginSaysItsVersion(t *testing.T) {
	t.Parallel()
	code, out, _ := plugintest.New(t, 0).Run(plugin.Run, "version")
	if code != app.ExitOK || !strings.HasPrefix(out, "reboot-operator kubectl-reboots ") {
		t.Errorf("it ended with %d and says %q", code, out)
	}
}

func TestAMistakeSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		": write kubectl reboots why NODE...\n":               {"why"},
		": write kubectl reboots now NODE... --reason TEXT\n": {"now", "n1"},
		": write kubectl reboots --help\n":                    {"vresion"},
	} {
		if code, _, errOut := plugintest.New(t, 0).Run(plugin.Run, args...); code != app.ExitUsage || !strings.HasSuffix(errOut, want) {
			t.Errorf("%q ended with %d and %q, want %q at the end", args, code, errOut, want)
		}
	}
}
