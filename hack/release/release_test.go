package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const dockerfile = `# A comment.
FROM scratch
ARG VERSION=unknown
LABEL org.opencontainers.image.title="it" \
      org.opencontainers.image.version="${VERSION}"
COPY --chmod=0755 manager helper /
USER 61110:61110
ENTRYPOINT ["/manager"]
`

func TestTheDockerfileSaysWhatTheImageIs(t *testing.T) {
	got, err := readDockerfile(dockerfile, map[string]string{"VERSION": "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	want := recipe{
		labels:   map[string]string{"org.opencontainers.image.title": "it", "org.opencontainers.image.version": "v1.2.3"},
		programs: []string{"manager", "helper"}, mode: 0o755, user: "61110:61110", entrypoint: []string{"/manager"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(recipe{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestADockerfileWithMoreThanIsKnownIsRefused(t *testing.T) {
	for name, one := range map[string][2]string{
		"another base":               {"FROM scratch", "FROM debian"},
		"a command":                  {"USER 61110:61110", "USER 61110:61110\nRUN true"},
		"an entrypoint for a shell":  {`["/manager"]`, "/manager"},
		"a file of another folder":   {"manager helper", "../manager"},
		"a copy without mode":        {"--chmod=0755 ", ""},
		"two copies":                 {"USER", "COPY --chmod=0755 rebooter /\nUSER"},
		"a label without quotes":     {`title="it"`, "title=it"},
		"a variable without ARG":     {"${VERSION}", "${REVISION}"},
		"no user, which may be root": {"USER 61110:61110\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(dockerfile, one[0], one[1], 1)
			if text == dockerfile {
				t.Fatal("nothing was changed")
			}
			if got, err := readDockerfile(text, nil); err == nil {
				t.Errorf("read as %+v", got)
			}
		})
	}
}

func TestTheDockerfileOfThisRepositoryIsRead(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readDockerfile(string(text), nil); err != nil {
		t.Error(err)
	}
}

// sources writes programs for two platforms, with modes and times that should not matter.
func sources(t *testing.T, mode os.FileMode, at time.Time) string {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "Dockerfile"), dockerfile)
	for _, architecture := range []string{"amd64", "arm64"} {
		for _, program := range []string{"manager", "helper"} {
			file := filepath.Join(folder, architecture, program)
			write(t, file, program+" for "+architecture)
			if err := errors.Join(os.Chmod(file, mode), os.Chtimes(file, at, at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return folder
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// do runs the program, and returns what it prints.
func do(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(context.Background(), args, &out); err != nil {
		t.Fatalf("release %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

func image(t *testing.T, folder, repository string) string {
	t.Helper()
	return do(t, "image", "-name="+repository, "-version=v1.2.3", "-revision=abc", "-created=1700000000", "-file="+folder+"/Dockerfile",
		"-layout="+folder+"/layout", "amd64="+folder+"/amd64", "arm64="+folder+"/arm64")
}

func TestTwoImagesOfTheSameProgramsHaveOneDigest(t *testing.T) {
	first := image(t, sources(t, 0o755, time.Unix(1, 0)), "registry.example.com/it")
	if second := image(t, sources(t, 0o700, time.Unix(99, 0)), "registry.example.com/it"); second != first {
		t.Errorf("first\n%ssecond\n%s", first, second)
	}
	changed := sources(t, 0o755, time.Unix(1, 0))
	write(t, changed+"/arm64/helper", "another one")
	if third := image(t, changed, "registry.example.com/it"); strings.Split(third, "\n")[0] == strings.Split(first, "\n")[0] {
		t.Error("another program does not change the digest")
	}
}

// newRegistry is a registry on the loopback interface; the name is its address.
func newRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestWhatIsPushedIsWhatWasBuilt(t *testing.T) {
	folder, repository := sources(t, 0o755, time.Unix(1, 0)), newRegistry(t)+"/team/it"
	built := strings.Fields(strings.Split(image(t, folder, repository), "\n")[0])[1]
	pushed := strings.TrimSpace(do(t, "push", "-layout="+folder+"/layout", "-to="+repository+":v1.2.3", "-want="+digestOf(built)))
	if pushed != built {
		t.Errorf("pushed %s, built %s", pushed, built)
	}
	digest, err := name.NewDigest(built)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Annotations["org.opencontainers.image.version"] != "v1.2.3" {
		t.Errorf("annotations %v", manifest.Annotations)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		pulled, err := remote.Image(digest, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
		if err != nil {
			t.Fatal(err)
		}
		config, err := pulled.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Architecture != architecture || config.Config.User != "61110:61110" || config.Config.Entrypoint[0] != "/manager" {
			t.Errorf("%s: %+v", architecture, config)
		}
		layers, err := pulled.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("%d layers, %v", len(layers), err)
		}
		content, err := layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"manager": "-rwxr-xr-x manager for " + architecture, "helper": "-rwxr-xr-x helper for " + architecture}
		if diff := cmp.Diff(want, unpack(t, content)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// unpack returns mode and content of each file of an archive.
func unpack(t *testing.T, archive io.Reader) map[string]string {
	t.Helper()
	files, reader := map[string]string{}, tar.NewReader(archive)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" {
			t.Errorf("%s belongs to %d:%d %q", header.Name, header.Uid, header.Gid, header.Uname)
		}
		files[header.Name] = header.FileInfo().Mode().String() + " " + string(content)
	}
}

func TestWhoIsLoggedInMayPush(t *testing.T) {
	folder, config, inner := sources(t, 0o755, time.Unix(1, 0)), t.TempDir(), registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if user, password, _ := request.BasicAuth(); user != "me" || password != "secret" {
			response.Header().Set("WWW-Authenticate", `Basic realm="it"`)
			http.Error(response, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(response, request)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	built := image(t, folder, host+"/it")
	t.Setenv("DOCKER_CONFIG", config)
	arguments := []string{"push", "-layout=" + folder + "/layout", "-to=" + host + "/it:v1.2.3", "-want=" + digestOf(built)}
	if err := run(context.Background(), arguments, io.Discard); err == nil || !strings.Contains(err.Error(), "docker login "+host) {
		t.Errorf("without a login: %v", err)
	}
	write(t, config+"/config.json", `{"auths":{"`+host+`":{"username":"me","password":"secret"}}}`)
	do(t, arguments...)
}

func TestAChartIsPackedAndPushedAsHelmDoesIt(t *testing.T) {
	folder, host := t.TempDir(), newRegistry(t)
	write(t, folder+"/chart/Chart.yaml", "apiVersion: v2\nname: it\nversion: 1.2.3\nappVersion: v1.2.3\ndescription: what it is\n")
	write(t, folder+"/chart/templates/one.yaml", "kind: {{ .Values.kind }}")
	write(t, folder+"/chart/.helmignore", "# What editors leave\n*.bak\nREADME.md.gotmpl\n")
	write(t, folder+"/chart/templates/one.yaml.bak", "what was")
	write(t, folder+"/chart/README.md.gotmpl", "what it is made of")
	write(t, folder+"/chart/.git/config", "hidden")
	line := do(t, "chart", "-chart="+folder+"/chart", "-name="+host+"/charts", "-created=1", "-to="+folder, "-layout="+folder+"/layout")
	pushed := do(t, "push", "-layout="+folder+"/layout", "-to="+host+"/charts/it:1.2.3", "-want="+digestOf(line))
	if "chart "+pushed != line {
		t.Errorf("pushed %q, made %q", pushed, line)
	}
	reference, err := name.NewDigest(strings.TrimSpace(pushed))
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Get(reference)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(pulled.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Config.MediaType != helmConfig || len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != helmChart {
		t.Errorf("the manifest is %s", pulled.Manifest)
	}
	packed, err := os.Open(folder + "/it-1.2.3.tgz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = packed.Close() })
	if digest, _, err := v1.SHA256(packed); err != nil || digest != manifest.Layers[0].Digest {
		t.Errorf("the file and what is pushed differ: %v, %v", digest, err)
	}
	if _, err := packed.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	archive, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"it/Chart.yaml":         "-rw-r--r-- apiVersion: v2\nname: it\nversion: 1.2.3\nappVersion: v1.2.3\ndescription: what it is\n",
		"it/templates/one.yaml": "-rw-r--r-- kind: {{ .Values.kind }}",
	}
	if diff := cmp.Diff(want, unpack(t, archive)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAPatternThatHelmKnowsAndThisDoesNotIsRefused(t *testing.T) {
	for _, pattern := range []string{"!keep", "docs/*", "/top", "[a"} {
		folder := t.TempDir()
		write(t, folder+"/Chart.yaml", "name: it\nversion: 1.2.3\n")
		write(t, folder+"/.helmignore", pattern)
		arguments := []string{"chart", "-chart=" + folder, "-name=registry.example.com", "-to=" + folder, "-layout=" + folder + "/l"}
		err := run(context.Background(), arguments, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "only file name patterns") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestWrongArgumentsSayWhatToWrite(t *testing.T) {
	folder := sources(t, 0o755, time.Unix(1, 0))
	arguments := []string{
		"image", "-name=registry.example.com/x", "-revision=x", "-file=" + folder + "/Dockerfile", "-layout=" + folder + "/l",
	}
	digest := "-want=sha256:" + strings.Repeat("0", 64)
	for name, one := range map[string]struct {
		args []string
		want string
	}{
		"nothing":               {nil, "archive, bill, chart, check, checksums, image, krew, notes, prepare, push, tag"},
		"no command":            {[]string{"publish"}, `"publish" is none of`},
		"a missing flag":        {[]string{"push", "-layout=x"}, "push: -to, -want missing"},
		"a URL as name":         {[]string{"push", "-layout=x", "-to=https://registry.example.com/x", digest}, "is no name of an image"},
		"a digest that is none": {[]string{"tag", "-to=registry.example.com/x:y", "-want=latest"}, "-want=latest is not a digest"},
		"no layout":             {[]string{"push", "-layout=" + folder + "/none", "-to=registry.example.com/x:y", digest}, "no such file"},
		"no platform":           {append(slices.Clone(arguments), "-version=v1"), "no platform"},
		"a version with a plus": {append(slices.Clone(arguments), "-version=v1+2"), "the name of the image"},
		"a program that is not built": {
			append(slices.Clone(arguments), "-version=v1", "s390x="+folder+"/s390x"), "s390x/manager",
		},
		"nothing to pack": {[]string{"archive", "-to=" + folder + "/x.tar.gz"}, "no files to pack"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(context.Background(), one.args, io.Discard); err == nil || !strings.Contains(err.Error(), one.want) {
				t.Errorf("got %v, want %q in it", err, one.want)
			}
		})
	}
}
