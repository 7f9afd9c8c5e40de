package live

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/feed"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/statustest"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

var (
	now   = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	fleet = statustest.Fleet{Now: now}
)

// seen is a state in which these objects were found.
func seen(t *testing.T, objects ...client.Object) *State {
	t.Helper()
	state := NewState(nil)
	for _, kind := range []feed.Kind{feed.Policies, feed.Reboots} {
		u := &feed.Update{Kind: kind, Listed: true}
		for _, object := range objects {
			if _, is := object.(*v1alpha1.RebootPolicy); is == (kind == feed.Policies) {
				u.Objects = append(u.Objects, object)
			}
		}
		if entries := state.Apply(u, now); len(entries) > 0 {
			t.Fatalf("what is found first did not happen now: %v", entries)
		}
	}
	return state
}

func frame(state *State, width, height int, options ...func(*Frame)) *Frame {
	f := &Frame{
		Clock: overview.Clock{Now: now, Zone: time.FixedZone("CET", 3600)}, Width: width, Height: height,
		Overview: state.Overview(nil, now), Log: state.past(told), Blind: state.Blind(),
	}
	for _, option := range options {
		option(f)
	}
	return f
}

// compareScreen compares a screen with a file, and checks its size.
func compareScreen(t *testing.T, name string, f *Frame) {
	t.Helper()
	lines := Screen(f)
	if len(lines) != f.Height {
		t.Errorf("%s: %d lines on a screen of %d", name, len(lines), f.Height)
	}
	for i, line := range lines {
		if cells.Width(line) > f.Width {
			t.Errorf("%s: line %d has %d columns of %d", name, i, cells.Width(line), f.Width)
		}
	}
	got := strings.Join(lines, "\n") + "\n"
	golden.Compare(t, filepath.Join("testdata", name+".txt"), got)
}

func TestTheScreenShowsARolloutInEverySize(t *testing.T) {
	t.Parallel()
	state := seen(t, fleet.Usual()...)
	for _, size := range [][2]int{{80, 24}, {120, 40}, {40, 10}, {30, 5}} {
		compareScreen(t, fmt.Sprintf("usual-%dx%d", size[0], size[1]), frame(state, size[0], size[1]))
	}
}

func TestTheScreenShowsWhatElseThereIs(t *testing.T) {
	t.Parallel()
	state := seen(t, append(fleet.Usual(), fleet.Policy("control-plane"), fleet.Policy("東京の非常に長い名前のポリシー名前名前"))...)
	for name, option := range map[string]func(*Frame){
		"scrolled": func(f *Frame) { f.Offset = f.Last() },
		"second":   func(f *Frame) { f.Selected = 1 },
		"help":     func(f *Frame) { f.Help = true },
		"log":      func(f *Frame) { f.FullLog = true },
		"hidden":   func(f *Frame) { f.Hide, f.Offset = true, 1000 },
		"heading":  func(f *Frame) { f.Heading = "The policy is paused. Every node now says that it needs a reboot." },
		"blind": func(f *Frame) {
			f.Blind = &Blind{Since: now.Add(-90 * time.Second), Why: errors.New("dial tcp 127.0.0.1:6443: connect: connection refused")}
		},
		"forecast": func(f *Frame) {
			f.Overview = state.Overview(&overview.Outlook{
				Turns: map[string]overview.Turn{
					"worker-b4": {Position: 2, Of: 3, Start: overview.At(now.Add(10 * time.Minute))},
					"worker-b6": {Position: 1, Of: 3, Start: overview.At(now.Add(2 * time.Minute))},
				},
				Finish: map[string]time.Time{"workers": now.Add(4 * time.Hour)},
			}, now)
			f.Selected = 1
		},
	} {
		compareScreen(t, name, frame(state, 80, 24, func(f *Frame) { f.Selected = 1 }, option))
	}
	compareScreen(t, "empty", frame(seen(t), 80, 24))
}

func TestMorePodsLeftThanInTotalAreDrawn(t *testing.T) {
	t.Parallel()
	state := seen(t, fleet.Policy("all"), fleet.Reboot("all", "a", "node-1", fleet.Drains(time.Minute, 5, 2)))
	if screen := joined(Screen(frame(state, 80, 24))); !strings.Contains(screen, "node-1") {
		t.Errorf("the screen is\n%s", screen)
	}
}

func TestALargeClusterIsDrawnQuickly(t *testing.T) {
	t.Parallel()
	objects := []client.Object{fleet.Policy("everything")}
	for i := range 15000 {
		objects = append(objects, fleet.Reboot("everything", string(rune('a'+i%3)), fmt.Sprintf("node-%05d", i)))
	}
	f := frame(seen(t, objects...), 80, 24, func(f *Frame) { f.Offset = 7000 })
	if lines := strings.Join(Screen(f), "\n"); !strings.Contains(lines, "of 15003") {
		t.Errorf("the screen:\n%s", lines)
	}
}
