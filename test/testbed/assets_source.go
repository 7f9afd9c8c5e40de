package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// defaultModuleFile is the module file of the version that is built by default.
const defaultModuleFile = "go.mod"

// source is what programs of one version of Kubernetes are built from. All versions share the code; each has its own module file.
type source struct {
	dir        string
	moduleFile string // in dir
	version    string // such as v1.36.3
	goCache    string // where it is compiled; empty is where go does by default
}

// newSource finds the module file for a version such as 1.36.3 in dir; "" is the default version.
func newSource(dir, version string) (source, error) {
	all, err := sources(dir)
	if err != nil {
		return source{}, err
	}
	var known []string
	for _, each := range all {
		number := strings.TrimPrefix(each.version, "v")
		if number == strings.TrimPrefix(version, "v") || version == "" && each.moduleFile == defaultModuleFile {
			return each, nil
		}
		known = append(known, number)
	}
	return source{}, fmt.Errorf("%s=%s: there are module files for %s in %s (hack/add-kubernetes makes one)",
		VersionVariable, version, strings.Join(known, ", "), dir)
}

// sources are those of all versions that there are module files for, ordered by version.
func sources(dir string) ([]source, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.mod"))
	if err != nil {
		return nil, fmt.Errorf("find module files in %s: %w", dir, err)
	}
	var all []source
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the source of the control plane: %w", err)
		}
		version, err := kubernetesVersion(filepath.Base(file), content)
		if err != nil {
			return nil, err
		}
		all = append(all, source{dir: dir, moduleFile: filepath.Base(file), version: version})
	}
	slices.SortFunc(all, func(a, b source) int { return semver.Compare(a.version, b.version) })
	return all, nil
}

// cacheFolder is where the programs built from the source belong. Its name changes with whatever they are built from.
func (s source) cacheFolder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache: %w", err)
	}
	code, err := s.code()
	if err != nil {
		return "", err
	}
	files := append([]string{s.moduleFile, strings.TrimSuffix(s.moduleFile, ".mod") + ".sum"}, code...)
	if script := s.script(); script != "" {
		files = append(files, script)
	}
	sum := sha256.New()
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return "", fmt.Errorf("read the source of the control plane: %w", err)
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	parent := filepath.Join(cache, "reboot-operator", "testbed")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("create the cache of the control plane: %w", err)
	}
	return filepath.Join(parent, s.version+"-"+hex.EncodeToString(sum.Sum(nil)[:8])), nil
}

// script is a program next to the module file that makes modules which the module proxy does not serve; empty if there is none.
func (s source) script() string {
	name := strings.TrimSuffix(s.moduleFile, ".mod") + ".prepare"
	if _, err := os.Stat(filepath.Join(s.dir, name)); err != nil {
		return ""
	}
	return name
}

// prepare runs the script.
func (s source) prepare(ctx context.Context) error {
	script := s.script()
	if script == "" {
		return nil
	}
	command := exec.CommandContext(ctx, "./"+script)
	command.Dir = s.dir
	if _, err := command.Output(); err != nil {
		return fmt.Errorf("run %s: %w", filepath.Join(s.dir, script), commandError(err))
	}
	return nil
}

// code is the names of all Go files, in the order of their names.
func (s source) code() ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(s.dir), ".", func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".go") {
			names = append(names, name)
		}
		return err
	})
	if err == nil && len(names) == 0 {
		err = errors.New("there are no Go files")
	}
	if err != nil {
		return nil, fmt.Errorf("find the source of the control plane in %s: %w", s.dir, err)
	}
	return names, nil
}

// kubernetesVersion reads which Kubernetes a go.mod asks for, such as v1.36.3.
func kubernetesVersion(path string, content []byte) (string, error) {
	file, err := modfile.ParseLax(path, content, nil)
	if err != nil {
		return "", fmt.Errorf("parse %s: %w", path, err)
	}
	for _, require := range file.Require {
		if require.Mod.Path == "k8s.io/kubernetes" {
			return require.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require k8s.io/kubernetes", path)
}

// versionFlags are linker flags that make the programs report the version, such as v1.36.3, instead of v0.0.0.
func versionFlags(version string) (string, error) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) != 3 {
		return "", fmt.Errorf("version %q of k8s.io/kubernetes does not look like v1.2.3", version)
	}
	const variables = "k8s.io/component-base/version."
	return fmt.Sprintf("-X %sgitVersion=%s -X %sgitMajor=%s -X %sgitMinor=%s",
		variables, version, variables, parts[0], variables, parts[1]), nil
}
