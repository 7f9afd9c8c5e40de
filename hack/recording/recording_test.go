package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// screen is a frame with these lines on top.
func screen(at time.Duration, top ...string) frame {
	return frame{at: at, lines: append(top, make([]string, lines-len(top))...)}
}

func TestSpansHaveTheColorsThatEscapeSequencesSay(t *testing.T) {
	for line, want := range map[string][]span{
		"plain":                          {{0, "plain", style{}}},
		"a\x1b[31mb\x1b[0mc":             {{0, "a", style{}}, {1, "b", style{color: palette[1]}}, {2, "c", style{}}},
		"\x1b[1;92m█▒\x1b[39mx\x1b[22my": {{0, "█▒", style{color: palette[10], bold: true}}, {2, "x", style{bold: true}}, {3, "y", style{}}},
		"\x1b[38;5;196;48;5;232mx":       {{0, "x", style{color: "#ff0000", background: "#080808"}}},
		"\x1b[38;2;1;2;255mx\x1b[mx":     {{0, "x", style{color: "#0102ff"}}, {1, "x", style{}}},
		"\x1b[7mx":                       {{0, "x", style{color: background, background: foreground, reversed: true}}},
		"\x1b(Bx\x1b[2my\x1b[5Cz":        {{0, "x", style{}}, {1, "y", style{dim: true}}, {2, "z", style{dim: true}}},
		"\x1b[38;5":                      nil,
	} {
		if diff := cmp.Diff(want, spans(line), cmp.AllowUnexported(span{}, style{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", line, diff)
		}
	}
}

func TestACastBringsOnlyTheLinesThatChanged(t *testing.T) {
	second := screen(1500*time.Millisecond, "one", "three")
	second.cursor, second.row, second.column = true, 1, 5
	events := strings.Split(strings.TrimSpace(string(writeCast([]frame{screen(0, "one", "two"), second}))), "\n")
	var header map[string]any
	if err := json.Unmarshal([]byte(events[0]), &header); err != nil || header["version"] != 2.0 || header["width"] != 80.0 {
		t.Errorf("the header is %s, error %v", events[0], err)
	}
	want := []string{
		`[0.00,"o","\u001b[2J\u001b[1;1H\u001b[0mone\u001b[0m\u001b[K\u001b[2;1H\u001b[0mtwo\u001b[0m\u001b[K\u001b[?25l"]`,
		`[1.50,"o","\u001b[2;1H\u001b[0mthree\u001b[0m\u001b[K\u001b[2;6H\u001b[?25h"]`,
		`[4.50,"o",""]`,
	}
	if diff := cmp.Diff(want, events[1:]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAPictureHasEachLineOnceAndIsXML(t *testing.T) {
	same := "<same> & more"
	picture := string(writeSVG([]frame{screen(0, same, "two"), screen(time.Second, same, "three"), screen(2*time.Second, "two")}))
	for text, want := range map[string]int{"&lt;same&gt; &amp; more": 1, ">two<": 1, "<use ": 5, "translateY(": 4} {
		if got := strings.Count(picture, text); got != want {
			t.Errorf("%q is there %d times instead of %d", text, got, want)
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(picture))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFramesThatNobodyCouldSeeAreLeftOut(t *testing.T) {
	quick := thin([]frame{screen(0, "a"), screen(100*time.Millisecond, "b"), screen(200*time.Millisecond, "c"), screen(2*time.Second, "d")})
	var got []string
	for _, one := range quick {
		got = append(got, one.lines[0])
	}
	if diff := cmp.Diff([]string{"a", "c", "d"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	long := shorten([]frame{screen(0, "a"), screen(30*time.Second, "b"), screen(31*time.Second, "c")})
	if long[1].at != longest || long[2].at != longest+time.Second {
		t.Errorf("frames are at %s and %s", long[1].at, long[2].at)
	}
}

func TestATerminalIsRecordedAsItIsTypedInto(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed; on Debian: apt-get install tmux")
	}
	shell, err := open(t.Context(), t.TempDir(), map[string]string{"LANG": "C.UTF-8", "PATH": os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shell.close(); err != nil {
			t.Error(err)
		}
	})
	frames, err := shell.record(t.Context(), func() error { return shell.line(t.Context(), "printf '\\033[31mred\\n'", "$ ", 0) })
	if err != nil {
		t.Fatal(err)
	}
	last := frames[len(frames)-1]
	if len(frames) < 3 || len(last.lines) != lines || !strings.Contains(strings.Join(last.lines, "\n"), "\x1b[31mred") {
		t.Errorf("%d frames, the last of which is %q", len(frames), last.lines)
	}
}

// What is committed is small enough to be loaded with a page.
func TestTheRecordingIsSmall(t *testing.T) {
	for _, file := range []string{"../site/public/rollout.cast", "../../docs/images/rollout.svg"} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() < 5_000 || info.Size() > 300_000 {
			t.Errorf("%s has %d bytes", file, info.Size())
		}
	}
}
