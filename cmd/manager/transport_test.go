package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Everything in the process that uses http.DefaultTransport is confined as notifications are, and what takes it for an *http.Transport
// after it was confined panics. These packages name it, and why that is harmless here.
var usesDefaultTransport = map[string]string{
	"github.com/google/gnostic-models/compiler":                     "reads a schema by its URL, which nobody asks it for",
	"github.com/go-openapi/swag/loading":                            "the same",
	"github.com/reboot-operator/reboot-operator/internal/notifier":  "this is what is confined",
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp": "nothing is traced",
	"golang.org/x/net/trace":                                        "an example in a page, and nobody asks for traces",
	"golang.org/x/oauth2":                                           "for logins to clusters by client-go, which has a transport of its own",
	"golang.org/x/oauth2/internal":                                  "the same",
	"k8s.io/apimachinery/pkg/util/net":                              "takes what it needs when the package is initialized",
	"k8s.io/apiserver/pkg/server/egressselector":                    "the same",
	"k8s.io/client-go/rest":                                         "see besideConfined",
	"k8s.io/client-go/transport":                                    "see besideConfined",
}

func TestNothingElseUsesTheTransportThatIsConfined(t *testing.T) {
	const format = `{{if not .Standard}}{{$p := .}}{{range .GoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}
{{end}}{{end}}`
	listed, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	uses := regexp.MustCompile(`\bhttp\.(DefaultTransport|DefaultClient|Get|Post|PostForm|Head)\b`)
	comments := regexp.MustCompile(`(?m)//.*$`)
	found, files := map[string]bool{}, 0
	for line := range strings.Lines(string(listed)) {
		name, path, is := strings.Cut(strings.TrimSpace(line), " ")
		if !is || strings.HasPrefix(name, "github.com/nicholas-fedor/shoutrrr/") { // what it is confined for
			continue
		}
		files++
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !uses.Match(comments.ReplaceAll(content, nil)) {
			continue
		}
		found[name] = true
		if usesDefaultTransport[name] == "" {
			t.Errorf("%s (%s) uses the transport that is confined: give it one of its own, or say here why that is harmless", name,
				filepath.Base(path))
		}
	}
	for name := range usesDefaultTransport {
		if !found[name] {
			t.Errorf("%s does not use it anymore: take it out of the list", name)
		}
	}
	if files < 1000 {
		t.Errorf("only %d files were read", files)
	}
}
