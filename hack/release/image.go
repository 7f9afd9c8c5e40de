package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// imageCommand writes the image for all platforms as an OCI layout. It prints one line for each: what it is, and its name with its digest.
func imageCommand(_ context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	repository := flags.String("name", "", "the repository of the image, such as registry.example.com/reboot-operator")
	version := flags.String("version", "", "its version, which is its tag as well")
	revision := flags.String("revision", "", "the commit that it was built from")
	dockerfile := flags.String("file", "Dockerfile", "what the image consists of")
	to, at := flags.String("layout", "", "the folder that is written"), created(flags)
	platforms, err := parse(flags, args)
	if err != nil {
		return err
	}
	tag, err := name.NewTag(*repository+":"+*version, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("the name of the image: %w", err)
	}
	text, err := os.ReadFile(*dockerfile)
	if err != nil {
		return err
	}
	wanted, err := readDockerfile(string(text), map[string]string{"VERSION": *version, "REVISION": *revision})
	if err != nil {
		return err
	}
	index, lines, err := wanted.index(tag, platforms, time.Unix(*at, 0).UTC())
	if err != nil {
		return err
	}
	if err := os.RemoveAll(*to); err != nil {
		return err
	}
	written, err := layout.Write(*to, empty.Index)
	if err != nil {
		return err
	}
	if err := written.AppendIndex(index); err != nil {
		return err
	}
	_, err = io.WriteString(out, lines)
	return err
}

// index makes the image for each platform, such as arm64=bin/linux-arm64, which says where its programs are.
func (r recipe) index(tag name.Tag, platforms []string, at time.Time) (v1.ImageIndex, string, error) {
	if len(platforms) == 0 {
		return nil, "", fmt.Errorf("no platform, such as arm64=bin/linux-arm64")
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var lines strings.Builder
	for _, platform := range platforms {
		architecture, folder, ok := strings.Cut(platform, "=")
		if !ok {
			return nil, "", fmt.Errorf("%q is no platform, such as arm64=bin/linux-arm64", platform)
		}
		image, err := r.image(architecture, folder, at)
		if err != nil {
			return nil, "", err
		}
		digest, err := image.Digest()
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintf(&lines, "linux/%s %s\n", architecture, tag.Digest(digest.String()))
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	// Registries link a package to its sources by the annotations of what the tag names.
	annotated, ok := mutate.Annotations(index, r.labels).(v1.ImageIndex)
	if !ok {
		return nil, "", fmt.Errorf("an index with annotations is no index")
	}
	digest, err := annotated.Digest()
	if err != nil {
		return nil, "", err
	}
	return annotated, fmt.Sprintf("image %s@%s\n%s", tag, digest, lines.String()), nil
}

// image makes the image for one architecture.
func (r recipe) image(architecture, folder string, at time.Time) (v1.Image, error) {
	var entries []entry
	for _, program := range r.programs {
		content, err := os.ReadFile(filepath.Join(folder, program))
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{name: program, content: content, mode: r.mode})
	}
	packed, err := pack(entries, at)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	base, err = mutate.ConfigFile(base, &v1.ConfigFile{
		Architecture: architecture,
		OS:           "linux",
		Created:      v1.Time{Time: at},
		RootFS:       v1.RootFS{Type: "layers"},
		Config:       v1.Config{User: r.user, Entrypoint: r.entrypoint, Labels: r.labels},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(base, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: at}, CreatedBy: "make release"}})
}
