package timeline

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestATimeIsReadAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]time.Time{
		"now": noon, "90m": noon.Add(-90 * time.Minute), "1h30m": noon.Add(-90 * time.Minute), "7d": noon.Add(-7 * day), "0d": noon,
		"2026-03-01T22:00:00Z": time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC), "2026-03-01": time.Date(2026, 3, 1, 0, 0, 0, 0, berlin),
		"2026-03-01 22:00": time.Date(2026, 3, 1, 22, 0, 0, 0, berlin), "2026-03-01T22:00": time.Date(2026, 3, 1, 22, 0, 0, 0, berlin),
		"12:30": time.Date(2026, 3, 2, 12, 30, 0, 0, berlin), "22:00": time.Date(2026, 3, 1, 22, 0, 0, 0, berlin),
	} {
		if got, err := parseTime("since", text, noon, berlin); err != nil || !got.Equal(want) {
			t.Errorf("%q is read as %s: %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "-5m", "-1d", "99999999999d", "1.5d", "24:00", "2026-13-01"} {
		if got, err := parseTime("since", text, noon, berlin); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

func TestATimeToComeIsReadWhereATimelineEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{"+4h": noon.Add(4 * time.Hour), "+2d": noon.Add(2 * day), "+0s": noon} {
		if got, err := parseTime("until", text, noon, time.UTC); err != nil || !got.Equal(want) {
			t.Errorf("%q is read as %s: %v", text, got, err)
		}
		if got, err := parseTime("since", text, noon, time.UTC); err == nil {
			t.Errorf("--since %q is read as %s", text, got)
		}
	}
	for _, text := range []string{"+", "+-4h", "++4h", "+soon"} {
		if got, err := parseTime("until", text, noon, time.UTC); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

func TestTicksAreAtRoundTimesOfTheZone(t *testing.T) {
	t.Parallel()
	labels := func(from, to time.Time, zone *time.Location) string {
		s := newScale(&history.Chart{From: from, To: to}, 60)
		var all []string
		for _, tick := range s.ticks(zone, 10) {
			all = append(all, tick.label)
		}
		return strings.Join(all, " ")
	}
	zone := func(name string) *time.Location {
		location, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return location
	}
	night := func(month time.Month, date, hour, long int) (from, to time.Time) {
		from = time.Date(2026, month, date, hour, 0, 0, 0, time.UTC)
		return from, from.Add(time.Duration(long) * time.Hour)
	}
	marchFrom, marchTo := night(time.March, 28, 23, 8)
	octoberFrom, octoberTo := night(time.October, 24, 22, 9)
	for name, test := range map[string]struct{ got, want string }{
		"seconds":           {labels(noon, noon.Add(time.Second), time.UTC), "12:00:00 12:00:01"},
		"minutes":           {labels(noon.Add(7*time.Second), noon.Add(10*time.Minute), time.UTC), "12:02 12:04 12:06 12:08 12:10"},
		"a day":             {labels(noon.Add(-day), noon, time.UTC), "12:00 18:00 00:00 06:00 12:00"},
		"half hours off":    {labels(noon.Add(-5*time.Hour), noon, zone("Asia/Kolkata")), "13:00 14:00 15:00 16:00 17:00"},
		"a month":           {labels(noon.AddDate(0, -1, 0), noon, time.UTC), "Feb 9 Feb 16 Feb 23 Mar 2"},
		"years":             {labels(noon.AddDate(-40, 0, 0), noon, time.UTC), "Feb 1996 Feb 2006 Jan 2016 Jan 2026"},
		"clocks go forward": {labels(marchFrom, marchTo, zone("Europe/Berlin")), "00:00 04:00 06:00 08:00"},
		"clocks go back":    {labels(octoberFrom, octoberTo, zone("Europe/Berlin")), "00:00 02:00 04:00 06:00 08:00"},
	} {
		if test.got != test.want {
			t.Errorf("%s: ticks are %q, not %q", name, test.got, test.want)
		}
	}
}

func TestAShortBarHasACellOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newScale(&history.Chart{From: noon, To: noon.Add(100 * time.Second)}, 10)
	for name, test := range map[string]struct{ start, end, first, last int }{
		"a moment": {35, 35, 3, 3}, "a whole cell": {30, 40, 3, 3}, "two": {30, 41, 3, 4}, "all": {-50, 500, 0, 9},
		"at the end": {100, 100, 9, 9},
	} {
		first, last := s.span(noon.Add(time.Duration(test.start)*time.Second), noon.Add(time.Duration(test.end)*time.Second))
		if first != test.first || last != test.last {
			t.Errorf("%s: cells %d to %d", name, first, last)
		}
	}
}

func TestNothingNeedsItsColor(t *testing.T) {
	t.Parallel()
	seen := map[rune]string{}
	add := func(l look) {
		if other := seen[l.glyph]; other != "" || l.glyph == 0 || ansi.StringWidth(string(l.glyph)) != 1 {
			t.Errorf("%s has the glyph %q, as has %q", l.words, l.glyph, other)
		}
		seen[l.glyph] = l.words
	}
	for _, kind := range history.Kinds() {
		add(looks[kind])
	}
	for _, l := range markLooks {
		add(l)
	}
	for _, l := range shadeLooks {
		add(l)
	}
}

// strange is a chart with everything that can be in one, at random.
func strange(random *rand.Rand) *history.Chart {
	moment := func() time.Time { return noon.Add(time.Duration(random.IntN(400)-200) * time.Minute) }
	text := func() string {
		return []string{
			"", "node-1", "節点-一二三四五六七八九十-一二三四五六七八九十", strings.Repeat("long-name.", 25), "<script>alert(1)</script>&\"'", "\x1b[31m\x00\xff\n",
		}[random.IntN(6)]
	}
	chart := &history.Chart{From: noon.Add(-time.Hour), To: noon.Add(time.Hour), Now: noon, Notes: []string{text()}}
	for range random.IntN(4) {
		lane := history.Lane{Zone: text()}
		for range random.IntN(4) {
			row := history.Row{Node: text(), Policy: text()}
			for range random.IntN(6) {
				bar := history.Bar{Kind: append(history.Kinds(), "New")[random.IntN(11)], Start: moment(), Reboot: text(), Note: text(), Result: text()}
				bar.End = bar.Start.Add(time.Duration(random.IntN(100)) * time.Minute)
				bar.Open, bar.Forecast, bar.Attempt = random.IntN(3) == 0, random.IntN(3) == 0, random.Int32N(3)
				row.Bars = append(row.Bars, bar)
			}
			for range random.IntN(4) {
				kind := []history.MarkKind{history.Tainted, history.Approved, history.Failed, history.Proved, history.Cancelled, "New"}[random.IntN(6)]
				row.Marks = append(row.Marks, history.Mark{Kind: kind, Time: moment(), Reboot: text(), Reason: text(), Note: text()})
			}
			row.Story = []history.Entry{{Time: moment(), Text: text(), Reboot: text(), Warning: true}}
			lane.Rows = append(lane.Rows, row)
		}
		chart.Lanes = append(chart.Lanes, lane)
	}
	for range random.IntN(10) {
		from := moment()
		kind := []history.ShadeKind{history.Window, history.Freeze}[random.IntN(2)]
		chart.Shades = append(chart.Shades, history.Shade{Policy: text(), Kind: kind, Name: text(), From: from, To: from.Add(time.Hour)})
	}
	chart.Policies = []history.Summary{{
		Policy: text(), Reboots: 2, Proved: 1, Longest: text(), LongestSeconds: 2, MedianSeconds: 1, Tainted: 2,
	}}
	return chart
}

func TestNoLineIsWiderThanTheTerminal(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		columns := 50 + random.IntN(150)
		a := &app.App{Zone: time.UTC, Size: func() (int, int) { return columns, 24 }, NoColor: true}
		var out strings.Builder
		if err := writeText(a, &out, strange(random)); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if width := ansi.StringWidth(line); width > columns {
				t.Fatalf("%d columns of %d: %q", width, columns, line)
			}
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("the terminal would act on %q", line)
			}
		}
	}
}

func TestAPictureIsWellFormedAndRunsNothing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	a := &app.App{Zone: time.UTC}
	for range 300 {
		var out strings.Builder
		if err := writeSVG(a, &out, strange(random)); err != nil {
			t.Fatal(err)
		}
		elements, err := elementsOf(out.String())
		if err != nil {
			t.Fatalf("%v in\n%s", err, out.String())
		}
		if elements["title"] == 0 || elements["desc"] != 1 || elements["script"]+elements["foreignObject"]+elements["image"] != 0 {
			t.Fatalf("elements are %v", elements)
		}
	}
}

// elementsOf counts the elements of an XML document, which may have no handler and no address.
func elementsOf(text string) (map[string]int, error) {
	found := map[string]int{}
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		start, is := token.(xml.StartElement)
		if !is {
			continue
		}
		found[start.Name.Local]++
		for _, attr := range start.Attr {
			if strings.HasPrefix(attr.Name.Local, "on") || attr.Name.Local == "href" {
				return nil, fmt.Errorf("%s has the attribute %s", start.Name.Local, attr.Name.Local)
			}
		}
	}
}

func TestAStoryIsWrappedAtItsSpaces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                  {""},
		"one two three":     {"one two", "three"},
		"worker-1 waits":    {"worker-1", "waits"},
		"abcdefghijklmn op": {"abcdefghij", "klmn op"},
		"a 節点節点節点 b":        {"a", "節点節点節", "点 b"},
	} {
		if diff := cmp.Diff(want, wrap(text, 10)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
