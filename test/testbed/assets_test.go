package testbed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/test/await"
)

func TestTheVersionOfKubernetesIsReadFromTheModuleFile(t *testing.T) {
	tests := map[string]struct {
		content string
		want    string
		wantErr string
	}{
		"required": {
			content: "module x\nrequire (\n\tk8s.io/kubectl v0.0.0\n\tk8s.io/kubernetes v1.36.3\n)\n",
			want:    "v1.36.3",
		},
		"not required":   {content: "module x\n", wantErr: "does not require k8s.io/kubernetes"},
		"no module file": {content: "module", wantErr: "parse go.mod"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := kubernetesVersion("go.mod", []byte(test.content))
			checkError(t, err, test.wantErr)
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheVersionIsLinkedIn(t *testing.T) {
	got, err := versionFlags("v1.36.3")
	if err != nil {
		t.Fatal(err)
	}
	want := "-X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 " +
		"-X k8s.io/component-base/version.gitMinor=36"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := versionFlags("latest"); err == nil {
		t.Error("a version without numbers was taken")
	}
}

func TestBuildProgressCountsPackagesAndKeepsComplaints(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	progress := newBuildProgress(begin, 900)
	output := "internal/goarch\nk8s.io/api/core/v1\n# example.com/broken\n./main.go:3:1: undefined: x\ngo: downloading example.com v1.0.0\n"
	complaints := progress.read(strings.NewReader(output))
	if got, want := progress.describe(begin.Add(75*time.Second)), "2 of at most 900 packages, 1m15s so far"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want := "# example.com/broken\n./main.go:3:1: undefined: x\ngo: downloading example.com v1.0.0"
	if diff := cmp.Diff(want, complaints); diff != "" {
		t.Error(diff)
	}
}

func TestAssetsOfTheEnvironmentAreUsedIfTheyAreComplete(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(AssetsVariable, dir)
	for _, program := range controlPlaneBuild().programs {
		_, err := Assets(t.Context(), logr.Discard())
		checkError(t, err, "program "+program)
		if err := os.WriteFile(filepath.Join(dir, program), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Assets(t.Context(), logr.Discard())
	if err != nil || got != dir {
		t.Errorf("got %q, %v, want %q", got, err, dir)
	}
	_, err = AssetsWithKubelet(t.Context(), logr.Discard())
	checkError(t, err, "program kubelet")
	if err := os.Chmod(filepath.Join(dir, etcdProgram), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Assets(t.Context(), logr.Discard())
	checkError(t, err, "not executable")
}

func TestTheCacheFolderChangesWithTheSource(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	files := []string{"kubernetes-1.35.4.mod", "kubernetes-1.35.4.sum", "main.go", "kubelet/main.go"}
	for _, name := range files {
		writeFile(t, filepath.Join(dir, name), "first")
	}
	writeFile(t, filepath.Join(dir, "kubernetes-1.36.0.mod"), "of another version")
	seen := map[string]bool{}
	for _, change := range append([]string{""}, files...) {
		if change != "" {
			writeFile(t, filepath.Join(dir, change), "second")
		}
		folder, err := source{dir: dir, moduleFile: files[0], version: "v1.35.4"}.cacheFolder()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(filepath.Base(folder), "v1.35.4-") {
			t.Errorf("folder %s does not tell its version", folder)
		}
		if seen[folder] {
			t.Errorf("a change of %q does not change the folder", change)
		}
		seen[folder] = true
	}
}

func TestTheModuleFileIsThatOfTheVersion(t *testing.T) {
	dir := t.TempDir()
	for file, version := range map[string]string{
		"go.mod": "v1.36.3", "kubernetes-1.35.4.mod": "v1.35.4", "kubernetes-1.100.0.mod": "v1.100.0",
	} {
		writeFile(t, filepath.Join(dir, file), "module x\nrequire k8s.io/kubernetes "+version+"\n")
	}
	tests := map[string]struct{ want, wantErr string }{
		"":        {want: "go.mod"},
		"1.36.3":  {want: "go.mod"},
		"v1.36.3": {want: "go.mod"},
		"1.35.4":  {want: "kubernetes-1.35.4.mod"},
		"1.36":    {wantErr: "KUBERNETES_VERSION=1.36: there are module files for 1.35.4, 1.36.3, 1.100.0 in "},
	}
	for version, test := range tests {
		t.Run(version, func(t *testing.T) {
			got, err := newSource(dir, version)
			checkError(t, err, test.wantErr)
			if got.moduleFile != test.want {
				t.Errorf("got %q, want %q", got.moduleFile, test.want)
			}
		})
	}
}

// What is named and what is pinned are the same versions, and all of them are documented as supported.
func TestEachVersionHasItsModuleFileAndIsDocumented(t *testing.T) {
	all, err := sources("components")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		t.Fatalf("there are module files for %d versions", len(all))
	}
	for _, each := range all {
		number := strings.TrimPrefix(each.version, "v")
		if want := "kubernetes-" + number + ".mod"; each.moduleFile != defaultModuleFile && each.moduleFile != want {
			t.Errorf("%s is of Kubernetes %s", each.moduleFile, number)
		}
		for _, page := range []string{"../../README.md", "../../docs/operations.md"} {
			content, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(content), number) {
				t.Errorf("%s does not say that %s is tested", page, number)
			}
		}
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheBuildersLockIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(path, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan string, 1)
	locked := make(chan func(), 1)
	go func() {
		second, err := lockFile(path, logr.New(&messageSink{messages: waiting}))
		if err != nil {
			t.Error(err)
		}
		locked <- second
	}()
	await.Receive(t, "the second builder waits", waiting)
	select {
	case <-locked:
		t.Fatal("both builders have the lock")
	default:
	}
	unlock()
	await.Receive(t, "the second builder has the lock", locked)()
}

// messageSink passes log messages on.
type messageSink struct{ messages chan<- string }

func (*messageSink) Init(logr.RuntimeInfo)                  {}
func (*messageSink) Enabled(int) bool                       { return true }
func (s *messageSink) Info(_ int, message string, _ ...any) { s.messages <- message }
func (*messageSink) Error(error, string, ...any)            {}
func (s *messageSink) WithValues(...any) logr.LogSink       { return s }
func (s *messageSink) WithName(string) logr.LogSink         { return s }

// checkError expects an error with the text, or none if the text is empty.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("no error, want one with %q", want)
	case err != nil && want == "":
		t.Errorf("unexpected error: %v", err)
	case err != nil && !strings.Contains(err.Error(), want):
		t.Errorf("error %q does not contain %q", err, want)
	}
}

func TestModulesThatAreNotServedAreMadeBeforeTheBuild(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	s := source{dir: dir, moduleFile: "kubernetes-1.38.0.mod", version: "v1.38.0"}
	for _, name := range []string{s.moduleFile, "kubernetes-1.38.0.sum", "main.go"} {
		writeFile(t, filepath.Join(dir, name), "x")
	}
	if err := s.prepare(t.Context()); err != nil {
		t.Errorf("without a script: %v", err)
	}
	without, err := s.cacheFolder()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "kubernetes-1.38.0.prepare")
	for content, wantErr := range map[string]string{
		"#!/bin/sh\necho made > made\n": "", "#!/bin/sh\necho not served >&2; exit 1\n": "not served",
	} {
		if err := os.WriteFile(script, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
		checkError(t, s.prepare(t.Context()), wantErr)
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err != nil {
		t.Errorf("the script did not run in the folder: %v", err)
	}
	if with, err := s.cacheFolder(); err != nil || with == without {
		t.Errorf("the cache folder does not depend on the script: %s, %v", with, err)
	}
}

// What is compiled for a version that is not the default one takes 2 GB, and no other build needs it.
func TestOnlyTheDefaultVersionIsCompiledInTheUsersCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "kubernetes-1.35.4.mod", "kubernetes-1.35.4.sum", "main.go"} {
		writeFile(t, filepath.Join(dir, name), "x")
	}
	for name, test := range map[string]struct {
		file, variable string
		own            bool
	}{
		"the default version":             {file: defaultModuleFile},
		"another one":                     {file: "kubernetes-1.35.4.mod", own: true},
		"another one, in a cache by name": {file: "kubernetes-1.35.4.mod", variable: "/some/cache"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(goCacheVariable, test.variable)
			cache, drop, err := source{dir: dir, moduleFile: test.file, version: "v1"}.buildCache()
			if err != nil || (cache != "") != test.own {
				t.Fatalf("cache %q, %v", cache, err)
			}
			if cache != "" {
				writeFile(t, filepath.Join(cache, "compiled"), "x")
			}
			drop()
			if _, err := os.Stat(cache); cache != "" && !os.IsNotExist(err) {
				t.Errorf("the cache is still there: %v", err)
			}
		})
	}
}
