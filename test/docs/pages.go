package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Page is a page of the documentation.
type Page struct {
	// Path is where it is, from the top of the repository.
	Path   string
	Blocks []Block
	// Text is the page.
	Text string
}

// Block is what stands between two fences of a page.
type Block struct {
	Page string
	// Line is that of the opening fence.
	Line int
	// Heading is the one above it, without its marks.
	Heading string
	// Language is the word behind the fence.
	Language string
	// Text has no indentation of a list.
	Text string
}

// Place names the block for people.
func (b *Block) Place() string { return fmt.Sprintf("%s:%d", b.Page, b.Line) }

// Pages reads all pages below a folder, the top of the repository, but for the decisions, which are of their time, and the changelog.
func Pages(root string) ([]Page, error) {
	paths := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md"}
	charts, err := filepath.Glob(filepath.Join(root, "charts", "*", "README.md"))
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "adr" {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			charts = append(charts, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find pages: %w", err)
	}
	for _, path := range charts {
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		paths = append(paths, filepath.ToSlash(relative))
	}
	slices.Sort(paths)
	var pages []Page
	for _, path := range paths {
		content, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return nil, fmt.Errorf("read a page: %w", err)
		}
		page, err := parse(path, string(content))
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	return pages, nil
}

var (
	fence   = regexp.MustCompile("^(\\s*)(```+|~~~+)\\s*([^\\s`{]*)[^`]*$")
	heading = regexp.MustCompile(`^#+\s+(.+?)\s*$`)
)

// parse finds the blocks of a page. One that does not end is an error: everything below it would be taken for a part of it.
func parse(path, text string) (Page, error) {
	page := Page{Path: path, Text: text}
	var open *Block
	var indentation, mark, above string
	for i, line := range strings.Split(text, "\n") {
		found := fence.FindStringSubmatch(line)
		switch {
		case open != nil && found != nil && found[3] == "" && strings.HasPrefix(found[2], mark):
			page.Blocks = append(page.Blocks, *open)
			open = nil
		case open != nil:
			open.Text += strings.TrimPrefix(line, indentation) + "\n"
		case found != nil:
			open = &Block{Page: path, Line: i + 1, Heading: above, Language: found[3]}
			indentation, mark = found[1], found[2]
		default:
			if title := heading.FindStringSubmatch(line); title != nil {
				above = title[1]
			}
		}
	}
	if open != nil {
		return page, fmt.Errorf("%s: the block does not end", open.Place())
	}
	return page, nil
}
