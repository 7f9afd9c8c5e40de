package node

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// configDisk is what a machine takes over at its first boot: its credentials, its name, and the images of this run. It is an archive
// without a file system, which the machine reads from the block device.
type configDisk struct {
	files  map[string][]byte // by their absolute path on the machine
	images []string          // archives on this machine
}

// write makes the disk at name. A disk is a whole number of sectors, which an archive always is.
func (d configDisk) write(name string) (err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	archive := tar.NewWriter(file)
	for name, content := range d.files {
		mode := fs.FileMode(plainFile)
		if err := archive.WriteHeader(header(name, int64(len(content)), mode)); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	for _, image := range d.images {
		if err := addImage(archive, image); err != nil {
			return fmt.Errorf("add %s: %w", image, err)
		}
	}
	return archive.Close()
}

func addImage(archive *tar.Writer, name string) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(header(path.Join("/var/lib/images", path.Base(name)), info.Size(), plainFile)); err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}

func header(name string, size int64, mode fs.FileMode) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name[1:], Size: size, Mode: int64(mode)}
}
