package release

import (
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
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
	for _, architecture := range []string{"amd64", "arm64"} {
		for _, program := range []string{"manager", "helper", "rebooter"} {
			write(t, filepath.Join(p.folder, architecture, program), program+architecture, 0o755)
		}
		write(t, p.folder+"/release/manager-linux-"+architecture+".cdx.json", "{}", 0o644)
	}
	program(t)
	write(t, p.folder+"/chart/Chart.yaml", "name: reboot-operator\nversion: 1.2.3\n", 0o644)
	write(t, p.folder+"/notes.md", "What is new.", 0o644)
	p.build(t)
	return p
}

// program builds the program that pushes, once for all tests.
func program(t *testing.T) {
	t.Helper()
	built.Do(func() { must(t, nil, "make", "bin/release") })
}

var built sync.Once

// build turns the programs and the chart in the folder into what is pushed.
func (p publisher) build(t *testing.T) {
	t.Helper()
	digests := must(t, nil, "bin/release", "image", "-name="+p.host+"/reboot-operator", "-version=v1.2.3", "-revision=x",
		"-layout="+p.folder+"/layouts/image", "amd64="+p.folder+"/amd64", "arm64="+p.folder+"/arm64")
	digests += must(t, nil, "bin/release", "chart", "-chart="+p.folder+"/chart", "-name="+p.host+"/charts",
		"-to="+p.folder+"/release", "-layout="+p.folder+"/layouts/chart")
	write(t, p.folder+"/release/digests.txt", digests, 0o644)
	must(t, nil, "bin/release", "checksums", "-folder="+p.folder+"/release")
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

// tags are the digests of the two tags that a release has, empty where there is none.
func (p publisher) tags(t *testing.T) (image, chart string) {
	t.Helper()
	digests := []string{}
	for _, tag := range []string{"reboot-operator:v1.2.3", "charts/reboot-operator:1.2.3"} {
		reference, err := name.ParseReference(p.host + "/" + tag)
		if err != nil {
			t.Fatal(err)
		}
		digest := ""
		if found, err := remote.Head(reference); err == nil {
			digest = found.Digest.String()
		}
		digests = append(digests, digest)
	}
	return digests[0], digests[1]
}

func TestAReleaseIsPushedSignedAndPublished(t *testing.T) {
	p := newPublisher(t)
	must(t, p.env, "hack/publish.sh", "push", "v1.2.3", p.folder)
	if image, chart := p.tags(t); image != "" || chart != "" {
		t.Errorf("before the workflow has made provenance, the tags are %q and %q", image, chart)
	}
	must(t, p.env, "hack/publish.sh", "tag", "v1.2.3", p.folder)
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
		"cosign sign --yes --recursive " + p.host + "/reboot-operator@" + digests["image"],
		"cosign sign --yes --recursive " + p.host + "/charts/reboot-operator@" + digests["chart"],
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
	if image, chart := p.tags(t); image != digests["image"] || chart != digests["chart"] {
		t.Errorf("the tags are %q and %q, want %v", image, chart, digests)
	}
	// A job that runs again changes nothing.
	must(t, p.env, "hack/publish.sh", "push", "v1.2.3", p.folder)
	must(t, p.env, "hack/publish.sh", "tag", "v1.2.3", p.folder)
}

func TestNothingIsPushedOfAReleaseThatWasChanged(t *testing.T) {
	for what, change := range map[string]func(t *testing.T, p publisher){
		"digests.txt": func(t *testing.T, p publisher) {
			t.Helper()
			write(t, p.folder+"/release/digests.txt", read(t, p.folder+"/release/digests.txt")+"\n", 0o644)
		},
		"a bill": func(t *testing.T, p publisher) {
			t.Helper()
			write(t, p.folder+"/release/manager-linux-amd64.cdx.json", "[]", 0o644)
		},
		"index.json": func(t *testing.T, p publisher) {
			t.Helper()
			file := p.folder + "/layouts/image/index.json"
			write(t, file, strings.ReplaceAll(read(t, file), p.digests(t)["image"], p.digests(t)["linux/amd64"]), 0o644)
		},
		"the manifest of the chart": func(t *testing.T, p publisher) {
			t.Helper()
			file := p.folder + "/layouts/chart/blobs/" + strings.Replace(p.digests(t)["chart"], ":", "/", 1)
			write(t, file, strings.Replace(read(t, file), "1.2.3", "1.2.4", 1), 0o644)
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := newPublisher(t)
			change(t, p)
			if output, err := do(t, p.env, "hack/publish.sh", "push", "v1.2.3", p.folder); err == nil {
				t.Errorf("it was pushed: %s", output)
			}
			if image, chart := p.tags(t); image != "" || chart != "" {
				t.Errorf("the tags are %q and %q", image, chart)
			}
			if _, err := os.Stat(p.asked); err == nil {
				t.Errorf("cosign was asked: %s", read(t, p.asked))
			}
		})
	}
}

func TestAReleaseThatIsPublishedIsNotReplaced(t *testing.T) {
	p := newPublisher(t)
	must(t, p.env, "hack/publish.sh", "push", "v1.2.3", p.folder)
	must(t, p.env, "hack/publish.sh", "tag", "v1.2.3", p.folder)
	was := p.digests(t)
	other := newPublisher(t)
	other.env = append(other.env, "IMAGE="+p.host+"/reboot-operator", "CHARTS="+p.host+"/charts")
	write(t, other.folder+"/amd64/manager", "another one", 0o755)
	other.build(t)
	for _, command := range []string{"push", "tag"} {
		output, err := do(t, other.env, "hack/publish.sh", command, "v1.2.3", other.folder)
		if err == nil || command == "push" && !strings.Contains(output, "the tag exists, with digest "+was["image"]) {
			t.Errorf("%s: %v: %s", command, err, output)
		}
	}
	if image, chart := p.tags(t); image != was["image"] || chart != was["chart"] {
		t.Errorf("the tags are %q and %q, want %v", image, chart, was)
	}
	if _, err := os.Stat(other.asked); err == nil {
		t.Errorf("cosign was asked: %s", read(t, other.asked))
	}
}

// copySources copies the repository to a folder that is not a clone, because the folder dist belongs to the person who runs the test.
func copySources(t *testing.T) string {
	t.Helper()
	copied := t.TempDir()
	files := must(t, nil, "git", "ls-files", "--cached", "--others", "--exclude-standard")
	for _, file := range strings.Split(strings.TrimSpace(files), "\n") {
		if info, err := os.Stat(filepath.Join(root, file)); err == nil {
			write(t, filepath.Join(copied, file), read(t, filepath.Join(root, file)), info.Mode())
		}
	}
	return copied
}

func TestOnlyACommitIsReleased(t *testing.T) {
	copied := copySources(t)
	env := []string{"GIT_CEILING_DIRECTORIES=" + filepath.Dir(copied)}
	refused := func(want string) {
		t.Helper()
		output, err := do(t, env, "make", "-C", copied, "release", "VERSION=v1.2.3")
		if err == nil || !strings.Contains(output, want) {
			t.Errorf("got %v, want %q in\n%s", err, want, output)
		}
	}
	refused("needs a clone of the repository")
	must(t, env, "git", "-C", copied, "init", "--quiet")
	refused("these files are not committed:\n?? .")
}

// What Go builds depends on these. A release is what anybody builds who has other settings.
func TestAReleaseIsBuiltWithSettingsOfGoItself(t *testing.T) {
	folder := t.TempDir()
	write(t, folder+"/env", "GOFLAGS=-tags=theirs\nGOEXPERIMENT=jsonv2\nGOPROXY=https://proxy.example.com\nGONOSUMDB=example.com\n", 0o644)
	write(t, folder+"/go.work", "go 1.27\n", 0o644)
	env := []string{"GOENV=" + folder + "/env", "GOWORK=" + folder + "/go.work", "GOAMD64=v3", "GOARM64=v8.1", "GOFIPS140=latest"}
	for _, name := range []string{"GOPROXY", "GOFLAGS", "GOEXPERIMENT", "GONOSUMDB"} {
		// An empty variable is as good as none.
		env = append(env, name+"=")
	}
	names := []string{"GOFLAGS", "GOEXPERIMENT", "GOWORK", "GOAMD64", "GOARM64", "GOFIPS140", "GOPROXY", "GONOSUMDB"}
	got := must(t, env, "hack/hermetic.sh", append([]string{"go", "env"}, names...)...)
	if want := "\n\noff\nv1\nv8.0\noff\nhttps://proxy.example.com\nexample.com\n"; got != want {
		t.Errorf("%q is %q, want %q", names, got, want)
	}
}

// The platform is that of the machine, whose programs other tests have built.
func TestOneCommandBuildsPushesAndRenders(t *testing.T) {
	host := newRegistry(t)
	architecture := strings.TrimSpace(must(t, nil, "go", "env", "GOARCH"))
	copied := copySources(t)
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

// Everything that is signed can be verified, and the page says how.
func TestThePageSaysHowToVerifyEverythingThatIsSigned(t *testing.T) {
	workflow, script := read(t, root+"/.github/workflows/release.yml"), read(t, root+"/hack/publish.sh")
	page := strings.ReplaceAll(read(t, root+"/docs/install.md"), "\\\n", " ")
	for _, one := range []struct{ in, signed, verified string }{
		{script, "registry sign", `cosign verify .*"\$image"`},
		{script, `"$CHARTS/reboot-operator:${tag#v}"`, `cosign verify .*"\$chart"`},
		{script, "cosign attest --yes --type cyclonedx", `cosign verify-attestation --type cyclonedx .*"\$platform"`},
		{script, "cosign sign-blob", `cosign verify-blob .*checksums\.txt\n`},
		{workflow, "Provenance of the image", `gh attestation verify "oci://\$image"`},
		{workflow, "Provenance of the chart", `gh attestation verify "oci://\$chart"`},
		{workflow, "Provenance of the files", `gh attestation verify install\.yaml`},
	} {
		if !strings.Contains(one.in, one.signed) {
			t.Errorf("%q is nowhere", one.signed)
		}
		if !regexp.MustCompile(one.verified).MatchString(page) {
			t.Errorf("docs/install.md does not say how to verify %q", one.signed)
		}
	}
	if got := len(regexp.MustCompile(`(?m)^ *cosign `).FindAllString(script, -1)) + strings.Count(script, "{ cosign "); got != 3 {
		t.Errorf("publish.sh asks cosign for %d things, and this test knows 3", got)
	}
	if got := strings.Count(workflow, "actions/attest@"); got != 3 {
		t.Errorf("the workflow attests %d things, and this test knows 3", got)
	}
}
