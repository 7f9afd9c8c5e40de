package kernel

import (
	"io/fs"
	"syscall"
	"time"
)

// changed is when the file's entry on the disk changed last, which no package can set.
func changed(info fs.FileInfo) time.Time {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(stat.Ctim.Unix())
	}
	return info.ModTime()
}
