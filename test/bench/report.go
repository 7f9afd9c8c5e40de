package bench

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/reboot-operator/reboot-operator/test/repository"
)

// line is one figure with the row it belongs to.
type line struct {
	row    string
	figure Figure
	result Result
}

// lines are all figures, ratios first, then by row. Rows that exist no longer are left out.
func (r Results) lines() []line {
	var all []line
	for _, kind := range kinds {
		for _, row := range Rows() {
			for _, figure := range r[row.Name].Figures {
				if figure.Kind == kind {
					all = append(all, line{row.Name, figure, r[row.Name]})
				}
			}
		}
	}
	return all
}

// verdict says whether the goal is met, and whether noise leaves the question open.
func (l line) verdict() string {
	switch {
	case l.figure.Goal == nil:
		return ""
	case l.figure.met():
		return "met"
	case l.result.Noise.tooMuch() && l.figure.Kind.isTime():
		return "noisy"
	default:
		return "missed"
	}
}

// printTable prints one table, ratios first, and the noise of each row.
func printTable(out io.Writer, results Results) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nROW\tFIGURE\tVALUE\tGOAL\t")
	for _, l := range results.lines() {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", l.row, l.figure.Name, l.figure.text(), l.figure.goalText(), l.verdict())
	}
	_, _ = fmt.Fprintln(table, "\nROW\tSECONDS\tNOISE\t")
	for _, row := range Rows() {
		if result, found := results[row.Name]; found {
			_, _ = fmt.Fprintf(table, "%s\t%.0f\t%s\t%s\n", row.Name, result.Seconds, result.Noise.text(), noisy(result.Noise))
		}
	}
	_ = table.Flush()
}

func noisy(n Noise) string {
	if n.tooMuch() {
		return "too much"
	}
	return ""
}

// Marks around what is written into the page.
const (
	beginMark = "<!-- make bench writes from here"
	endMark   = "<!-- to here. -->"
)

// WritePage writes the page and the plot again, from the results of before.
func WritePage() error {
	root, err := repository.Root()
	if err != nil {
		return err
	}
	results := Results{}
	if err := readJSON(root, resultsFile, &results); err != nil {
		return err
	}
	return writePage(root, results)
}

// writePage writes the figures into the page, and the plot.
func writePage(root string, results Results) error {
	page, err := os.ReadFile(filepath.Join(root, pageFile))
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	written, err := intoPage(page, results)
	if err != nil {
		return err
	}
	if err := writeFile(root, pageFile, written); err != nil {
		return err
	}
	return writeFile(root, plotFile, plot(results))
}

// intoPage replaces what is between the marks.
func intoPage(page []byte, results Results) ([]byte, error) {
	before, rest, begins := bytes.Cut(page, []byte(beginMark))
	intro, rest, ends := bytes.Cut(rest, []byte("\n"))
	_, after, closed := bytes.Cut(rest, []byte(endMark))
	if !begins || !ends || !closed {
		return nil, fmt.Errorf("%s has no lines that begin with %q and %q", pageFile, beginMark, endMark)
	}
	return slices.Concat(before, []byte(beginMark), intro, []byte("\n"), []byte(results.markdown()), []byte(endMark), after), nil
}

// markdown is all figures, the noise of each row, and what figures are made of.
func (r Results) markdown() string {
	var text strings.Builder
	text.WriteString("\n")
	writeTable(&text, []string{"row", "figure", "value", "goal", ""}, r.figureRows())
	text.WriteString("### Rows\n\n")
	var rows, scaled [][]string
	for _, row := range Rows() {
		if result, found := r[row.Name]; found {
			rows = append(rows, []string{
				"`" + row.Name + "`", result.Title, result.Date, "`" + result.Commit + "`", fmt.Sprintf("%.0f s", result.Seconds),
				result.Noise.text(), noisy(result.Noise),
			})
			scaled = append(scaled, []string{"`" + row.Name + "`", result.Scaled, result.Machine})
		}
	}
	writeTable(&text, []string{"row", "what", "date", "commit", "took", "noise", ""}, rows)
	writeTable(&text, []string{"row", "scaled", "machine"}, scaled)
	for _, row := range Rows() {
		for _, detail := range r[row.Name].Details {
			fmt.Fprintf(&text, "<details><summary>%s (<code>%s</code>)</summary>\n\n", detail.Title, row.Name)
			writeTable(&text, detail.Header, detail.Rows)
			text.WriteString("</details>\n\n")
		}
	}
	return text.String()
}

func (r Results) figureRows() [][]string {
	var rows [][]string
	for _, l := range r.lines() {
		rows = append(rows, []string{"`" + l.row + "`", l.figure.Name, l.figure.text(), l.figure.goalText(), l.verdict()})
	}
	return rows
}

func writeTable(text *strings.Builder, header []string, rows [][]string) {
	fmt.Fprintf(text, "| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for _, row := range rows {
		fmt.Fprintf(text, "| %s |\n", strings.Join(row, " | "))
	}
	text.WriteString("\n")
}
