package test

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fence   = regexp.MustCompile("(?s)```.*?```")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	named   = regexp.MustCompile(`<a id="([^"]+)">`)
	shown   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// Every link of a page to another one, or to a heading, leads somewhere.
func TestEveryLinkInTheDocsLeadsSomewhere(t *testing.T) {
	anchors := map[string]map[string]bool{} // the headings of a page, by its path
	links := 0
	for _, page := range pages(t) {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(fence.ReplaceAllString(string(content), ""), "code"), -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue // of others
			}
			links++
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %s does not exist", page, found[1])
				continue
			}
			if anchors[path] == nil {
				anchors[path] = anchorsOf(t, path)
			}
			if anchor != "" && !anchors[path][anchor] {
				t.Errorf("%s: no heading of %s is called #%s", page, path, anchor)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found", links)
	}
}

// repository is a link to a file of the repository on GitHub.
var repository = regexp.MustCompile(`https://github\.com/reboot-operator/reboot-operator/(?:blob|tree)/main/([\w./-]+)(?:#([\w-]+))?`)

// Files that are read elsewhere, such as the README of the chart, alerts and messages, lead to the repository.
func TestEveryLinkToTheRepositoryLeadsToAFile(t *testing.T) {
	links, anchors := 0, map[string]map[string]bool{}
	for _, folder := range []string{"../README.md", "../api", "../charts", "../cmd", "../config", "../controllers", "../docs", "../internal"} {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() && entry.Name() == "node_modules" {
				return cmp.Or(err, fs.SkipDir)
			}
			if entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			content, err := os.ReadFile(path)
			for _, found := range repository.FindAllStringSubmatch(string(content), -1) {
				links++
				target, anchor := filepath.Join("..", strings.TrimRight(found[1], ".")), found[2]
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s: %s: the repository has no such file", path, found[0])
					continue
				}
				if anchors[target] == nil {
					anchors[target] = anchorsOf(t, target)
				}
				if anchor != "" && !anchors[target][anchor] {
					t.Errorf("%s: %s: no heading is called #%s", path, found[0], anchor)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if links < 30 {
		t.Errorf("only %d links were found", links)
	}
}

// pages are all of the documentation.
func pages(t *testing.T) []string {
	t.Helper()
	found := []string{"../README.md", "../CONTRIBUTING.md", "../SECURITY.md", "../CHANGELOG.md", "../charts/reboot-operator/README.md"}
	err := filepath.WalkDir("../docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// anchorsOf are what the headings of a page are called in links, by the rules of GitHub.
func anchorsOf(t *testing.T, path string) map[string]bool {
	t.Helper()
	anchors := map[string]bool{}
	if !strings.HasSuffix(path, ".md") {
		return anchors
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range named.FindAllStringSubmatch(string(content), -1) {
		anchors[found[1]] = true
	}
	for _, found := range heading.FindAllStringSubmatch(fence.ReplaceAllString(string(content), ""), -1) {
		text := strings.ToLower(shown.ReplaceAllString(strings.TrimSpace(found[1]), "$1"))
		anchors[strings.ReplaceAll(dropped.ReplaceAllString(text, ""), " ", "-")] = true
	}
	return anchors
}
