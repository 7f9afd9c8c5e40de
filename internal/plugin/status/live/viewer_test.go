package live

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/feed"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

func newViewer(t *testing.T) *viewer {
	t.Helper()
	a := &app.App{
		IOStreams: genericiooptions.NewTestIOStreamsDiscard(), Clock: clocktesting.NewFakePassiveClock(now), Zone: time.UTC,
		Size: func() (int, int) { return 80, 24 }, NoColor: true,
	}
	objects := append(fleet.Usual(), fleet.Policy("control-plane"))
	v := &viewer{App: a, options: &Options{}, state: seen(t, objects...)}
	v.frame = Frame{Width: 80, Height: 24, Paint: a.Paint}
	v.refresh()
	return v
}

var keys = map[string]tea.KeyPressMsg{
	"tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "esc": {Code: tea.KeyEscape},
	"ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
}

func (m *viewer) keys(names ...string) (last tea.Cmd) {
	for _, name := range names {
		key, special := keys[name]
		if !special {
			key = tea.KeyPressMsg{Code: rune(name[0]), Text: name}
		}
		_, last = m.Update(key)
	}
	return last
}

func TestKeysMoveAround(t *testing.T) {
	t.Parallel()
	for pressed, want := range map[string]struct {
		has, hasNot string
	}{
		"":                       {"▸ control-plane", "worker-b1"},
		"tab":                    {"▸ workers", "none of it"},
		"tab tab":                {"▸ control-plane", "worker-b1"},
		"shift+tab":              {"Nodes, lines 1 to", "worker-c13"},
		"tab down down":          {"Nodes, lines 3 to", "Zone b"},
		"tab down down up up up": {"Nodes, lines 1 to", ""},
		"tab pgdown":             {"worker-c08", "Zone b"},
		"tab end":                {"worker-a1 ", "Zone b"},
		"tab end home":           {"Zone b", "worker-a1 "},
		"tab f end":              {"worker-c13", "worker-a1 "},
		"?":                      {"the log in place of the nodes", ""},
		"? ?":                    {"── Nodes", "the log in place"},
		"? esc":                  {"── Nodes", "the log in place"},
		"l":                      {"── Log", "── Nodes"},
		"l esc":                  {"── Nodes", ""},
		"tab pgdown tab":         {"No node needs a reboot", ""},
		"x y z":                  {"▸ control-plane", ""},
	} {
		m := newViewer(t)
		m.keys(strings.Fields(pressed)...)
		screen := strings.Join(Screen(&m.frame), "\n")
		if !strings.Contains(screen, want.has) || want.hasNot != "" && strings.Contains(screen, want.hasNot) {
			t.Errorf("after %q:\n%s", pressed, screen)
		}
	}
}

func TestQuitEndsTheView(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"q", "ctrl+c"} {
		m, interrupted := newViewer(t), false
		m.options.Interrupt = func() { interrupted = true }
		command := m.keys(key)
		if interrupted != (key == "ctrl+c") {
			t.Errorf("%s: interrupted is %t", key, interrupted)
		}
		if command == nil {
			t.Fatalf("%s does nothing", key)
		}
		if _, quits := command().(tea.QuitMsg); !quits {
			t.Errorf("%s does not quit", key)
		}
	}
}

func TestTheScreenFollowsTheSizeOfTheTerminal(t *testing.T) {
	t.Parallel()
	m := newViewer(t)
	m.keys("tab", "end")
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 50})
	view := m.View()
	if lines := strings.Split(view.Content, "\n"); len(lines) != 50 || !view.AltScreen {
		t.Errorf("%d lines", len(lines))
	}
	if m.frame.Offset != 0 {
		t.Errorf("everything fits, and it is scrolled by %d", m.frame.Offset)
	}
}

func TestASelectedPolicyStaysSelected(t *testing.T) {
	t.Parallel()
	m := newViewer(t)
	m.keys("tab")
	added := feed.Update{Kind: feed.Policies, Objects: changed(fleet.Policy("another")).Objects}
	m.Update(batchMsg{added})
	if screen := strings.Join(Screen(&m.frame), "\n"); !strings.Contains(screen, "▸ workers") || !strings.Contains(screen, "policy created") {
		t.Errorf("the screen:\n%s", screen)
	}
}

func TestWhoReadsTheLogIsNotMoved(t *testing.T) {
	t.Parallel()
	m := newViewer(t)
	for i := range 60 {
		m.Update(batchMsg{*changed(fleet.Reboot("workers", "c", fmt.Sprintf("late-%02d", i)))})
	}
	m.keys("l", "up", "up")
	before := Screen(&m.frame)
	m.Update(batchMsg{*changed(fleet.Reboot("workers", "c", "latest"))})
	after := Screen(&m.frame)
	if a, b := before[len(before)-2], after[len(after)-2]; a != b || !strings.Contains(a, "late-57") {
		t.Errorf("%q became %q", a, b)
	}
	m.keys("end")
	if bottom := Screen(&m.frame)[22]; !strings.Contains(bottom, "latest") {
		t.Errorf("the end of the log is %q", bottom)
	}
}

func TestTheLogIsBounded(t *testing.T) {
	t.Parallel()
	m := newViewer(t)
	for i := range logged + 100 {
		m.Update(batchMsg{*changed(fleet.Reboot("workers", "c", fmt.Sprint(i), fleet.Drains(0, 1, 1)))})
		if i > 3 {
			m.state.reboots = nil
			m.state.reboots = seen(t).reboots
		}
	}
	if len(m.frame.Log) != logged {
		t.Errorf("the log has %d entries", len(m.frame.Log))
	}
}

func TestColorsTakeNoRoom(t *testing.T) {
	t.Parallel()
	state := seen(t, fleet.Usual()...)
	plain := Screen(frame(state, 80, 24))
	painted := Screen(frame(state, 80, 24, func(f *Frame) {
		f.Paint = func(color app.Color, text string) string { return "\x1b[" + string(color) + "m" + text + "\x1b[0m" }
	}))
	for i := range plain {
		if stripped := strings.TrimRight(ansi.Strip(painted[i]), " "); stripped != plain[i] {
			t.Errorf("painted %q, plain %q", stripped, plain[i])
		}
	}
}

func TestAForecastHoldsUntilAPolicyChanges(t *testing.T) {
	t.Parallel()
	m := newViewer(t)
	asked := 0
	m.options.Forecast = func(context.Context, client.Reader, time.Time) *overview.Outlook {
		asked++
		turn := overview.Turn{Position: asked, Of: 9, Start: overview.At(now.Add(90 * time.Second))}
		return &overview.Outlook{Turns: map[string]overview.Turn{"worker-b4": turn}}
	}
	m.keys("tab")
	shows := func(text string, wanted bool) {
		t.Helper()
		if screen := strings.Join(Screen(&m.frame), "\n"); strings.Contains(screen, text) != wanted {
			t.Errorf("%q, wanted %t:\n%s", text, wanted, screen)
		}
	}
	m.Update(m.ask(true)())
	shows("1/9  in about 90s", true)
	m.Update(outlookMsg{next: false})
	shows("1/9", false)
	asked = 0
	m.Update(m.ask(true)())
	shows("1/9", true)
	_, again := m.Update(batchMsg{*changed(fleet.Policy("workers", func(p *v1alpha1.RebootPolicy) { p.Spec.Mode = v1alpha1.ModePaused }))})
	shows("1/9", false)
	if again == nil {
		t.Fatal("the forecast is not asked again")
	}
	if _, more := m.Update(again()); more != nil {
		t.Error("it is asked repeatedly")
	}
	shows("2/9", true)
}
