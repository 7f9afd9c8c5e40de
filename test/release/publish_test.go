package release

import (
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// newRegistry is a registry on the loopback interface; the name is its address.
func newRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), mode)); err != nil {
		t.Fatal(err)
	}
}

// do runs a program in the root of the repository, and returns what it prints.
func do(t *testing.T, env []string, program string, args ...string) (string, error) {
	t.Helper()
	command := exec.Command(program, args...)
	command.Dir = root
	command.Env = append(append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL="), env...)
	output, err := command.CombinedOutput()
	return string(output), err
}

func must(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	output, err := do(t, env, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, output)
	}
	return output
}

// publisher is a folder as `make release` leaves it, with small programs, and cosign and gh that write down what they are asked.
type publisher struct {
	folder, host, asked string
	env                 []string
}

func newPublisher(t *testing.T) publisher {
	t.Helper()
	p := publisher{folder: t.TempDir(), host: newRegistry(t)}
	p.asked = p.folder + "/asked"
	for _, program := range []string{"cosign", "gh"} {
		write(t, p.folder+"/path/"+program, "#!/bin/sh\necho \""+program+" $*\" >> "+p.asked+"\n", 0o755)
	}
	p.env = []string{
		"PATH=" + p.folder + "/path:" + os.Getenv("PATH"), "GITHUB_OUTPUT=" + p.folder + "/output",
		"IMAGE=" + p.host + "/reboot-operator", "CHARTS=" + p.host + "/charts",
	}
	platforms := []string{}
	for _, architecture := range []string{"amd64", "arm64"} {
		for _, program := range []string{"manager", "helper", "rebooter"} {
			write(t, filepath.Join(p.folder, architecture, program), program+architecture, 0o755)
		}
		write(t, p.folder+"/release/manager-linux-"+architecture+".cdx.json", "{}", 0o644)
		platforms = append(platforms, architecture+"="+p.folder+"/"+architecture)
	}
	write(t, p.folder+"/chart/Chart.yaml", "name: reboot-operator\nversion: 1.2.3\n", 0o644)
	digests := must(t, nil, "go", append([]string{
		"run", "./hack/release", "image", "-name=" + p.host + "/reboot-operator", "-version=v1.2.3", "-revision=x",
		"-layout=" + p.folder + "/layouts/image",
	}, platforms...)...)
	digests += must(t, nil, "go", "run", "./hack/release", "chart", "-chart="+p.folder+"/chart", "-name="+p.host+"/charts",
		"-to="+p.folder+"/release", "-layout="+p.folder+"/layouts/chart")
	write(t, p.folder+"/release/digests.txt", digests, 0o644)
	write(t, p.folder+"/notes.md", "What is new.", 0o644)
	must(t, nil, "go", "run", "./hack/release", "checksums", "-folder="+p.folder+"/release")
	return p
}

// digests are those of a release: of the image, the chart and each platform.
func (p publisher) digests(t *testing.T) map[string]string {
	t.Helper()
	digests := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(read(t, p.folder+"/release/digests.txt")), "\n") {
		kind, reference, _ := strings.Cut(line, " ")
		_, digests[kind], _ = strings.Cut(reference, "@")
	}
	return digests
}

func TestAReleaseIsPushedSignedAndPublished(t *testing.T) {
	p := newPublisher(t)
	must(t, p.env, "hack/publish.sh", "push", "v1.2.3", p.folder)
	// Only the bundle is made by cosign itself.
	must(t, p.env, "hack/publish.sh", "release", "v1.2.3", p.folder)
	must(t, p.env, "hack/publish.sh", "release", "v1.3.0-rc.1", p.folder)

	digests, files := p.digests(t), p.folder+"/release/"
	all := strings.Join([]string{
		files + "checksums.txt", files + "digests.txt", files + "manager-linux-amd64.cdx.json", files + "manager-linux-arm64.cdx.json",
		files + "reboot-operator-1.2.3.tgz",
	}, " ")
	attest, create := "cosign attest --yes --type cyclonedx --predicate "+files+"manager-linux-", "gh release create "
	want := []string{
		"cosign sign --yes --recursive " + p.host + "/reboot-operator:v1.2.3@" + digests["image"],
		"cosign sign --yes --recursive " + p.host + "/charts/reboot-operator:1.2.3@" + digests["chart"],
		attest + "amd64.cdx.json " + p.host + "/reboot-operator@" + digests["linux/amd64"],
		attest + "arm64.cdx.json " + p.host + "/reboot-operator@" + digests["linux/arm64"],
		"cosign sign-blob --yes --bundle " + files + "checksums.txt.sigstore.json " + files + "checksums.txt",
		create + "v1.2.3 --verify-tag --draft --title v1.2.3 --notes-file " + p.folder + "/notes.md " + all,
		"gh release edit v1.2.3 --draft=false",
		create + "v1.3.0-rc.1 --verify-tag --draft --title v1.3.0-rc.1 --notes-file " + p.folder + "/notes.md --prerelease --latest=false " + all,
		"gh release edit v1.3.0-rc.1 --draft=false",
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(read(t, p.asked)), "\n")); diff != "" {
		t.Errorf("what cosign and gh were asked (-want +got):\n%s", diff)
	}
	if got, want := read(t, p.folder+"/output"), "image="+digests["image"]+"\nchart="+digests["chart"]+"\n"; got != want {
		t.Errorf("outputs %q, want %q", got, want)
	}
	for tag, digest := range map[string]string{"reboot-operator:v1.2.3": digests["image"], "charts/reboot-operator:1.2.3": digests["chart"]} {
		reference, err := name.ParseReference(p.host + "/" + tag)
		if err != nil {
			t.Fatal(err)
		}
		if pushed, err := remote.Head(reference); err != nil || pushed.Digest.String() != digest {
			t.Errorf("%s is %v, %v; want %s", tag, pushed, err, digest)
		}
	}
}

func TestNothingIsPushedOfAReleaseThatWasChanged(t *testing.T) {
	p := newPublisher(t)
	write(t, p.folder+"/release/digests.txt", read(t, p.folder+"/release/digests.txt")+"\n", 0o644)
	if output, err := do(t, p.env, "hack/publish.sh", "push", "v1.2.3", p.folder); err == nil || !strings.Contains(output, "digests.txt") {
		t.Errorf("got %v: %s", err, output)
	}
	if _, err := os.Stat(p.asked); err == nil {
		t.Errorf("cosign was asked: %s", read(t, p.asked))
	}
}

// The platform is that of the machine, whose programs other tests have built.
func TestOneCommandBuildsPushesAndRenders(t *testing.T) {
	host := newRegistry(t)
	architecture := strings.TrimSpace(must(t, nil, "go", "env", "GOARCH"))
	// In a copy, because the folder dist is that of whoever runs the test.
	copied := t.TempDir()
	files := must(t, nil, "git", "ls-files", "--cached", "--others", "--exclude-standard")
	for _, file := range strings.Split(strings.TrimSpace(files), "\n") {
		if info, err := os.Stat(filepath.Join(root, file)); err == nil {
			write(t, filepath.Join(copied, file), read(t, filepath.Join(root, file)), info.Mode())
		}
	}
	output := must(t, nil, "make", "-C", copied, "push-to",
		"REGISTRY="+host+"/team/", "PLATFORMS="+architecture, "VERSION=v1.2.3-test", "REVISION=x")
	pushed := strings.TrimSpace(read(t, copied+"/dist/pushed"))
	if !strings.HasPrefix(pushed, host+"/team/reboot-operator:v1.2.3-test@sha256:") ||
		!strings.Contains(output, "kubectl apply --server-side -f dist/install.yaml") {
		t.Errorf("pushed %q, and said:\n%s", pushed, output)
	}
	reference, err := name.ParseReference(pushed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Image(reference, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture})); err != nil {
		t.Error(err)
	}
	if got := strings.Count(read(t, copied+"/dist/install.yaml"), "image: "+pushed+"\n"); got != 3 {
		t.Errorf("%d containers have the image, want 3", got)
	}
	_, digest, _ := strings.Cut(pushed, "@")
	want := "image:\n  repository: " + host + "/team/reboot-operator\n  tag: \"v1.2.3-test\"\n  digest: " + digest + "\n"
	if read(t, copied+"/dist/values.yaml") != want {
		t.Errorf("values for the chart are\n%swant\n%s", read(t, copied+"/dist/values.yaml"), want)
	}
}

func TestPushToSaysWhatIsWrong(t *testing.T) {
	for argument, want := range map[string]string{
		"REGISTRY=": "REGISTRY= is missing",
		"REGISTRY=https://registry.example.com/team":                 "without https://",
		"REGISTRY=registry.example.com/team PLATFORMS=linux/arm64":   "write architectures",
		"REGISTRY=registry.example.com/team PLATFORMS=amd64,arm64/8": "write architectures",
	} {
		output, err := do(t, nil, "make", append([]string{"push-to"}, strings.Fields(argument)...)...)
		if err == nil || !strings.Contains(output, want) {
			t.Errorf("%s: got %v: %s", argument, err, output)
		}
	}
}
