package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

var digestPattern = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// digestOf is the first digest of what image or chart prints.
func digestOf(lines string) string { return digestPattern.FindString(lines) }

// tagged is the digest of a tag, empty if there is none.
func tagged(t *testing.T, reference string) string {
	t.Helper()
	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	found, err := remote.Head(tag)
	if err != nil {
		return ""
	}
	return found.Digest.String()
}

// A digest in digests.txt, which two machines agree on, is what counts; whatever else was built may be a lie.
func TestNothingIsTaggedUnlessEveryByteIsWhatTheDigestSays(t *testing.T) {
	const other, same = "has sha256:", "the content of sha256:"
	for name, one := range map[string]struct {
		change func(t *testing.T, folder string, built []string)
		want   string
	}{
		"the index":                  {changeBlob(0), same},
		"the manifest of a platform": {changeBlob(2), same},
		"all of it, which is sound":  {otherImage, other},
		"a layer": {func(t *testing.T, folder string, built []string) {
			t.Helper()
			_, layers := manifest(t, folder, built[1])
			changeFile(t, blob(folder, layers[0]))
		}, same},
		"a configuration": {func(t *testing.T, folder string, built []string) {
			t.Helper()
			config, _ := manifest(t, folder, built[1])
			changeFile(t, blob(folder, config))
		}, same},
		"a blob is missing": {func(t *testing.T, folder string, built []string) {
			t.Helper()
			if err := os.Remove(blob(folder, built[1])); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			folder, repository := sources(t, 0o755, time.Unix(1, 0)), newRegistry(t)+"/it"
			built := digestPattern.FindAllString(image(t, folder, repository), -1)
			one.change(t, folder+"/layout", built)
			arguments := []string{"push", "-layout=" + folder + "/layout", "-to=" + repository + ":v1", "-want=" + built[0]}
			if err := run(context.Background(), arguments, io.Discard); err == nil || !strings.Contains(err.Error(), one.want) {
				t.Errorf("got %v, want %q in it", err, one.want)
			}
			if found := tagged(t, repository+":v1"); found != "" {
				t.Errorf("the tag is %s", found)
			}
			repo, err := nameOf(repository)
			if err != nil {
				t.Fatal(err)
			}
			for _, digest := range built {
				if _, err := remote.Head(repo.Digest(digest)); err == nil {
					t.Errorf("%s was sent", digest)
				}
			}
		})
	}
}

func nameOf(repository string) (name.Repository, error) { return name.NewRepository(repository) }

func blob(folder, digest string) string {
	return filepath.Join(folder, "blobs", strings.Replace(digest, ":", "/", 1))
}

// changeFile changes one byte, so that the size stays.
func changeFile(t *testing.T, file string) {
	t.Helper()
	content := []byte(read(t, file))
	content[len(content)/2] ^= 1
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func changeBlob(i int) func(t *testing.T, folder string, built []string) {
	return func(t *testing.T, folder string, built []string) {
		t.Helper()
		changeFile(t, blob(folder, built[i]))
	}
}

// otherImage replaces the layout by one of another image, which is sound.
func otherImage(t *testing.T, folder string, _ []string) {
	t.Helper()
	other := sources(t, 0o755, time.Unix(1, 0))
	write(t, other+"/amd64/manager", "an evil one")
	image(t, other, "registry.example.com/it")
	if err := errors.Join(os.RemoveAll(folder), os.Rename(other+"/layout", folder)); err != nil {
		t.Fatal(err)
	}
}

func manifest(t *testing.T, folder, digest string) (config string, layers []string) {
	t.Helper()
	read, err := v1.ParseManifest(strings.NewReader(read(t, blob(folder, digest))))
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range read.Layers {
		layers = append(layers, layer.Digest.String())
	}
	return read.Config.Digest.String(), layers
}

func TestAVersionIsPublishedOnce(t *testing.T) {
	repository := newRegistry(t) + "/it"
	push := func(folder, digest string, more ...string) error {
		arguments := append([]string{"push", "-layout=" + folder + "/layout", "-to=" + repository + ":v1", "-want=" + digest}, more...)
		return run(context.Background(), arguments, io.Discard)
	}
	first := sources(t, 0o755, time.Unix(1, 0))
	was := digestOf(image(t, first, repository))
	if err := push(first, was, "-tag=false"); err != nil {
		t.Fatal(err)
	}
	if found := tagged(t, repository+":v1"); found != "" {
		t.Fatalf("it has a tag before it is signed: %s", found)
	}
	do(t, "tag", "-to="+repository+":v1", "-want="+was)
	if found := tagged(t, repository+":v1"); found != was {
		t.Fatalf("the tag is %s, want %s", found, was)
	}
	// A job that runs again does the same again.
	if err := push(first, was); err != nil {
		t.Errorf("the same again: %v", err)
	}
	other := sources(t, 0o755, time.Unix(1, 0))
	write(t, other+"/arm64/manager", "another one")
	digest := digestOf(image(t, other, repository))
	repo, err := nameOf(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"-tag=true", "-tag=false"} {
		if err := push(other, digest, more); err == nil || !strings.Contains(err.Error(), "the tag exists, with digest "+was) {
			t.Errorf("another image with %s: %v", more, err)
		}
	}
	if _, err := remote.Head(repo.Digest(digest)); err == nil {
		t.Error("it was sent, although the tag is taken")
	}
	if err := push(other, digest, "-replace"); err != nil {
		t.Error(err)
	}
	if err := run(context.Background(), []string{"tag", "-to=" + repository + ":v1", "-want=" + was}, io.Discard); err == nil {
		t.Error("the tag moved")
	}
	if found := tagged(t, repository+":v1"); found != digest {
		t.Errorf("the tag is %s, want %s", found, digest)
	}
	arguments := []string{"tag", "-to=" + repository + ":v2", "-want=sha256:" + strings.Repeat("0", 64)}
	if err := run(context.Background(), arguments, io.Discard); err == nil {
		t.Error("what nobody pushed has a tag")
	}
}

func TestCredentialsAreNotSentInClear(t *testing.T) {
	answers := http.RoundTripper(roundTripper(func(*http.Request) (*http.Response, error) { return httptest.NewRecorder().Result(), nil }))
	for url, want := range map[string]bool{
		"https://registry.example.com/v2/": true, "https://10.0.0.1/v2/": true,
		"http://localhost:5000/v2/": true, "http://127.0.0.1:5000/v2/": true, "http://127.1.2.3/v2/": true, "http://[::1]:5000/v2/": true,
		"http://a.localhost/v2/":   true,
		"http://10.0.0.1:5000/v2/": false, "http://192.168.1.2/v2/": false, "http://registry.local/v2/": false,
		"http://registry.example.com/": false, "http://localhost.example.com/v2/": false,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := encrypted{answers}.RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", url, err)
		}
	}
	// What decides is the transport that pushes.
	for insecure, want := range map[string]bool{"-insecure=false": true, "-insecure=true": false} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := run(ctx, []string{"tag", "-to=10.255.255.1/it:v1", "-want=sha256:" + strings.Repeat("0", 64), insecure}, io.Discard)
		if got := err != nil && strings.Contains(err.Error(), "INSECURE=1"); got != want {
			t.Errorf("%s: %v", insecure, err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// Values for the chart have the name that was given; the manifests have the same.
func TestTheNameOfARegistryStaysAsItWasGiven(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(image(t, sources(t, 0o755, time.Unix(1, 0)), "docker.io/me/it")), "\n") {
		if _, reference, _ := strings.Cut(line, " "); !strings.HasPrefix(reference, "docker.io/me/it") {
			t.Errorf("docker.io/me/it is %s", reference)
		}
	}
	to, err := newTarget(t.Context(), "docker.io/me/it:v1", "sha256:"+strings.Repeat("0", 64), false)
	if err != nil || to.tag.String() != "docker.io/me/it:v1" {
		t.Errorf("pushed as %s, %v", to.tag, err)
	}
}
