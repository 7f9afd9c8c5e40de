package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is one file of an archive.
type entry struct {
	// name is the path in the archive.
	name    string
	content []byte
	mode    int64
}

// pack makes a compressed archive that depends on names, contents, modes and time only: owners are root, and entries are in the order of
// names.
func pack(entries []entry, at time.Time) ([]byte, error) {
	var packed bytes.Buffer
	compressor, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(compressor)
	for _, one := range slices.SortedFunc(slices.Values(entries), func(a, b entry) int { return cmp.Compare(a.name, b.name) }) {
		header := &tar.Header{Name: one.name, Mode: one.mode, Size: int64(len(one.content)), ModTime: at, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", one.name, err)
		}
		if _, err := archive.Write(one.content); err != nil {
			return nil, fmt.Errorf("pack %s: %w", one.name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := compressor.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// created is a flag for the time of everything that is made, in seconds since 1970, as in SOURCE_DATE_EPOCH.
func created(flags *flag.FlagSet) *int64 {
	return flags.Int64("created", 0, "the time of all files, in seconds since 1970: that of the commit")
}

// archiveCommand packs the files that are named, programs as such, under their base names.
func archiveCommand(_ context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("archive", flag.ContinueOnError)
	to, at := flags.String("to", "", "the archive that is written, a .tar.gz"), created(flags)
	names, err := parse(flags, args)
	if err != nil {
		return err
	}
	var entries []entry
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		entries = append(entries, entry{name: filepath.Base(name), content: content, mode: mode})
	}
	if len(entries) == 0 {
		return fmt.Errorf("no files to pack into %s", *to)
	}
	packed, err := pack(entries, time.Unix(*at, 0))
	if err != nil {
		return err
	}
	return os.WriteFile(*to, packed, 0o644)
}

// checksumsCommand writes checksums.txt in the form of sha256sum for all other files of a folder.
func checksumsCommand(_ context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("checksums", flag.ContinueOnError)
	folder := flags.String("folder", "", "the folder whose files are summed")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	const name = "checksums.txt"
	files, err := os.ReadDir(*folder)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, file := range files {
		if file.Name() == name {
			continue
		}
		content, err := os.ReadFile(filepath.Join(*folder, file.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), file.Name())
	}
	return os.WriteFile(filepath.Join(*folder, name), []byte(sums.String()), 0o644)
}
