package machine

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/reboot-operator/reboot-operator/internal/rebooter/hostfs"
)

// locksDirectory has a file for each inhibitor lock. It is there since the first one of a boot. Watching it needs no connection to a bus
// that may be restarted; what the files say is logind's own business.
const locksDirectory = "/run/systemd/inhibit"

// lockPause is the least time between two hints about locks.
const lockPause = time.Second

// lockWatch hints that inhibitor locks may have changed.
type lockWatch struct {
	changes chan struct{}
	host    hostfs.Root
	watcher *fsnotify.Watcher
	log     *slog.Logger
}

// newLockWatch gives hints until ctx ends. If the kernel refuses to watch, facts are gathered from time to time nonetheless.
func newLockWatch(ctx context.Context, host hostfs.Root, log *slog.Logger) *lockWatch {
	w := &lockWatch{changes: make(chan struct{}, 1), host: host, log: log}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Error("Cannot watch inhibitor locks, only polling", "error", err)
		return w
	}
	w.watcher = watcher
	go w.forward(ctx)
	return w
}

// watch begins to watch, or continues: what was missing or was replaced is found when it is repeated.
func (w *lockWatch) watch() {
	if w.watcher == nil {
		return
	}
	for _, directory := range []string{locksDirectory, filepath.Dir(locksDirectory)} {
		path, err := w.host.Resolve(directory)
		if err == nil {
			err = w.watcher.Add(path)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			w.log.Debug("Cannot watch", "directory", directory, "error", err)
		}
	}
}

func (w *lockWatch) forward(ctx context.Context) {
	defer func() { _ = w.watcher.Close() }()
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-w.watcher.Events:
			if !w.concerns(event.Name) {
				continue
			}
		case err := <-w.watcher.Errors:
			w.log.Error("Watching inhibitor locks", "error", err)
		}
		select {
		case w.changes <- struct{}{}:
		default:
		}
	}
}

// concerns reports whether the name is the directory of locks or a file in it.
func (w *lockWatch) concerns(name string) bool {
	base := filepath.Base(locksDirectory)
	return filepath.Base(name) == base || filepath.Base(filepath.Dir(name)) == base
}
