package live

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/feed"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

func joined(lines []string) string { return strings.Join(lines, "\n") }

// plain writes how everything stands, and then a line for every change.
func plain(ctx context.Context, a *app.App, source *feed.Feed, state *State, headings <-chan string) error {
	now := a.Clock.Now()
	for _, e := range standings(state.Overview(nil, now), now) {
		if err := writeLine(a.Out, &e, a.Zone); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case heading, is := <-headings:
			if !is {
				headings = nil
				continue
			}
			if err := writeLine(a.Out, &Entry{At: a.Clock.Now(), Text: heading}, a.Zone); err != nil {
				return err
			}
		case u := <-source.Updates():
			for _, e := range state.Apply(&u, a.Clock.Now()) {
				if err := writeLine(a.Out, &e, a.Zone); err != nil {
					return err
				}
			}
		}
	}
}

// standings are how each policy and each node under way stand.
func standings(o *overview.Overview, now time.Time) []Entry {
	if len(o.Policies) == 0 {
		return []Entry{{At: now, Text: overview.Empty()}}
	}
	var entries []Entry
	clock := overview.Clock{Now: now, Zone: time.UTC}
	for i := range o.Policies {
		p := &o.Policies[i]
		state, _ := p.State()
		entries = append(entries, Entry{At: now, Policy: p.Title(), Text: strings.TrimPrefix(state+"; nodes: "+p.Counts(clock), "; ")})
		for j := range p.Zones {
			for k := range p.Zones[j].UnderWay {
				n := &p.Zones[j].UnderWay[k]
				text := string(n.Phase)
				if why := n.Why(); why != "" {
					text += ": " + why
				}
				entries = append(entries, Entry{At: now, Policy: p.Title(), Node: n.Name, Text: text})
			}
		}
	}
	return entries
}

// writeLine writes an entry with its local time.
func writeLine(out io.Writer, e *Entry, zone *time.Location) error {
	parts := []string{e.At.In(zone).Format("2006-01-02 15:04:05 -07:00")}
	for _, part := range []string{e.Policy, e.Node, e.Text} {
		if part != "" {
			parts = append(parts, cells.Clean(part))
		}
	}
	if _, err := fmt.Fprintln(out, strings.Join(parts, "  ")); err != nil {
		return fmt.Errorf("write a line: %w", err)
	}
	return nil
}
