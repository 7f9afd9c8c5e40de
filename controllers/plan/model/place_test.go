package model_test

import (
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestAPlaceSaysSinceWhenAndIsTakenOutAgain(t *testing.T) {
	clock := model.Clock{Now: time.Date(2026, 11, 28, 17, 40, 12, 0, time.UTC), Zone: time.FixedZone("CET", 3600)}
	const message = "RebootPolicy p allows 1 unavailable node, and 1 is."
	told := model.WithPlace(message, clock.Place(3, 12, "in zone b"))
	if want := message + " The node was 3rd of 12 in zone b, as of 2026-11-28 18:40 +01:00."; told != want {
		t.Errorf("it says %q, want %q", told, want)
	}
	if again := model.WithPlace(told, clock.Place(1, 11, "")); again != message+" The node was 1st of 11, as of 2026-11-28 18:40 +01:00." {
		t.Errorf("with another place it says %q", again)
	}
	for _, m := range []string{told, message, model.WithPlace(told, "")} {
		if got := model.WithoutPlace(m); got != message {
			t.Errorf("without its place, %q is %q", m, got)
		}
	}
	for _, m := range []string{
		"", "The node was drained.", "It ended. The node was not drained in time, and reboots regardless.", "x The node was ",
	} {
		if got := model.WithoutPlace(m); got != m {
			t.Errorf("%q has no place, and becomes %q", m, got)
		}
	}
	long := strings.Repeat("long ", 10_000)
	if got := model.WithPlace(model.Bounded(long), clock.Place(1, 2, "")); got != model.Bounded(long) {
		t.Error("there is a place in a message that has no room for it")
	}
}

func TestMessagesThatDifferInAPlaceAreTheSame(t *testing.T) {
	now := time.Date(2026, 11, 28, 17, 40, 0, 0, time.UTC)
	place := model.Clock{Now: now}.Place(3, 12, "in zone b")
	later := model.Clock{Now: now.Add(time.Hour)}.Place(1, 2, "")
	until := func(now time.Time) string { return "It waits until " + model.Clock{Now: now}.Until(now.Add(0)) + "." }
	for name, test := range map[string]struct {
		before, after string
		want          bool
	}{
		"one has none":               {"A." + place, "A.", true},
		"the other has none":         {"A.", "A." + place, true},
		"both have one":              {"A." + place, "A." + later, true},
		"something else differs":     {"A." + place, "B." + place, false},
		"the rest is no place":       {"A. The node was drained.", "A.", false},
		"one is a place alone":       {place, "A.", false},
		"one continues after a time": {until(now) + place, until(now), true},
	} {
		if got := model.SameMessage(test.before, test.after); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

func TestOrdinals(t *testing.T) {
	for n, want := range map[int]string{
		1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 10: "10th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 22: "22nd", 101: "101st",
		111: "111th", 1013: "1013th", 15_003: "15003rd",
	} {
		if got := model.Ordinal(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
