package main

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"time"
)

const (
	// The size of a cell, and the border around the screen.
	cellWidth, cellHeight, border = 8.4, 19, 16
	// coarse is the least time that a frame of the picture is shown: each costs bytes.
	coarse = 350 * time.Millisecond
)

// writeSVG writes frames as a picture that moves by itself. Frames are below each other, and a style moves them past the screen; lines that
// occur in several frames are there once.
func writeSVG(frames []frame) []byte {
	frames = thin(frames)
	if len(frames) == 0 {
		return nil
	}
	width, height := columns*cellWidth+2*border, float64(lines*cellHeight+2*border)
	total := frames[len(frames)-1].at + stays
	lineIDs := map[string]int{}
	var defs, film, steps bytes.Buffer
	for i, one := range frames {
		fmt.Fprintf(&film, `<g transform="translate(0 %d)">`, i*lines*cellHeight)
		for row, line := range one.lines {
			if strings.TrimSpace(line) == "" {
				continue
			}
			id, ok := lineIDs[line]
			if !ok {
				id = len(lineIDs)
				lineIDs[line] = id
				fmt.Fprintf(&defs, `<g id="l%d">%s</g>`, id, styled(line))
			}
			fmt.Fprintf(&film, `<use href="#l%d" y="%d"/>`, id, row*cellHeight)
		}
		if one.cursor {
			fmt.Fprintf(&film, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#c9d1d9"/>`,
				float64(one.column)*cellWidth, one.row*cellHeight, cellWidth, cellHeight)
		}
		film.WriteString("</g>\n")
		fmt.Fprintf(&steps, "%.3f%%{transform:translateY(%dpx)}", 100*float64(one.at)/float64(total), -i*lines*cellHeight)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label="%s">`,
		width, height, width, height, html.EscapeString(title))
	fmt.Fprintf(&out, "\n<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"+
		"fill:#c9d1d9;white-space:pre}"+
		"@keyframes play{%s}.film{animation:play %.1fs steps(1,end) infinite}"+
		"@media (prefers-reduced-motion:reduce){.film{animation:none;transform:translateY(%dpx)}}</style>\n",
		steps.String(), total.Seconds(), -(len(frames)/2)*lines*cellHeight)
	fmt.Fprintf(&out, `<rect width="%.0f" height="%.0f" rx="8" fill="#0d1117"/>`, width, height)
	fmt.Fprintf(&out, "\n<defs>%s</defs>\n", defs.String())
	fmt.Fprintf(&out, `<svg x="%d" y="%d" width="%.1f" height="%d" overflow="hidden">`, border, border, columns*cellWidth, lines*cellHeight)
	fmt.Fprintf(&out, "<g class=\"film\">\n%s</g></svg></svg>\n", film.String())
	return out.Bytes()
}

// thin leaves out frames that are shown for a moment only. The last one stays.
func thin(frames []frame) []frame {
	var kept []frame
	for i, one := range frames {
		if i+1 < len(frames) && frames[i+1].at-one.at < coarse && len(kept) > 0 && one.at-kept[len(kept)-1].at < coarse {
			continue
		}
		kept = append(kept, one)
	}
	return kept
}

// styled writes a line: a text for each run of cells that look the same.
func styled(line string) string {
	var out strings.Builder
	for _, one := range spans(line) {
		x, length := float64(one.column)*cellWidth, float64(one.width())*cellWidth
		if one.background != "" {
			fmt.Fprintf(&out, `<rect x="%.1f" width="%.1f" height="%d" fill="%s"/>`, x, length, cellHeight, one.background)
		}
		if strings.TrimSpace(one.text) == "" {
			continue
		}
		attributes := ""
		if one.color != "" {
			attributes += ` fill="` + one.color + `"`
		}
		if one.bold {
			attributes += ` font-weight="bold"`
		}
		if one.dim {
			attributes += ` opacity=".6"`
		}
		// Where a font is wider than ours, the text is as wide as its cells anyway.
		fmt.Fprintf(&out, `<text x="%.1f" y="14" textLength="%.1f"%s xml:space="preserve">%s</text>`,
			x, length, attributes, html.EscapeString(one.text))
	}
	return out.String()
}
