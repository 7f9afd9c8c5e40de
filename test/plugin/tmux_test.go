package plugin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/test/await"
)

// session is a terminal that a test looks at and types into.
type session struct {
	t      *testing.T
	socket string
}

// newSession starts a shell in a terminal of 80 columns and 24 lines.
func newSession(t *testing.T, environment map[string]string) *session {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed; on Debian: apt-get install tmux")
	}
	dir, err := os.MkdirTemp("", "tmux-") //nolint:usetesting // The path of a socket may have about 100 characters.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &session{t: t, socket: filepath.Join(dir, "s")}
	args := []string{"-u", "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24"}
	for name, value := range environment {
		args = append(args, "-e", name+"="+value)
	}
	s.tmux(append(args, "env PS1='prompt: ' sh")...)
	t.Cleanup(func() { s.tmux("kill-server") })
	s.see("a prompt", func(screen string) bool { return strings.Contains(screen, "prompt:") })
	return s
}

func (s *session) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (s *session) screen() string { return s.tmux("capture-pane", "-p") }

// keys presses keys, by the names that tmux has for them.
func (s *session) keys(names ...string) { s.tmux(append([]string{"send-keys"}, names...)...) }

// line types a line.
func (s *session) line(text string) {
	s.tmux("send-keys", "-l", text)
	s.keys("Enter")
}

// see waits until something is on the screen.
func (s *session) see(what string, is func(screen string) bool) {
	s.t.Helper()
	limit := time.NewTimer(await.Limit)
	defer limit.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		screen := s.screen()
		if is(screen) {
			return
		}
		select {
		case <-tick.C:
		case <-limit.C:
			s.t.Fatalf("not within %s: %s. The screen:\n%s", await.Limit, what, screen)
		}
	}
}

// shows waits until all of the texts are on the screen.
func (s *session) shows(texts ...string) {
	s.t.Helper()
	s.see(fmt.Sprintf("all of %q", texts), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// hides waits until a text is not on the screen.
func (s *session) hides(text string) {
	s.t.Helper()
	s.see(fmt.Sprintf("no %q", text), func(screen string) bool { return !strings.Contains(screen, text) })
}

// state is what a program may leave behind: the settings of the terminal, and the modes of the screen.
func (s *session) state() string {
	s.t.Helper()
	device := strings.TrimSpace(s.tmux("display-message", "-p", "#{pane_tty}"))
	out, err := exec.Command("stty", "-F", device, "-a").CombinedOutput()
	if err != nil {
		s.t.Fatalf("stty: %v: %s", err, out)
	}
	return string(out) + s.tmux("display-message", "-p", "alternate screen #{alternate_on}, cursor #{cursor_flag}, "+
		"mouse #{mouse_any_flag}, keypad #{keypad_flag} #{keypad_cursor_flag}, insert #{insert_flag}, wrap #{wrap_flag}")
}
