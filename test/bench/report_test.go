package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/test/repository"
)

func TestThePageAndThePlotAreWhatTheResultsSay(t *testing.T) {
	root, err := repository.Root()
	if err != nil {
		t.Fatal(err)
	}
	results := Results{}
	if err := readJSON(root, resultsFile, &results); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, pageFile))
	if err != nil {
		t.Fatal(err)
	}
	want, err := intoPage(page, results)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(page)); diff != "" {
		t.Errorf("%s is not as `make bench-page` writes it (-want +got):\n%s", pageFile, diff)
	}
	drawn, err := os.ReadFile(filepath.Join(root, plotFile))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(drawn, plot(results)) {
		t.Errorf("%s is not as `make bench-page` writes it", plotFile)
	}
}

func someResults() Results {
	quiet := Noise{Before: 1, After: 1}
	return Results{
		"aks4": {Title: "four", Noise: quiet, Measured: Measured{Figures: []Figure{
			count("evictions", 4), ratio("makespan / bound", 1.02).goal(goalMakespan),
		}}},
		"n30-any": {Title: "thirty & more", Noise: Noise{Before: 2}, Measured: Measured{Figures: []Figure{
			ratio("makespan / bound", 1.40).goal(goalMakespan), count("requests", 50).goal(goalRequests),
		}}},
		"compute": {Title: "plans", Noise: quiet, Measured: Measured{
			Curves:  []Curve{{Name: "Scale <idle>", Sizes: []float64{100, 1000, 15000}, Values: []float64{0.1, 1.2, 30}}},
			Details: []Detail{{Title: "by size", Header: []string{"scenario", "100"}, Rows: [][]string{{"idle", "0.1"}}}},
		}},
		"gone": {Title: "a row of an old version", Measured: Measured{Figures: []Figure{ratio("r", 1)}}},
	}
}

func TestHowPassesGrowIsMadeOfTheRollouts(t *testing.T) {
	results := Results{}
	for name, value := range map[string]float64{"n30-zones": 3, "n100-zones": 10, "n300-zones": 30, "n30-any": 1} {
		results[name] = Result{
			Date: "2026-11-" + name[1:3], Noise: Noise{Before: value}, Measured: Measured{Figures: []Figure{processor(perPassFigure, value, "ms")}},
		}
	}
	results.derive()
	f, found := results["pass"].figure("exponent of processor time of a pass, OneAtATime")
	if !found || f.Value < 0.99 || f.Value > 1.01 || len(results["pass"].Figures) != 1 {
		t.Errorf("passes: %+v, want the exponent 1 of one strategy", results["pass"].Figures)
	}
	if got := results["pass"]; got.Noise.Before != 30 || got.Date != "2026-11-10" {
		t.Errorf("noise %v of %s, want that of the noisiest and the day of the oldest", got.Noise.Before, got.Date)
	}
	delete(results, "n100-zones")
	delete(results, "n300-zones")
	if results.derive(); len(results["pass"].Figures) != 0 {
		t.Errorf("one size has no exponent: %+v", results["pass"].Figures)
	}
}

func TestTheTableHasRatiosFirstAndMarksNoise(t *testing.T) {
	var out strings.Builder
	printTable(&out, someResults())
	var got []string
	for _, l := range someResults().lines() {
		got = append(got, l.row+" "+l.figure.Name+" "+l.verdict())
	}
	want := []string{"aks4 makespan / bound met", "n30-any makespan / bound noisy", "aks4 evictions ", "n30-any requests missed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(out.String(), "too much") {
		t.Errorf("the noisy row is not marked:\n%s", out.String())
	}
}

func TestThePlotIsXMLWithADotForEachRollout(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(string(plot(someResults()))))
	elements := map[string]int{}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if begin, ok := token.(xml.StartElement); ok {
			elements[begin.Name.Local]++
		}
	}
	if elements["circle"] != 2 || elements["polyline"] != 1 {
		t.Errorf("%d dots and %d curves, want 2 and 1", elements["circle"], elements["polyline"])
	}
	if empty := string(plot(Results{})); !strings.Contains(empty, "</svg>") {
		t.Errorf("without results the plot is %q", empty)
	}
}

func TestThePageKeepsWhatPeopleWrote(t *testing.T) {
	page := "# Title\n\n" + beginMark + ": do not edit. -->\nold\n" + endMark + "\n\nMore.\n"
	got, err := intoPage([]byte(page), someResults())
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if !strings.HasPrefix(text, "# Title\n\n"+beginMark+": do not edit. -->\n") || !strings.HasSuffix(text, endMark+"\n\nMore.\n") {
		t.Errorf("the page is now:\n%s", text)
	}
	if strings.Contains(text, "old") || !strings.Contains(text, "| `aks4` | makespan / bound | 1.02 | ≤ 1.05 | met |") {
		t.Errorf("the page is now:\n%s", text)
	}
	if _, err := intoPage([]byte("# Title\n"), someResults()); err == nil {
		t.Error("a page without marks is no error")
	}
}

func TestRowsAreSelectedByName(t *testing.T) {
	tests := map[string]struct {
		names string
		want  []string
	}{
		"one":    {"aks4", []string{"aks4"}},
		"two":    {"compute, taint5", []string{"compute", "taint5"}},
		"prefix": {"n300-*", []string{"n300-zones", "n300-any"}},
		"all":    {"", rowNames(Rows())},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rows, err := Select(Rows(), test.names)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, rowNames(rows)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := Select(Rows(), "aks5"); err == nil || !strings.Contains(err.Error(), "aks4") {
		t.Errorf("an unknown row: %v, want an error that names those there are", err)
	}
}

func TestAllRowsTakeThreeQuartersOfAnHourAndHaveNamesOfTheirOwn(t *testing.T) {
	var sum time.Duration
	seen := map[string]bool{}
	for _, row := range Rows() {
		sum += row.Takes
		if seen[row.Name] || row.Title == "" || (row.Run == nil) == (row.From == nil) {
			t.Errorf("row %q has another's name, no title, or nothing that measures it", row.Name)
		}
		seen[row.Name] = true
	}
	if sum > 45*time.Minute {
		t.Errorf("all rows take %s, want at most 45 minutes", sum)
	}
}

func TestWhatIsWorseThanTheBaselineIsNamed(t *testing.T) {
	baseline := Baseline{"requests": 60, "few": 0.2, "exponent": 1, "rollout: makespan / bound": 1.1, "gone": 3}
	now := []guarded{
		{"requests", 70, counted}, {"few", 0.6, counted}, {"exponent", 1.06, absolute(slackExponents)}, {"new", 1, share(0)},
	}
	want := []string{
		"requests is 70.00; the baseline is 60.00, and 69.00 is the most that is not worse",
		"exponent is 1.06; the baseline is 1.00, and 1.05 is the most that is not worse",
		"new is 1.00, and has no baseline",
		"gone is in the baseline and was not measured",
	}
	if diff := cmp.Diff(want, compare(baseline, now)); diff != "" {
		t.Error(diff)
	}
	quiet := []guarded{{quietName, 3, share(slackRatio)}}
	if got := compare(Baseline{}, quiet); len(got) != 0 {
		t.Errorf("a baseline that was written on a noisy machine lacks the ratio: %v", got)
	}
	if got := compare(Baseline{quietName: 1.1}, quiet); len(got) != 1 {
		t.Errorf("a ratio that is worse: %v", got)
	}
	if got := better(baseline, []guarded{{"requests", 40, counted}, {"few", 0.1, counted}}); len(got) != 1 {
		t.Errorf("better: %v, want requests alone", got)
	}
}
