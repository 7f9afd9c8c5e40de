package app

import "os"

// DefaultColumns is the width of output that goes to no terminal.
const DefaultColumns = 120

// Columns that a line may take.
func (a *App) Columns() int {
	if columns, _ := a.Size(); columns > 0 {
		return columns
	}
	return DefaultColumns
}

// Terminal says whether a person reads the output on a terminal.
func (a *App) Terminal() bool {
	columns, _ := a.Size()
	return columns > 0
}

// Color of a text on a terminal.
type Color string

// The colors, by what they say.
const (
	Good    Color = "32"
	Warning Color = "33"
	Bad     Color = "31"
	Faint   Color = "2"
	Strong  Color = "1"
)

// Colored says whether colors are written: only on a terminal, and not with --no-color or NO_COLOR.
func (a *App) Colored() bool { return a.Terminal() && !a.NoColor && os.Getenv("NO_COLOR") == "" }

// Paint writes a text in a color where colors are written.
func (a *App) Paint(color Color, text string) string {
	if !a.Colored() || text == "" {
		return text
	}
	return "\x1b[" + string(color) + "m" + text + "\x1b[0m"
}
