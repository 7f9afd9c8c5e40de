package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
	"sigs.k8s.io/yaml"
)

// krewFaults are what krew finds in a manifest (internal/index/validation of sigs.k8s.io/krew v0.4.3, and cmd/validate-krew-manifest), and
// where its archives are not those of a release. krew itself cannot be required: its requirements would change those of this module.
func krewFaults(name string, p plugin) []string {
	var faults []string
	check := func(holds bool, fault string, args ...any) {
		if !holds {
			faults = append(faults, fmt.Sprintf(fault, args...))
		}
	}
	check(p.APIVersion == "krew.googlecontainertools.github.com/v1alpha2", "apiVersion is %q", p.APIVersion)
	check(p.Kind == "Plugin", "kind is %q", p.Kind)
	check(regexp.MustCompile(`^[\w-]+$`).MatchString(p.Metadata.Name) && p.Metadata.Name == name, "name is %q", p.Metadata.Name)
	short := p.Spec.ShortDescription
	check(short != "" && !strings.ContainsAny(short, "\r\n"), "shortDescription is %q", short)
	// For the index of krew: https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
	check(len(short) <= 50 && !strings.Contains(strings.ToLower(short), "kubectl"), "shortDescription is too long, or says kubectl: %q", short)
	check(strings.HasPrefix(p.Spec.Version, "v") && semver.IsValid(p.Spec.Version), "version is %q", p.Spec.Version)
	check(len(p.Spec.Platforms) > 0, "there is no platform")
	var selectors []string
	for _, one := range p.Spec.Platforms {
		labels := one.Selector.MatchLabels
		uri, err := url.Parse(one.URI)
		check(err == nil && uri.Scheme == "https" && strings.HasSuffix(uri.Path, ".tar.gz"), "uri is %q", one.URI)
		check(regexp.MustCompile(`^[a-f0-9]{64}$`).MatchString(one.SHA256), "sha256 is %q", one.SHA256)
		check(one.Bin != "", "bin is missing")
		check(len(labels) == 2 && labels["os"] != "" && labels["arch"] != "", "the selector is %v", labels)
		check((labels["os"] == "windows") == strings.HasSuffix(one.Bin, ".exe"), "bin of %s is %q", labels["os"], one.Bin)
		selectors = append(selectors, labels["os"]+"/"+labels["arch"])
	}
	slices.Sort(selectors)
	check(len(slices.Compact(slices.Clone(selectors))) == len(selectors), "two platforms overlap in %v", selectors)
	return faults
}

func TestTheManifestForKrewNamesEachArchive(t *testing.T) {
	folder := t.TempDir()
	contents := map[string]string{}
	for _, of := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64", "windows_arm64"} {
		contents["kubectl-reboots_v1.2.3-rc.1_"+of+".tar.gz"] = strings.Repeat(of, 10_000)
	}
	for file, content := range contents {
		write(t, folder+"/"+file, content)
	}
	write(t, folder+"/kubectl-reboots_v1.2.2_linux_amd64.tar.gz", "of another version")
	write(t, folder+"/install.yaml", "something else")
	var out bytes.Buffer
	if err := run(context.Background(), []string{"krew", "-version=v1.2.3-rc.1", "-folder=" + folder}, &out); err != nil {
		t.Fatal(err)
	}
	var p plugin
	if err := yaml.UnmarshalStrict([]byte(read(t, folder+"/reboots.yaml")), &p); err != nil {
		t.Fatal(err)
	}
	if faults := krewFaults("reboots", p); len(faults) > 0 {
		t.Error(faults)
	}
	for _, one := range p.Spec.Platforms {
		file := path.Base(one.URI)
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(contents[file]))); contents[file] == "" || one.SHA256 != want {
			t.Errorf("%s has the sum %s, want %s", file, one.SHA256, want)
		}
		if want := repository + "/releases/download/v1.2.3-rc.1/" + file; one.URI != want {
			t.Errorf("the address is %s, want %s", one.URI, want)
		}
		delete(contents, file)
	}
	if len(contents) > 0 || len(p.Spec.Platforms) != 6 {
		t.Errorf("these archives are missing: %v", contents)
	}
	if want := "kubectl-reboots_v1.2.3-rc.1_linux_amd64.tar.gz: 0.1 MB\n"; !strings.Contains(out.String(), want) {
		t.Errorf("it prints\n%s", out.String())
	}
}

func TestAManifestForKrewWithoutArchivesIsRefused(t *testing.T) {
	folder := t.TempDir()
	err := run(context.Background(), []string{"krew", "-version=v1.2.3", "-folder=" + folder}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no archive of kubectl-reboots v1.2.3") {
		t.Errorf("it says %v", err)
	}
}

func TestEachRuleOfKrewFindsWhatBreaksIt(t *testing.T) {
	for want, change := range map[string]func(*plugin){
		"apiVersion": func(p *plugin) { p.APIVersion = "v1" },
		"kind":       func(p *plugin) { p.Kind = "Plug" },
		"name":       func(p *plugin) { p.Metadata.Name = "kubectl-reboots" },
		"short":      func(p *plugin) { p.Spec.ShortDescription = "a\nb" },
		"version":    func(p *plugin) { p.Spec.Version = "1.2.3" },
		"platform":   func(p *plugin) { p.Spec.Platforms = nil },
		"uri":        func(p *plugin) { p.Spec.Platforms[0].URI = "reboots.zip" },
		"sha256":     func(p *plugin) { p.Spec.Platforms[0].SHA256 = "X" },
		"selector":   func(p *plugin) { p.Spec.Platforms[0].Selector.MatchLabels = nil },
		"overlap":    func(p *plugin) { p.Spec.Platforms = append(p.Spec.Platforms, p.Spec.Platforms[0]) },
		"bin":        func(p *plugin) { p.Spec.Platforms[0].Bin = "kubectl-reboots.exe" },
	} {
		p := newPlugin("v1.2.3")
		p.Spec.Platforms = []pluginPlatform{platform("v1.2.3", "x.tar.gz", "linux", "amd64", nil)}
		if faults := krewFaults("reboots", p); len(faults) > 0 {
			t.Fatal(faults)
		}
		change(&p)
		if faults := krewFaults("reboots", p); len(faults) == 0 || !strings.Contains(strings.Join(faults, " "), want) {
			t.Errorf("%s: found %v", want, faults)
		}
	}
}
