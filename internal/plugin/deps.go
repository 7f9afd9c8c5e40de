package plugin

import (
	_ "charm.land/bubbletea/v2"         // the live view of status
	_ "github.com/charmbracelet/x/ansi" // widths of painted texts
)
