package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// sampled is how often the screen is looked at, typed how fast keys come.
	sampled = 100 * time.Millisecond
	typed   = 45 * time.Millisecond
	// patience is how long a step may take; an event of the rollout is one.
	patience = 3 * time.Minute
	// longest is the most time between two frames that people are shown.
	longest = 2 * time.Second
)

// frame is a screen from an instant on.
type frame struct {
	at    time.Duration
	lines []string
	// row and column of the cursor; none where it is hidden.
	row, column int
	cursor      bool
}

// terminal is a shell in tmux.
type terminal struct{ folder, socket string }

// open starts a shell in a folder.
func open(ctx context.Context, in string, environment map[string]string) (*terminal, error) {
	folder, err := os.MkdirTemp("", "recording-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for tmux: %w", err)
	}
	t := &terminal{folder: folder, socket: filepath.Join(folder, "s")}
	args := []string{"-u", "-f", "/dev/null", "new-session", "-d", "-c", in, "-x", fmt.Sprint(columns), "-y", fmt.Sprint(lines + 1)}
	// By env, because the shell that tmux starts it with may set a PATH of its own.
	shell := "env ENV= PS1='$ '"
	for name, value := range environment {
		shell += " " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	if _, err := t.tmux(ctx, append(args, shell+" sh")...); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	// The line of tmux itself goes, and its place with it.
	for _, setting := range [][]string{{"set", "-g", "status", "off"}, {"resize-window", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(lines)}} {
		if _, err := t.tmux(ctx, setting...); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	if err := t.see(ctx, "$ "); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *terminal) close() error {
	_, err := t.tmux(context.Background(), "kill-server")
	return errors.Join(err, os.RemoveAll(t.folder))
}

func (t *terminal) tmux(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "tmux", append([]string{"-S", t.socket}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// line types a line, waits until a text is on the screen, and lets people read for a while.
func (t *terminal) line(ctx context.Context, text, want string, read time.Duration) error {
	for _, letter := range text {
		if _, err := t.tmux(ctx, "send-keys", "-l", string(letter)); err != nil {
			return err
		}
		pause(ctx, typed)
	}
	pause(ctx, 10*typed)
	return t.key(ctx, "Enter", want, read)
}

// key presses one.
func (t *terminal) key(ctx context.Context, name, want string, read time.Duration) error {
	if _, err := t.tmux(ctx, "send-keys", name); err != nil {
		return err
	}
	pause(ctx, 2*sampled)
	if err := t.see(ctx, want); err != nil {
		return err
	}
	pause(ctx, read)
	return nil
}

// see waits for a text; that of the prompt has to be the last one on the screen.
func (t *terminal) see(ctx context.Context, want string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		screen, err := t.tmux(ctx, "capture-pane", "-p")
		if err != nil {
			return err
		}
		shown := strings.Split(strings.TrimRight(screen, "\n"), "\n")
		if strings.Contains(strings.ToLower(screen), "\nerror:") {
			return fmt.Errorf("a command failed:\n%s", screen)
		}
		if want == "$ " && strings.TrimSpace(shown[len(shown)-1]) == "$" || want != "$ " && strings.Contains(screen, want) {
			return nil
		}
		pause(ctx, sampled)
		if ctx.Err() != nil {
			return fmt.Errorf("%q was not on the screen in %s:\n%s", want, patience, screen)
		}
	}
}

func pause(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// record takes frames while something happens.
func (t *terminal) record(ctx context.Context, happens func() error) ([]frame, error) {
	ended := make(chan error, 1)
	go func() { ended <- happens() }()
	var frames []frame
	start := time.Now()
	for {
		next, err := t.look(ctx)
		if err != nil {
			return nil, err
		}
		next.at = time.Since(start)
		if len(frames) == 0 || !same(frames[len(frames)-1], next) {
			frames = append(frames, next)
		}
		select {
		case err := <-ended:
			return shorten(frames), err
		default:
			pause(ctx, sampled)
		}
	}
}

func (t *terminal) look(ctx context.Context) (frame, error) {
	// Both in one call, so that the cursor is that of the screen.
	out, err := t.tmux(ctx, "display-message", "-p", "#{cursor_y} #{cursor_x} #{cursor_flag}", ";", "capture-pane", "-p", "-e")
	if err != nil {
		return frame{}, err
	}
	first, screen, _ := strings.Cut(out, "\n")
	var taken frame
	var flag int
	if _, err := fmt.Sscan(first, &taken.row, &taken.column, &flag); err != nil {
		return frame{}, fmt.Errorf("the cursor is at %q: %w", first, err)
	}
	taken.cursor = flag == 1
	taken.lines = strings.Split(strings.TrimSuffix(screen, "\n"), "\n")
	for len(taken.lines) < lines {
		taken.lines = append(taken.lines, "")
	}
	taken.lines = taken.lines[:lines]
	return taken, nil
}

func same(a, b frame) bool {
	return slices.Equal(a.lines, b.lines) && a.cursor == b.cursor && (!a.cursor || a.row == b.row && a.column == b.column)
}

// shorten leaves out time in which nothing happens and a reader has read what there is. The pauses of the script stay as they are.
func shorten(frames []frame) []frame {
	var cut time.Duration
	shorter := slices.Clone(frames)
	for i := range shorter {
		if i > 0 {
			if gap := frames[i].at - frames[i-1].at; gap > 8*time.Second {
				cut += gap - longest
			}
		}
		shorter[i].at = frames[i].at - cut
	}
	return shorter
}
