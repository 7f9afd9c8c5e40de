package timeline

import (
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

// look is how something is drawn in the terminal. Every look has a glyph of its own, so that none needs its color.
type look struct {
	glyph rune
	color app.Color
	words string
	// rank: of two bars in a cell the higher one is drawn, and of the same rank the longer one.
	rank int
}

const (
	rankBackground = iota
	rankWork
	rankTrouble
)

var looks = map[history.Kind]look{
	history.Waiting:    {'·', app.Faint, "waiting", rankBackground},
	history.Earlier:    {'~', app.Faint, "earlier attempts", rankBackground},
	history.Draining:   {'▒', app.Warning, "draining", rankWork},
	history.Stuck:      {'!', app.Bad, "drain stuck", rankTrouble},
	history.Rebooting:  {'█', app.Strong, "rebooting", rankWork},
	history.Recovering: {'░', app.Good, "recovering", rankWork},
	history.RolledBack: {'<', app.Warning, "rolled back", rankWork},
	history.Stalled:    {'X', app.Bad, "late", rankTrouble},
	history.Unknown:    {'?', app.Warning, "unreadable", rankTrouble},
	history.UnderWay:   {'-', app.Faint, "expected", rankBackground},
}

var markLooks = map[history.MarkKind]look{
	history.Cancelled: {'○', app.Faint, "cancelled", 1},
	history.Proved:    {'✓', app.Good, "proved", 2},
	history.Failed:    {'✗', app.Bad, "failed", 3},
}

var shadeLooks = map[history.ShadeKind]look{
	history.Window: {'=', app.Good, "window", 1},
	history.Freeze: {'*', app.Warning, "freeze", 2},
}

// nowGlyph marks now on the axis.
const nowGlyph = '▼'
