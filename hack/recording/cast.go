package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// stays is how long the last frame is shown.
const stays = 3 * time.Second

// writeCast writes frames as an asciicast, version 2: each brings the lines that are not as before.
func writeCast(frames []frame) []byte {
	var out bytes.Buffer
	write := func(value any) {
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(value) // A buffer takes everything.
	}
	write(map[string]any{"version": 2, "width": columns, "height": lines, "title": title})
	shown := make([]string, lines)
	for i, one := range frames {
		var text strings.Builder
		if i == 0 {
			text.WriteString("\x1b[2J")
		}
		for row, line := range one.lines {
			if line != shown[row] {
				fmt.Fprintf(&text, "\x1b[%d;1H\x1b[0m%s\x1b[0m\x1b[K", row+1, line)
			}
		}
		shown = one.lines
		if one.cursor {
			fmt.Fprintf(&text, "\x1b[%d;%dH\x1b[?25h", one.row+1, one.column+1)
		} else {
			text.WriteString("\x1b[?25l")
		}
		write([]any{seconds(one.at), "o", text.String()})
	}
	if len(frames) > 0 {
		write([]any{seconds(frames[len(frames)-1].at + stays), "o", ""})
	}
	return out.Bytes()
}

// seconds has no more digits than anybody sees.
func seconds(length time.Duration) json.Number {
	return json.Number(fmt.Sprintf("%.2f", length.Seconds()))
}
