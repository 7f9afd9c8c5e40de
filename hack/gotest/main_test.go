package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inModule makes a module of these files and changes to its folder.
func inModule(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/m\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOFLAGS", "")
	t.Chdir(dir)
}

// testFile is a file with tests.
func testFile(pkg string, lines ...string) string {
	return "package " + pkg + "\nimport \"testing\"\n" + strings.Join(lines, "\n") + "\n"
}

const mixed = `package mixed

import ("fmt"; "testing")

func TestPasses(t *testing.T) { fmt.Println("noise"); t.Log("noise") }

func TestSkips(t *testing.T) {
	t.Log("looking for it")
	t.Skip("no program:\napt-get install program")
}

func TestParent(t *testing.T) {
	t.Run("passes", func(t *testing.T) {})
	t.Run("skips", func(t *testing.T) { t.SkipNow() })
	t.Run("fails", func(t *testing.T) { t.Error("this is why") })
}
`

// TestWhatGoTestSaysIsPrintedAndSummedUp runs the go command.
func TestWhatGoTestSaysIsPrintedAndSummedUp(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		// wantOutput are lines, without the time that a package took.
		wantOutput []string
		notOutput  []string
		want       summary
		wantFailed bool
	}{
		"all pass": {
			files:      map[string]string{"a/a_test.go": testFile("a", `func TestA(t *testing.T) { t.Log("noise") }`), "b/b.go": "package b\n"},
			wantOutput: []string{"ok  \texample.com/m/a\t", "?   \texample.com/m/b\t[no test files]\n"},
			notOutput:  []string{"noise", "PASS"},
			want:       summary{Passed: 1},
		},
		"one of each": {
			files: map[string]string{"mixed/mixed_test.go": mixed},
			wantOutput: []string{
				"--- FAIL: TestParent (", "--- FAIL: TestParent/fails (", "mixed_test.go:15: this is why\n", "FAIL\texample.com/m/mixed\t",
			},
			notOutput: []string{"=== ", "noise"},
			want: summary{
				Passed: 2, Failed: []string{"example.com/m/mixed TestParent/fails"},
				Skipped: []string{
					"example.com/m/mixed TestSkips: no program: apt-get install program", "example.com/m/mixed TestParent/skips: it does not say why",
				},
			},
			wantFailed: true,
		},
		"what does not compile": {
			files: map[string]string{
				"c/c_test.go": "package c\nfunc f() { undefined() }\n", "d/d_test.go": testFile("d", "func TestD(*testing.T) {}"),
			},
			wantOutput: []string{"c/c_test.go:2:12: undefined: undefined\n", "FAIL\texample.com/m/c [build failed]\n", "ok  \texample.com/m/d\t"},
			want:       summary{Passed: 1, Failed: []string{"example.com/m/c"}},
			wantFailed: true,
		},
		"a panic": {
			files: map[string]string{
				"p/p_test.go": testFile("p", `func TestP(t *testing.T) { t.Log("before"); panic("oh no") }`, "func TestQ(*testing.T) {}"),
			},
			wantOutput: []string{"before", "panic: oh no", "goroutine ", "FAIL\texample.com/m/p\t"},
			want:       summary{Failed: []string{"example.com/m/p TestP"}},
			wantFailed: true,
		},
		"a main function that fails": {
			files: map[string]string{
				"q/q_test.go": testFile("q", `import ("fmt"; "os")`, `func TestMain(*testing.M) { fmt.Println("no server"); os.Exit(3) }`),
			},
			wantOutput: []string{"no server\n", "FAIL\texample.com/m/q\t"},
			want:       summary{Failed: []string{"example.com/m/q"}},
			wantFailed: true,
		},
		"a flag that is unknown": {
			files: map[string]string{"d/d_test.go": "package d\n"}, wantFailed: true,
			want: summary{Failed: []string{"example.com/m/d"}}, wantOutput: []string{"flag provided but not defined: -unknown"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inModule(t, tc.files)
			args := []string{"./..."}
			if strings.Contains(name, "flag") {
				args = append(args, "-unknown")
			}
			var out strings.Builder
			got, err := goTest(t.Context(), args, &out)
			var exit *exec.ExitError
			if tc.wantFailed != errors.As(err, &exit) || !tc.wantFailed && err != nil {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			for _, line := range tc.wantOutput {
				if !strings.Contains(out.String(), line) {
					t.Errorf("no %q in the output", line)
				}
			}
			for _, line := range tc.notOutput {
				if strings.Contains(out.String(), line) {
					t.Errorf("%q in the output", line)
				}
			}
			if t.Failed() {
				t.Logf("the output:\n%s", out.String())
			}
		})
	}
}

func TestTestsThatAreNotEndedByThemselvesAreEndedWithTheProgram(t *testing.T) {
	inModule(t, map[string]string{
		"h/h_test.go": testFile("h", `func TestHangs(t *testing.T) { t.Run("here", func(*testing.T) { select {} }) }`),
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := goTest(ctx, []string{"./..."}, &strings.Builder{}); err == nil {
		t.Error("no error")
	}
	var out strings.Builder
	got, err := goTest(t.Context(), []string{"-timeout=3s", "./..."}, &out)
	if diff := cmp.Diff(&summary{Failed: []string{"example.com/m/h TestHangs/here"}}, got); err == nil || diff != "" {
		t.Errorf("error %v, summary (-want +got):\n%s", err, diff)
	}
	if !strings.Contains(out.String(), "panic: test timed out after 3s") {
		t.Errorf("it does not say why:\n%s", out.String())
	}
}

func TestALongSilenceIsBrokenByWhatRuns(t *testing.T) {
	var out strings.Builder
	p := newPrinter(&out)
	for _, line := range []string{
		`{"Time":"2026-03-01T12:00:00Z","Action":"start","Package":"m/b"}`,
		`{"Time":"2026-03-01T12:00:01Z","Action":"start","Package":"m/a"}`,
		`{"Time":"2026-03-01T12:00:02Z","Action":"run","Package":"m/a","Test":"TestA"}`,
		`{"Time":"2026-03-01T12:00:02Z","Action":"start","Package":"m/c"}`,
		`{"Time":"2026-03-01T12:00:03Z","Action":"output","Package":"m/c","Output":"ok  \tm/c\t1s\n"}`,
		`{"Time":"2026-03-01T12:00:03Z","Action":"pass","Package":"m/c"}`,
	} {
		p.take([]byte(line))
	}
	p.sayWhatRuns(time.Date(2026, 3, 1, 12, 1, 1, 0, time.UTC))
	const want = "ok  \tm/c\t1s\n...\tm/a\trunning for 1m0s: TestA\n...\tm/b\trunning for 1m1s: \n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}

func TestSpecsThatGinkgoLeftOutAreSkipped(t *testing.T) {
	for name, tc := range map[string]struct{ said, want string }{
		"none":    {said: "SUCCESS! -- 3 Passed | 0 Failed | 0 Pending | 0 Skipped"},
		"skipped": {"SUCCESS! -- 3 Passed | 0 Failed | 0 Pending | 10 Skipped", "3 Passed | 0 Failed | 0 Pending | 10 Skipped"},
		"in colors": {
			"\x1b[38;5;10m\x1b[1mSUCCESS!\x1b[0m -- \x1b[38;5;10m\x1b[1m1 Passed\x1b[0m | \x1b[38;5;9m\x1b[1m0 Failed\x1b[0m | " +
				"\x1b[38;5;11m\x1b[1m0 Pending\x1b[0m | \x1b[38;5;14m\x1b[1m39 Skipped\x1b[0m", "1 Passed | 0 Failed | 0 Pending | 39 Skipped",
		},
		"pending": {"SUCCESS! -- 3 Passed | 0 Failed | 1 Pending | 0 Skipped", "3 Passed | 0 Failed | 1 Pending | 0 Skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := skippedSpecs([]string{"Ran 3 Specs\n", tc.said + "\n"}); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTheSummaryOfSeveralRunsIsTheirSum(t *testing.T) {
	file := filepath.Join(t.TempDir(), "summary")
	for _, one := range []summary{
		{Passed: 2, Skipped: []string{"b TestB: no root"}},
		{Passed: 3, Failed: []string{"c"}, Skipped: []string{"a TestA: no bus"}},
	} {
		if err := one.addTo(file); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-show", "-summary", file}, &out); err != nil {
		t.Fatal(err)
	}
	const want = "\n5 tests passed, 1 failed, 2 were skipped.\nfailed: c\nskipped: a TestA: no bus\nskipped: b TestB: no root\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}
