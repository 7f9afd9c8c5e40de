package demo

import (
	"fmt"
	"io"
	"time"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// view shows the NodeReboots: in the plugin's live view, or as a line for every change.
type view struct {
	out io.Writer
	// screen is the live view; nil while there is none.
	screen *screen
	// start of the rollout.
	start time.Time
	// seen is how many records were shown, and shown is what the last line of each NodeReboot said.
	seen  int
	shown map[string]string
}

func newView(options Options) *view {
	return &view{out: options.Out, shown: map[string]string{}}
}

// say prints a sentence, or puts it on top of the live view.
func (v *view) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !v.screen.say(text) {
		_, _ = fmt.Fprintln(v.out, text)
	}
}

func (v *view) show(recording testbed.Recording) {
	fresh := recording.Reboots[v.seen:]
	v.seen = len(recording.Reboots)
	if v.screen.showing() {
		return
	}
	for _, record := range fresh {
		v.line(record)
	}
}

func (v *view) line(record testbed.RebootRecord) {
	s := record.Status
	text := fmt.Sprintf("%-12s %-5s %-10s %s", record.Node, s.Zone, s.Phase, s.Reason)
	if s.Phase == "" || v.shown[record.Name] == text {
		return
	}
	v.shown[record.Name] = text
	_, _ = fmt.Fprintf(v.out, "%6.1fs  %s\n", record.At.Sub(v.start).Seconds(), text)
}
