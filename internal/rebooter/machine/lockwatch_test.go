package machine

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fsnotify/fsnotify"

	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
)

func TestThatLocksCannotBeWatchedIsLoggedUnlessTheirDirectoryIsMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		directories string
		close       bool
		watched     string
		logged      int
	}{
		"they can be watched":      {directories: locksDirectory, watched: locksDirectory},
		"there was none yet":       {directories: filepath.Dir(locksDirectory), watched: filepath.Dir(locksDirectory)},
		"there is nothing":         {directories: "/"},
		"they cannot be watched":   {directories: locksDirectory, close: true, logged: 2},
		"nor can what they are in": {directories: filepath.Dir(locksDirectory), close: true, logged: 1},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, tc.directories), 0o700); err != nil {
				t.Fatal(err)
			}
			watcher, err := fsnotify.NewWatcher()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = watcher.Close() }()
			if tc.close {
				_ = watcher.Close()
			}
			var logged strings.Builder
			log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
			w := &lockWatch{host: hostfs.Root(root), watcher: watcher, log: log}
			w.watch()
			want := ""
			if tc.watched != "" {
				want = filepath.Join(root, tc.watched)
			}
			if got := strings.Join(watcher.WatchList(), " "); got != want {
				t.Errorf("watched is %q, want %q", got, want)
			}
			if lines := strings.Count(logged.String(), "Cannot watch"); lines != tc.logged {
				t.Errorf("%d lines are logged, want %d:\n%s", lines, tc.logged, logged.String())
			}
		})
	}
}
