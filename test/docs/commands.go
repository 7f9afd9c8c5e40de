package docs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Command is what a reader types.
type Command struct {
	Block *Block
	// Line is that of the page where it begins.
	Line int
	// Text is the command as a shell takes it; it has several lines if it ends with a document, or continues after a backslash.
	Text string
	// Output is what the page shows that the command writes, if it does.
	Output string
}

// Place names the command for people.
func (c *Command) Place() string { return fmt.Sprintf("%s:%d", c.Block.Page, c.Line) }

var (
	// shells are the languages of blocks with commands.
	shells = []string{"sh", "bash", "shell", "zsh", "terminal"}
	// transcripts are the languages of blocks that may have commands behind a prompt, and what they write.
	transcripts = []string{"console", "shell-session", "text", "txt", ""}
	// others are the languages of blocks without commands.
	others = []string{"yaml", "json", "promql", "python", "lua", "go", "diff", "mermaid", "html", "dockerfile", "toml", "ini"}

	document = regexp.MustCompile(`<<-?\s*['"]?([A-Za-z_]+)['"]?`)
	comment  = regexp.MustCompile(`(^|\s+)#.*$`)
)

const prompt = "$ "

// Commands are those of a block.
func Commands(block *Block) ([]Command, error) {
	switch {
	case slices.Contains(shells, block.Language):
		return typed(block)
	case slices.Contains(transcripts, block.Language):
		return prompted(block), nil
	case slices.Contains(others, block.Language):
		return nil, nil
	}
	return nil, fmt.Errorf("%s: nobody knows whether a block of the language %q has commands: write sh, console or text, or add the "+
		"language to test/docs/commands.go", block.Place(), block.Language)
}

// typed are the commands of a block that has nothing else.
func typed(block *Block) ([]Command, error) {
	var commands []Command
	var current *Command
	until := "" // the line that ends the document of the current command
	for i, line := range strings.Split(strings.TrimSuffix(block.Text, "\n"), "\n") {
		switch {
		case current != nil:
			current.Text += "\n" + line
		case strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#"):
			continue
		case strings.HasPrefix(line, prompt):
			return nil, fmt.Errorf("%s: who copies the line gets the prompt, too: remove it, or write console in place of %s",
				block.Place(), block.Language)
		default:
			current = &Command{Block: block, Line: block.Line + 1 + i, Text: strings.TrimSpace(line)}
			if begins := document.FindStringSubmatch(line); begins != nil {
				until = begins[1]
			}
		}
		if until == "" && !strings.HasSuffix(line, "\\") || until != "" && strings.TrimSpace(line) == until {
			commands = append(commands, *current)
			current, until = nil, ""
		}
	}
	if current != nil {
		return nil, fmt.Errorf("%s: the command does not end: %s", current.Place(), current.Text)
	}
	return commands, nil
}

// prompted are the commands of a transcript, with what it shows below them.
func prompted(block *Block) []Command {
	var commands []Command
	for i, line := range strings.Split(strings.TrimSuffix(block.Text, "\n"), "\n") {
		if text, is := strings.CutPrefix(line, prompt); is {
			commands = append(commands, Command{Block: block, Line: block.Line + 1 + i, Text: text})
		} else if len(commands) > 0 {
			commands[len(commands)-1].Output += line + "\n"
		}
	}
	return commands
}

// Bare is the command without comments and broken lines.
func (c *Command) Bare() string {
	text, _, _ := strings.Cut(strings.ReplaceAll(c.Text, "\\\n", " "), "\n")
	return strings.Join(strings.Fields(comment.ReplaceAllString(text, "")), " ")
}

// Program is the name of the program that the command runs first. It is empty for what only sets variables.
func (c *Command) Program() string {
	for _, word := range strings.Fields(c.Bare()) {
		if !strings.Contains(word, "=") {
			return word
		}
	}
	return ""
}
