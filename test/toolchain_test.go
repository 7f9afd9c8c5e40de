package test

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// pinnedGo is the Go that go.mod names, such as go1.27.4.
func pinnedGo(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	file, err := modfile.Parse("go.mod", content, nil)
	if err != nil {
		t.Fatal(err)
	}
	if file.Toolchain == nil {
		t.Fatal("go.mod pins no toolchain")
	}
	return file.Toolchain.Name
}

// makeTarget runs make where the environment asks for the Go that is installed, as images with Go do.
func makeTarget(t *testing.T, env []string, args ...string) {
	t.Helper()
	command := exec.Command("make", append([]string{"--no-print-directory", "-C", ".."}, args...)...)
	command.Env = append(append(os.Environ(), "GOTOOLCHAIN=local", "MAKEFLAGS=", "MAKELEVEL="), env...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

func TestProgramsAreBuiltWithTheGoThatIsPinned(t *testing.T) {
	bin := t.TempDir()
	makeTarget(t, nil, "build", "PROGRAMS=rebooter", "BIN="+bin)
	info, err := buildinfo.ReadFile(filepath.Join(bin, "rebooter"))
	if err != nil {
		t.Fatal(err)
	}
	if want := pinnedGo(t); info.GoVersion != want {
		t.Errorf("built with %s, want %s", info.GoVersion, want)
	}
}

// Another go stands first in the path and writes down which toolchain it is asked for.
func TestMakeCallsNoOtherGoThanTheOneThatIsPinned(t *testing.T) {
	folder := t.TempDir()
	asked := filepath.Join(folder, "asked")
	script := "#!/bin/sh\necho \"$GOTOOLCHAIN\" >> " + asked + "\necho amd64\n"
	if err := os.WriteFile(filepath.Join(folder, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	path := []string{"PATH=" + folder + ":" + os.Getenv("PATH")}
	for _, target := range []string{"vet", "lint", "tidy", "build", "vulncheck", "manifests", "test-node", "cluster", "sbom"} {
		if err := os.WriteFile(asked, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		makeTarget(t, path, target, "BIN="+folder, "KUBERNETES_VERSION=", "RELEASE=true") // which that go does not build
		content, err := os.ReadFile(asked)
		if err != nil {
			t.Fatal(err)
		}
		for got := range strings.Lines(string(content)) {
			if strings.TrimSpace(got) != pinnedGo(t) {
				t.Errorf("make %s calls go with GOTOOLCHAIN=%s", target, got)
			}
		}
		if len(content) == 0 {
			t.Errorf("make %s does not call go", target)
		}
	}
}
