package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// span is a part of a line that looks the same all over.
type span struct {
	column int
	text   string
	style
}

func (s span) width() int { return utf8.RuneCountInString(s.text) }

// style is what escape sequences say.
type style struct {
	color, background string
	bold, dim         bool
	reversed          bool
}

// palette has the sixteen colors of a terminal, as GitHub's dark theme shows them.
var palette = [16]string{
	"#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
	"#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff",
}

const (
	foreground = "#c9d1d9"
	background = "#0d1117"
)

// spans splits a line that has escape sequences. What is no color is left out.
func spans(line string) []span {
	var found []span
	var now style
	column := 0
	for line != "" {
		text, rest, escaped := strings.Cut(line, "\x1b")
		if text != "" {
			found = append(found, span{column, text, now.shown()})
			column += utf8.RuneCountInString(text)
		}
		if !escaped {
			break
		}
		line = rest
		end := strings.IndexFunc(line, func(r rune) bool { return r >= '@' && r <= '~' && r != '[' })
		if !strings.HasPrefix(line, "[") || end < 0 {
			if strings.HasPrefix(line, "[") {
				break // It is cut off.
			}
			// Such as a change of the character set: two characters.
			line = line[min(2, len(line)):]
			continue
		}
		if line[end] == 'm' {
			now.apply(line[1:end])
		}
		line = line[end+1:]
	}
	return found
}

// shown swaps the colors of what is reversed.
func (s style) shown() style {
	if s.reversed {
		color, ground := s.color, s.background
		if color == "" {
			color = foreground
		}
		if ground == "" {
			ground = background
		}
		s.color, s.background = ground, color
	}
	return s
}

// apply follows one sequence, such as 1;31.
func (s *style) apply(sequence string) {
	codes := strings.Split(sequence, ";")
	for i := 0; i < len(codes); i++ {
		code, err := strconv.Atoi(codes[i])
		if err != nil {
			code = 0
		}
		used := 0
		switch code {
		case 38:
			s.color, used = extended(codes[i+1:])
		case 48:
			s.background, used = extended(codes[i+1:])
		default:
			s.simple(code)
		}
		i += used
	}
}

func (s *style) simple(code int) {
	switch code {
	case 0:
		*s = style{}
	case 1:
		s.bold = true
	case 2:
		s.dim = true
	case 7:
		s.reversed = true
	case 22:
		s.bold, s.dim = false, false
	case 27:
		s.reversed = false
	case 39:
		s.color = ""
	case 49:
		s.background = ""
	default:
		s.paint(code)
	}
}

// paint follows a code of one of the sixteen colors: 30 and above for text, 40 for what is behind it, and 60 more for the bright ones.
func (s *style) paint(code int) {
	bright := 0
	if code >= 90 {
		bright, code = 8, code-60
	}
	switch {
	case code >= 30 && code <= 37:
		s.color = palette[code-30+bright]
	case code >= 40 && code <= 47:
		s.background = palette[code-40+bright]
	}
}

// extended is a color of 256, or one by its parts; and how many codes it took.
func extended(codes []string) (string, int) {
	numbers := make([]int, len(codes))
	for i, code := range codes {
		numbers[i], _ = strconv.Atoi(code)
	}
	switch {
	case len(numbers) >= 2 && numbers[0] == 5:
		return indexed(numbers[1]), 2
	case len(numbers) >= 4 && numbers[0] == 2:
		return fmt.Sprintf("#%02x%02x%02x", numbers[1]&255, numbers[2]&255, numbers[3]&255), 4
	}
	return "", len(codes)
}

// indexed is one of the 256 colors: sixteen, a cube, and shades of gray.
func indexed(index int) string {
	switch {
	case index < 0 || index > 255:
		return ""
	case index < 16:
		return palette[index]
	case index >= 232:
		gray := 8 + 10*(index-232)
		return fmt.Sprintf("#%02x%02x%02x", gray, gray, gray)
	}
	level := func(step int) int {
		if step == 0 {
			return 0
		}
		return 55 + 40*step
	}
	index -= 16
	return fmt.Sprintf("#%02x%02x%02x", level(index/36), level(index/6%6), level(index%6))
}
