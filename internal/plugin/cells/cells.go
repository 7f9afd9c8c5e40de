// Package cells lays out text on a terminal: widths are those on the screen, where a character may take two cells or none.
package cells

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// ellipsis stands for what was cut off.
const ellipsis = "…"

// gap is what separates two columns.
const gap = "  "

// Width of a text on the screen. Colors take none.
func Width(text string) int { return ansi.StringWidth(text) }

// Cut shortens a text to a width, and ends it with an ellipsis if something is missing.
func Cut(text string, width int) string {
	if width <= 0 {
		return ""
	}
	return ansi.Truncate(text, width, ellipsis)
}

// Pad adds spaces up to a width.
func Pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-Width(text), 0))
}

// Fit cuts a text or pads it, so that it takes exactly a width.
func Fit(text string, width int) string { return Pad(Cut(text, width), width) }

// Clean makes one harmless line of what others wrote, as Line does, with one space between words.
func Clean(text string) string { return strings.Join(strings.Fields(Line(text)), " ") }

// Line makes one harmless line of a text that has what others wrote in it: nothing in it moves the cursor, changes a color, or turns the
// direction of writing. Spaces stay.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f', r == unicode.ReplacementChar:
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, ansi.Strip(text))
}

// Wrap breaks a text into lines between words. Words that are too long are broken.
func Wrap(text string, width int) []string {
	if width <= 0 || text == "" {
		return nil
	}
	return strings.Split(ansi.Wrap(text, width, ""), "\n")
}

// Table has a heading and rows. Columns in which no row says anything are left out.
type Table struct {
	Heading []string
	Rows    [][]string
	// Paint colors a cell after it was laid out; nil paints nothing.
	Paint func(row, column int, text string) string
	// Evenly makes the widest columns narrower where there is no room, and not only the first.
	Evenly bool
}

// least is how narrow the first column may become.
const least = 12

// Lines of the table. If they are too wide, the first column is made narrower, and then the end of the lines is cut.
func (t *Table) Lines(width int) []string {
	widths := t.widths()
	if len(widths) > 0 {
		t.narrow(widths, width)
	}
	var lines []string
	if len(t.Heading) > 0 {
		lines = append(lines, t.line(-1, t.Heading, widths, width))
	}
	for i, row := range t.Rows {
		lines = append(lines, t.line(i, row, widths, width))
	}
	return lines
}

// narrow makes columns narrower until they fit, as far as they may become.
func (t *Table) narrow(widths []int, width int) {
	over := -len(gap) - width
	for _, w := range widths {
		if w > 0 {
			over += w + len(gap)
		}
	}
	switch {
	case over <= 0:
	case !t.Evenly:
		widths[0] = max(widths[0]-over, min(widths[0], least))
	default:
		for ; over > 0; over-- {
			widest := 0
			for i := range widths {
				if widths[i] > widths[widest] {
					widest = i
				}
			}
			if widths[widest] <= 1 {
				return
			}
			widths[widest]--
		}
	}
}

// widths of the columns; those without text have none.
func (t *Table) widths() []int {
	widths := make([]int, len(t.Heading))
	for _, row := range t.Rows {
		for i, cell := range row {
			for len(widths) <= i {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(cell))
		}
	}
	for i, cell := range t.Heading {
		if widths[i] > 0 {
			widths[i] = max(widths[i], Width(cell))
		}
	}
	return widths
}

func (t *Table) line(row int, texts []string, widths []int, width int) string {
	var line strings.Builder
	for i, text := range texts {
		if widths[i] == 0 {
			continue
		}
		cell := Fit(text, widths[i])
		if i == len(texts)-1 {
			cell = strings.TrimRight(cell, " ")
		}
		if t.Paint != nil {
			cell = t.Paint(row, i, cell)
		}
		if line.Len() > 0 {
			line.WriteString(gap)
		}
		line.WriteString(cell)
	}
	return strings.TrimRight(Cut(line.String(), width), " ")
}
