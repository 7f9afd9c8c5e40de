// Command words looks for words that readers stumble over in the code's comments and texts, and in documents. It is a part of "make lint".
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed words.yaml
var list []byte

// word is what not to write.
type word struct {
	Pattern string `json:"pattern"`
	Write   string `json:"write"`
	re      *regexp.Regexp
}

// finding is where it was written.
type finding struct {
	file        string
	line        int
	text, write string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %q: write %s instead", f.file, f.line, f.text, f.write)
}

func main() {
	count, err := run(os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
	if count > 0 {
		os.Exit(1)
	}
}

func run(out io.Writer) (int, error) {
	words, err := read(list)
	if err != nil {
		return 0, err
	}
	files, err := tracked()
	if err != nil {
		return 0, err
	}
	count := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return 0, fmt.Errorf("read a file: %w", err)
		}
		for _, found := range look(words, file, content) {
			count++
			if _, err := fmt.Fprintln(out, found); err != nil {
				return count, fmt.Errorf("print a finding: %w", err)
			}
		}
	}
	return count, nil
}

// read compiles the list.
func read(list []byte) ([]word, error) {
	var words []word
	if err := yaml.UnmarshalStrict(list, &words); err != nil {
		return nil, fmt.Errorf("read the list of words: %w", err)
	}
	for i := range words {
		re, err := regexp.Compile(`(?i)\b(?:` + strings.ReplaceAll(words[i].Pattern, " ", `\s+`) + `)\b`)
		if err != nil {
			return nil, fmt.Errorf("read the list of words: %w", err)
		}
		words[i].re = re
	}
	return words, nil
}

// endings of files that people read.
var endings = []string{".go", ".md", ".yaml", ".yml", ".sh", ".tmpl", ".gotmpl", ".html", ".js", ".txt", ".mts"}

// skipped are the words of others, the list itself, and its test.
var skipped = []string{"LICENSE", "hack/words/", "docs/real-nodes-run.txt"}

// tracked are the files of the repository that people read.
func tracked() ([]string, error) {
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		return nil, fmt.Errorf("list the files of the repository: %w", err)
	}
	var files []string
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		readable := slices.Contains(endings, filepath.Ext(name)) || filepath.Base(name) == "Makefile"
		foreign := slices.ContainsFunc(skipped, func(part string) bool { return strings.HasPrefix(name, part) })
		if info, err := os.Lstat(name); readable && !foreign && err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	return files, nil
}

// look finds words in a file. In Go files it checks only comments and strings, not names.
func look(words []word, name string, content []byte) []finding {
	if filepath.Ext(name) == ".go" {
		content = prose(name, content)
	}
	var found []finding
	for i := range words {
		for _, at := range words[i].re.FindAllIndex(content, -1) {
			line := 1 + bytes.Count(content[:at[0]], []byte("\n"))
			found = append(found, finding{name, line, strings.Join(strings.Fields(string(content[at[0]:at[1]])), " "), words[i].Write})
		}
	}
	slices.SortFunc(found, func(a, b finding) int { return a.line - b.line })
	return found
}

// prose is a Go file with blanks in the place of all that is neither a comment nor a text. A phrase may continue in the next line of a
// comment.
func prose(name string, source []byte) []byte {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source // the compiler says what is wrong with it
	}
	blank := bytes.Repeat([]byte(" "), len(source))
	for i, b := range source {
		if b == '\n' {
			blank[i] = b
		}
	}
	keep := func(from, to token.Pos) {
		begin, end := files.Position(from).Offset, files.Position(to).Offset
		copy(blank[begin:end], source[begin:end])
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			keep(comment.Pos()+2, comment.End())
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if text, is := node.(*ast.BasicLit); is && text.Kind == token.STRING {
			keep(text.Pos(), text.End())
		}
		return true
	})
	return blank
}
