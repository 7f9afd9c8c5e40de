package timeline

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

// legend explains the glyphs that are used.
func (p *page) legend() {
	var parts []string
	add := func(l look) {
		if p.used[l.glyph] {
			parts = append(parts, p.app.Paint(l.color, string(l.glyph))+" "+l.words)
		}
	}
	for _, kind := range history.Kinds() {
		add(looks[kind])
	}
	for _, kind := range []history.MarkKind{history.Proved, history.Failed, history.Cancelled} {
		add(markLooks[kind])
	}
	for _, kind := range []history.ShadeKind{history.Window, history.Freeze} {
		add(shadeLooks[kind])
	}
	if p.used[nowGlyph] {
		parts = append(parts, string(nowGlyph)+" now")
	}
	p.flow(parts, "   ")
	p.line()
}

// flow writes parts one after the other, in as many lines as they need.
func (p *page) flow(parts []string, between string) {
	line := ""
	for _, part := range parts {
		if line != "" && ansi.StringWidth(line+between+part) > p.columns {
			p.line(line)
			line = ""
		}
		if line != "" {
			line += between
		}
		line += part
	}
	p.line(line)
}

// summary sums up each policy. The lead of the taint comes first, because it keeps pods from moving twice.
func (p *page) summary() {
	for i := range p.chart.Policies {
		s := &p.chart.Policies[i]
		p.paragraph("", sentencesOf(s))
	}
}

// sentencesOf a summary, with the name of the policy.
func sentencesOf(s *history.Summary) string {
	return cmp.Or(after("Policy ", s.Policy), "Without a policy") + ": " + strings.Join(summarize(s), " ")
}

// summarize a policy in sentences.
func summarize(s *history.Summary) []string {
	var states []string
	for _, state := range []struct {
		count int
		words string
	}{
		{s.Proved, "proved"}, {s.Failed, "failed"}, {s.Cancelled, "cancelled"}, {s.UnderWay, "under way"}, {s.Waiting, "waiting"},
		{s.Unreadable, "unreadable"},
	} {
		if state.count > 0 {
			states = append(states, fmt.Sprintf("%d %s", state.count, state.words))
		}
	}
	all := []string{fmt.Sprintf("%s, %s.", model.Count(s.Reboots, "reboot"), strings.Join(states, ", "))}
	lead := time.Duration(s.TaintLeadSeconds) * time.Second
	switch {
	case s.Tainted == 1:
		all = append(all, fmt.Sprintf("Early taint: 1 node was tainted %s before its drain.", history.Span(lead)))
	case s.Tainted > 1:
		all = append(all, fmt.Sprintf("Early taint: %d nodes were tainted %s before the drain on average, %s in total.",
			s.Tainted, history.Span(lead/time.Duration(s.Tainted)), history.Span(lead)))
	}
	switch {
	case s.Longest != "" && s.MedianSeconds == s.LongestSeconds:
		all = append(all, fmt.Sprintf("The proved reboot of %s took %s.", s.Longest, seconds(s.LongestSeconds)))
	case s.Longest != "":
		all = append(all, fmt.Sprintf("A proved reboot took %s in the median; the longest was %s with %s.",
			seconds(s.MedianSeconds), s.Longest, seconds(s.LongestSeconds)))
	}
	if s.FirstStart != nil && s.LastEnd != nil && s.LastEnd.After(*s.FirstStart) && s.Reboots > 1 {
		all = append(all, fmt.Sprintf("From the first start to the last end: %s.", history.Span(s.LastEnd.Sub(*s.FirstStart))))
	}
	return all
}

func seconds(s float64) string { return history.Span(time.Duration(s * float64(time.Second))) }

// story writes what happened to the single node.
func (p *page) story() {
	if p.single == nil {
		return
	}
	p.line()
	p.line(p.app.Paint(app.Strong, ansi.Truncate("What happened to node "+plain(p.single.Node), p.columns, "…")))
	if len(p.single.Story) == 0 {
		p.line("Nothing is recorded in this time.")
	}
	several, today := len(byReboot(p.single)) > 1, ""
	for i := range p.single.Story {
		entry := &p.single.Story[i]
		at := entry.Time.In(p.app.Zone)
		if day := at.Format("Mon 2006-01-02"); day != today {
			p.line(p.app.Paint(app.Faint, day))
			today = day
		}
		sign := "  "
		if entry.Warning {
			sign = "! "
		}
		text := entry.Text
		if several && entry.Reboot != "" {
			text = entry.Reboot + ": " + text
		}
		p.paragraph(at.Format(time.TimeOnly)+" "+sign, text)
	}
}

// notes writes what the chart lacks.
func (p *page) notes() {
	if len(p.chart.Notes) > 0 {
		p.line()
	}
	for _, note := range p.chart.Notes {
		p.paragraph("", "Note: "+note)
	}
}

// paragraph writes a text next to a head, in as many lines as it needs.
func (p *page) paragraph(head, text string) {
	width := ansi.StringWidth(head)
	for i, line := range wrap(plain(text), max(p.columns-width, 20)) {
		if i == 0 {
			p.line(head, line)
			continue
		}
		p.line(strings.Repeat(" ", width), line)
	}
}

// wrap breaks a text at its spaces into lines of at most so many columns, and words that are longer than that wherever that is.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && ansi.StringWidth(line)+1+ansi.StringWidth(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
		if ansi.StringWidth(line) > width {
			parts := strings.Split(ansi.Hardwrap(line, width, true), "\n")
			lines = append(lines, parts[:len(parts)-1]...)
			line = parts[len(parts)-1]
		}
	}
	return append(lines, line)
}
