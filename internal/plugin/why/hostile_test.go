package why_test

import (
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/why"
)

func TestWhatOthersWroteIsHarmlessOnATerminal(t *testing.T) {
	t.Parallel()
	answer := &why.Answer{
		Explanation: "It says \x1b]0;owned\x07 and \x1b[2J and \u202etxet and\nmore.", Type: []string{"kubectl get node a\x1b[8m; rm"},
	}
	text := why.Text(answer, 80, func(_ app.Color, text string) string { return text })
	for _, bad := range []string{"\x1b", "\x07", "\u202e"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is written to the terminal: %q", bad, text)
		}
	}
	if lines := strings.Count(text, "\n"); lines != 2 {
		t.Errorf("there are %d lines, want the explanation and the command: %q", lines, text)
	}
}
