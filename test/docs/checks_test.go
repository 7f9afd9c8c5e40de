package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// checks look at the parts of commands that do not run.
var checks = map[string]func(line string) error{"make": checkMake, "go": checkGo, "release": checkRelease}

// checkMake: the targets exist, and something reads the variables.
func checkMake(line string) error {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		return err
	}
	for _, word := range strings.Fields(withoutQuoted(line)) {
		name, _, assigns := strings.Cut(word, "=")
		switch {
		case word == "make" || strings.HasPrefix(word, "-"):
		case assigns && !regexp.MustCompile(`\$[({]`+regexp.QuoteMeta(name)+`[):}]|origin `+regexp.QuoteMeta(name)+`\)|(?m)^`+
			regexp.QuoteMeta(name)+` [?:]?= `).Match(makefile):
			return fmt.Errorf("the Makefile does not read %s", name)
		case !assigns && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(word)+`:`).Match(makefile):
			return fmt.Errorf("the Makefile has no target %s", word)
		}
	}
	return nil
}

var quoted = regexp.MustCompile(`"[^"]*"|'[^']*'`)

// withoutQuoted is the line with one word in place of each text in quotes.
func withoutQuoted(line string) string { return quoted.ReplaceAllString(line, "quoted") }

// checkGo: the package exists, and so does the test, or the flag.
func checkGo(line string) error {
	words := strings.Fields(line)
	folder := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "./") })
	if len(words) < 3 || folder < 0 {
		return fmt.Errorf("write go test or go run with a package, such as ./controllers/plan")
	}
	files, err := filepath.Glob(filepath.Join(root, words[folder], "*.go"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("there is no package %s (error %w)", words[folder], err)
	}
	var sources strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		sources.Write(content)
	}
	if chosen := slices.Index(words, "-run"); chosen > 0 && chosen+1 < len(words) {
		name, _, _ := strings.Cut(strings.Trim(words[chosen+1], `'"`), "/")
		if !regexp.MustCompile(`(?m)^func Test\w*` + strings.TrimPrefix(name, "Test")).MatchString(sources.String()) {
			return fmt.Errorf("%s has no test %s", words[folder], name)
		}
	}
	if words[1] == "run" {
		for _, word := range words[folder+1:] {
			flag, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
			if strings.HasPrefix(word, "-") && !strings.Contains(sources.String(), fmt.Sprintf("%q", flag)) {
				return fmt.Errorf("%s has no flag %s", words[folder], word)
			}
		}
	}
	return nil
}

var (
	download  = regexp.MustCompile(`https://github\.com/([^/\s"]+/[^/\s"]+)/releases/download/[^/\s"]+/([^"\s]+)`)
	kustomize = regexp.MustCompile(`https://github\.com/([^/\s"]+/[^/\s"]+)//([^?\s"]+)\?ref=\S+`)
)

// checkRelease: the file is one of a release, or the folder one of the repository, and the version is named.
func checkRelease(line string) error {
	const repository = "reboot-operator/reboot-operator"
	if found := download.FindStringSubmatch(line); found != nil {
		makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
		if err != nil {
			return err
		}
		if found[1] != repository || !strings.Contains(string(makefile), found[2]) {
			return fmt.Errorf("no release of %s has %s", repository, found[2])
		}
		return nil
	}
	found := kustomize.FindStringSubmatch(line)
	if len(found) == 0 || found[1] != repository {
		return fmt.Errorf("it names nothing of a release of %s, with its version", repository)
	}
	_, err := os.Stat(filepath.Join(root, found[2], "kustomization.yaml"))
	return err
}

func TestPartsOfCommandsAreLookedAt(t *testing.T) {
	for line, want := range map[string]string{
		"make verify test":          "",
		"make guards ONLY=\"a b\"":  "",
		"make guards ONLX=\"a b\"":  "the Makefile does not read ONLX",
		"make everything":           "the Makefile has no target everything",
		"make chaos SEED=3 FAULT=x": "",
		"go test ./controllers/plan -run 'TestEveryReasonOfTheAPIIsProduced/ZoneBusy' -v": "",
		"go test -v -run RealLogind ./internal/rebooter/machine":                          "",
		"go test ./controllers/plan -run TestNothingOfTheKind":                            "has no test TestNothingOfTheKind",
		"go test ./controllers/plans":                                                     "there is no package ./controllers/plans",
		"go run ./hack/bench -list":                                                       "",
		"go run ./hack/bench -lists":                                                      "has no flag -lists",
		"go build":                                                                        "write go test or go run",
		`kubectl apply -f "https://github.com/reboot-operator/reboot-operator/releases/download/$VERSION/install.yaml"`:      "",
		`kubectl apply -f "https://github.com/reboot-operator/reboot-operator/releases/download/$VERSION/installs.yaml"`:     "no release",
		`kubectl apply -f "https://github.com/reboot-operator/operator/releases/download/$VERSION/install.yaml"`:             "no release",
		`kubectl apply -k "https://github.com/reboot-operator/reboot-operator//config/default?ref=$VERSION"`:                 "",
		`kubectl apply -k "https://github.com/reboot-operator/reboot-operator//config/none?ref=$VERSION"`:                    "no such file",
		`kubectl apply -k "https://github.com/reboot-operator/reboot-operator//config/default"`:                              "with its version",
		`kubectl apply --server-side -f "https://example.com/reboot-operator/reboot-operator/releases/download/v1/ins.yaml"`: "of a release",
	} {
		check := checks[strings.Fields(line)[0]]
		if check == nil {
			check = checkRelease
		}
		err := check(line)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", line, err, want)
		}
	}
}
