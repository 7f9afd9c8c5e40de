package model_test

import (
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func place(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestATimeIsWrittenInItsZoneWithTheTimeUntilThen(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		now, at, zone         string
		wantAt, until, column string
	}{
		"later on the same day": {
			now: "2026-11-28T17:40:00Z", at: "2026-11-28T21:00:00Z", zone: "Europe/Berlin",
			wantAt: "2026-11-28 22:00 +01:00", until: "2026-11-28 22:00 +01:00 (in 3h20m, as of 18:40)", column: "22:00",
		},
		"on the next day there, and not in UTC": {
			now: "2026-11-28T17:40:00Z", at: "2026-11-28T23:30:00Z", zone: "Europe/Berlin",
			wantAt: "2026-11-29 00:30 +01:00", until: "2026-11-29 00:30 +01:00 (in 5h50m, as of Sat 18:40)", column: "Nov 29",
		},
		"in summer, seen from winter": {
			now: "2026-03-28T12:00:00Z", at: "2026-03-29T20:00:00Z", zone: "Europe/Berlin",
			wantAt: "2026-03-29 22:00 +02:00", until: "2026-03-29 22:00 +02:00 (in 32h, as of Sat 13:00)", column: "Mar 29",
		},
		"in a zone of half an hour": {
			now: "2026-11-28T17:40:00Z", at: "2026-11-28T18:00:30Z", zone: "Asia/Kolkata",
			wantAt: "2026-11-28 23:30:30 +05:30", until: "2026-11-28 23:30:30 +05:30 (in 20m, as of 23:10)", column: "23:30",
		},
		"in a moment": {
			now: "2026-11-28T17:40:15Z", at: "2026-11-28T17:41:15Z", zone: "UTC",
			wantAt: "2026-11-28 17:41:15 +00:00", until: "2026-11-28 17:41:15 +00:00 (in 60s, as of 17:40:15)", column: "17:41",
		},
		"in weeks": {
			now: "2026-11-28T17:40:00Z", at: "2027-01-07T00:00:00Z", zone: "UTC",
			wantAt: "2027-01-07 00:00 +00:00", until: "2027-01-07 00:00 +00:00 (in 39d, as of 2026-11-28 17:40)", column: "Jan 07",
		},
		"in years": {
			now: "2026-11-28T17:40:00Z", at: "2028-11-28T18:00:00Z", zone: "UTC",
			wantAt: "2028-11-28 18:00 +00:00", until: "2028-11-28 18:00 +00:00 (in 2y1d, as of 2026-11-28 17:40)", column: "2028",
		},
		"a moment ago": {
			now: "2026-11-28T17:40:00Z", at: "2026-11-28T17:39:00Z", zone: "Europe/Berlin",
			wantAt: "2026-11-28 18:39 +01:00", until: "2026-11-28 18:39 +01:00", column: "18:39",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock, at := model.Clock{Now: instant(t, test.now), Zone: place(t, test.zone)}, instant(t, test.at)
			if got := clock.At(at); got != test.wantAt {
				t.Errorf("it is written %q, want %q", got, test.wantAt)
			}
			if got := clock.Until(at); got != test.until {
				t.Errorf("until then is written %q, want %q", got, test.until)
			}
			if got := clock.Short(at, ""); got != test.column || len(got) > 6 {
				t.Errorf("the column shows %q, want %q", got, test.column)
			}
		})
	}
}

func TestAClockWithoutAZoneWritesUTC(t *testing.T) {
	t.Parallel()
	if got := (model.Clock{}).Until(now.In(time.FixedZone("", 3600))); got != "2026-03-02 12:00 +00:00" {
		t.Errorf("noon is written %q", got)
	}
}

func TestAColumnStaysAsItWasWritten(t *testing.T) {
	t.Parallel()
	yesterday := model.Clock{Now: instant(t, "2026-11-28T17:40:00Z"), Zone: place(t, "Europe/Berlin")}
	today := model.Clock{Now: instant(t, "2026-11-29T17:40:00Z"), Zone: yesterday.Zone}
	at := instant(t, "2026-11-29T21:00:00Z")
	before := yesterday.Short(at, "")
	if got := today.Short(at, before); got != before || got != "Nov 29" {
		t.Errorf("the column has become %q, and was %q", got, before)
	}
	today.Zone = place(t, "Asia/Tokyo")
	if got := today.Short(at, before); got != "06:00" {
		t.Errorf("in another zone the column shows %q", got)
	}
}

func TestTimesOfMachinesAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	clock := model.Clock{Zone: place(t, "Europe/Berlin")}
	for text, want := range map[string]string{
		"its grace period until 2026-11-28T17:40:00Z, and finalizer x/y": "its grace period until 2026-11-28 18:40 +01:00, and finalizer x/y",
		"2026-11-28T17:40:01.123456Z":                                    "2026-11-28 18:40:01 +01:00",
		"it was 2026-13-45T99:40:00Z":                                    "it was 2026-13-45T99:40:00Z",
		"nothing of the kind":                                            "nothing of the kind",
	} {
		if got := clock.Localize(text); got != want {
			t.Errorf("it reads %q, want %q", got, want)
		}
	}
}

func TestAMessageIsTheSameIfOnlyTimeWentBy(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	at := now.Add(4 * time.Hour)
	written := func(before, after string, passed time.Duration) string {
		clock := model.Clock{Now: now.Add(passed)}
		return model.Bounded(before + clock.Until(at) + after)
	}
	tests := map[string]struct {
		before, after string
		want          bool
	}{
		"the same":               {"It opens.", "It opens.", true},
		"another one":            {"It opens.", "It closes.", false},
		"an hour later":          {written("It opens at ", ".", 0), written("It opens at ", ".", time.Hour), true},
		"with another end":       {written("It opens at ", ".", 0), written("It opens at ", ". Hurry.", time.Hour), false},
		"with another beginning": {written("It opens at ", ".", 0), written("It closes at ", ".", time.Hour), false},
		"cut after it":           {written("It opens at ", long, 0), written("It opens at ", long, 3*time.Hour+59*time.Minute), true},
		"cut before it":          {written(long+"until", ".", 0), written(long+"until", ".", time.Hour), true},
		"another one that is cut": {
			written("It opens at ", long, 0), written("It closes at ", long, time.Hour), false,
		},
		"another time": {
			"It opens at " + model.Clock{Now: now}.Until(at), "It opens at " + model.Clock{Now: now}.Until(at.Add(time.Minute)), false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := model.SameMessage(test.before, test.after); got != test.want {
				t.Errorf("%q and %q are the same: %v, want %v", test.before, test.after, got, test.want)
			}
		})
	}
	for cut := 960; cut < 1030; cut++ { // wherever the end of a message falls
		padding := strings.Repeat("y", cut)
		if a, b := written(padding, " and more", 0), written(padding, " and more", 3*time.Hour+30*time.Minute); !model.SameMessage(a, b) {
			t.Errorf("after %d characters:\n%q\n%q", cut, a[900:], b[900:])
		}
	}
}

func TestAShortTimeStaysInTheFormInWhichItWasWritten(t *testing.T) {
	now := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)
	clock := model.Clock{Now: now}
	for name, tc := range map[string]struct {
		at           time.Time
		before, want string
	}{
		"it was today":             {now.Add(-24 * time.Hour), "12:00", "12:00"},
		"it will be today":         {now, "Nov 30", "Nov 30"},
		"it was far away":          {now, "2026", "2026"},
		"another time was written": {now, "11:59", "12:00"},
		"another day was written":  {now.Add(24 * time.Hour), "Nov 30", "Dec 01"},
		"nothing was written":      {now.Add(-24 * time.Hour), "", "Nov 29"},
		"another year was written": {now.Add(400 * 24 * time.Hour), "2026", "2028"},
	} {
		if got := clock.Short(tc.at, tc.before); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
