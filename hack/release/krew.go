package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// plugin is the manifest of a kubectl plugin, as krew reads it (sigs.k8s.io/krew/pkg/index).
type plugin struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   pluginMetadata `json:"metadata"`
	Spec       pluginSpec     `json:"spec"`
}

type pluginMetadata struct {
	Name string `json:"name"`
}

type pluginSpec struct {
	Version          string           `json:"version"`
	Homepage         string           `json:"homepage"`
	ShortDescription string           `json:"shortDescription"`
	Description      string           `json:"description"`
	Caveats          string           `json:"caveats"`
	Platforms        []pluginPlatform `json:"platforms"`
}

type pluginPlatform struct {
	Selector pluginSelector `json:"selector"`
	URI      string         `json:"uri"`
	SHA256   string         `json:"sha256"`
	Bin      string         `json:"bin"`
}

type pluginSelector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

// pluginName is how krew and kubectl call the plugin.
const pluginName = "reboots"

// pluginArchive is the name of an archive of the plugin.
var pluginArchive = regexp.MustCompile(`^kubectl-reboots_(v[^_]+)_([a-z0-9]+)_([a-z0-9]+)\.tar\.gz$`)

// krewCommand writes the manifest for krew of the archives in a folder, and prints how large they are.
func krewCommand(_ context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("krew", flag.ContinueOnError)
	version := flags.String("version", "", "the version, such as v1.2.3")
	folder := flags.String("folder", "", "the folder of the archives, which the manifest is written to")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	files, err := os.ReadDir(*folder)
	if err != nil {
		return err
	}
	manifest := newPlugin(*version)
	for _, file := range files {
		of := pluginArchive.FindStringSubmatch(file.Name())
		if len(of) == 0 || of[1] != *version {
			continue
		}
		content, err := os.ReadFile(filepath.Join(*folder, file.Name()))
		if err != nil {
			return err
		}
		manifest.Spec.Platforms = append(manifest.Spec.Platforms, platform(*version, file.Name(), of[2], of[3], content))
		if _, err := fmt.Fprintf(out, "%s: %.1f MB\n", file.Name(), float64(len(content))/1e6); err != nil {
			return err
		}
	}
	if len(manifest.Spec.Platforms) == 0 {
		return errors.New("there is no archive of kubectl-reboots " + *version + " in " + *folder)
	}
	text, err := yaml.Marshal(manifest)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(*folder, pluginName+".yaml"), text, 0o644)
}

func newPlugin(version string) plugin {
	return plugin{
		APIVersion: "krew.googlecontainertools.github.com/v1alpha2",
		Kind:       "Plugin",
		Metadata:   pluginMetadata{Name: pluginName},
		Spec: pluginSpec{
			Version:          version,
			Homepage:         repository,
			ShortDescription: "See and control reboots of nodes",
			Description: strings.Join([]string{
				"Shows what reboot-operator does, why, and what it will do next: the status of policies and nodes,",
				"why a node waits, a forecast of a rollout, and what happened. It also asks for reboots, and cancels,",
				"approves, pauses and resumes them.",
			}, "\n"),
			Caveats: fmt.Sprintf("It needs reboot-operator in the cluster: %s/blob/%s/docs/install.md\n"+
				"To complete command lines: kubectl reboots completion --help", repository, version),
		},
	}
}

func platform(version, file, operatingSystem, architecture string, content []byte) pluginPlatform {
	bin := "kubectl-reboots"
	if operatingSystem == "windows" {
		bin += ".exe"
	}
	return pluginPlatform{
		Selector: pluginSelector{MatchLabels: map[string]string{"os": operatingSystem, "arch": architecture}},
		URI:      repository + "/releases/download/" + version + "/" + file,
		SHA256:   fmt.Sprintf("%x", sha256.Sum256(content)),
		Bin:      bin,
	}
}
