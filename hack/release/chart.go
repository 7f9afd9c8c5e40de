package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"sigs.k8s.io/yaml"
)

// The media types that Helm gives to a chart in a registry.
const (
	helmConfig types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	helmChart  types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// metadata is what a Chart.yaml says and is needed here.
type metadata struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	AppVersion  string `json:"appVersion"`
	Description string `json:"description"`
	Home        string `json:"home"`
}

func readMetadata(folder string) (metadata, []byte, error) {
	text, err := os.ReadFile(filepath.Join(folder, "Chart.yaml"))
	if err != nil {
		return metadata{}, nil, err
	}
	var read metadata
	if err := yaml.Unmarshal(text, &read); err != nil {
		return metadata{}, nil, fmt.Errorf("read %s: %w", filepath.Join(folder, "Chart.yaml"), err)
	}
	if read.Name == "" || read.Version == "" {
		return metadata{}, nil, fmt.Errorf("%s has no name or no version", filepath.Join(folder, "Chart.yaml"))
	}
	config, err := yaml.YAMLToJSON(text)
	return read, config, err
}

// chartCommand packs a chart, as `helm package` does but without the time of day in it, and writes it as an OCI layout too, as `helm push`
// stores it. It prints a line as imageCommand does.
func chartCommand(_ context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("chart", flag.ContinueOnError)
	folder := flags.String("chart", "", "the folder of the chart")
	repository := flags.String("name", "", "the repository that the chart is pushed to, without the name of the chart")
	to := flags.String("to", "", "the folder that the packed chart is written to")
	asLayout := flags.String("layout", "", "the folder of the OCI layout")
	at := created(flags)
	if _, err := parse(flags, args); err != nil {
		return err
	}
	read, config, err := readMetadata(*folder)
	if err != nil {
		return err
	}
	tag, err := name.NewTag(*repository+"/"+read.Name+":"+read.Version, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("the name of the chart: %w", err)
	}
	packed, err := packChart(*folder, read.Name, time.Unix(*at, 0))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*to, read.Name+"-"+read.Version+".tgz"), packed, 0o644); err != nil {
		return err
	}
	digest, err := writeChart(*asLayout, read, config, packed)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "chart %s@%s\n", tag, digest)
	return err
}

// ignored returns the patterns of .helmignore: names of files in whatever folder. It refuses the others that Helm knows.
func ignored(folder string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(folder, ".helmignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var patterns []string
	for _, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := filepath.Match(line, ""); err != nil || strings.ContainsAny(line, "/!") {
			return nil, fmt.Errorf("%s: %q is more than the name of a file", filepath.Join(folder, ".helmignore"), line)
		}
		patterns = append(patterns, line)
	}
	return patterns, nil
}

// packChart packs all files of the folder but hidden and ignored ones, with the name of the chart as their folder.
func packChart(folder, chart string, at time.Time) ([]byte, error) {
	var entries []entry
	patterns, err := ignored(folder)
	if err != nil {
		return nil, err
	}
	left := func(name string) bool {
		return strings.HasPrefix(name, ".") ||
			slices.ContainsFunc(patterns, func(pattern string) bool { match, _ := filepath.Match(pattern, name); return match })
	}
	err = filepath.WalkDir(folder, func(path string, found fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != folder && left(found.Name()):
			if found.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case found.IsDir():
			return nil
		case !found.Type().IsRegular():
			return fmt.Errorf("%s is no file", path)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		entries = append(entries, entry{name: chart + "/" + filepath.ToSlash(relative), content: content, mode: 0o644})
		return err
	})
	if err != nil {
		return nil, err
	}
	return pack(entries, at)
}

// writeChart writes a packed chart as an OCI layout, and returns the digest of its manifest.
func writeChart(folder string, read metadata, config, packed []byte) (v1.Hash, error) {
	if err := os.RemoveAll(folder); err != nil {
		return v1.Hash{}, err
	}
	written, err := layout.Write(folder, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	blob := func(content []byte, kind types.MediaType) (v1.Descriptor, error) {
		digest, size, err := v1.SHA256(bytes.NewReader(content))
		if err != nil {
			return v1.Descriptor{}, err
		}
		return v1.Descriptor{MediaType: kind, Size: size, Digest: digest}, written.WriteBlob(digest, io.NopCloser(bytes.NewReader(content)))
	}
	configBlob, err := blob(config, helmConfig)
	if err != nil {
		return v1.Hash{}, err
	}
	layer, err := blob(packed, helmChart)
	if err != nil {
		return v1.Hash{}, err
	}
	annotations := map[string]string{
		"org.opencontainers.image.title":       read.Name,
		"org.opencontainers.image.version":     read.Version,
		"org.opencontainers.image.description": read.Description,
		"org.opencontainers.image.source":      read.Home,
	}
	manifest, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: configBlob, Layers: []v1.Descriptor{layer}, Annotations: annotations,
	})
	if err != nil {
		return v1.Hash{}, err
	}
	descriptor, err := blob(manifest, types.OCIManifestSchema1)
	if err != nil {
		return v1.Hash{}, err
	}
	return descriptor.Digest, written.AppendDescriptor(descriptor)
}
