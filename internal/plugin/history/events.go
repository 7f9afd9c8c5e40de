package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// sameMoment is how far an Event and what is recorded about the same may be from each other.
	sameMoment = 5 * time.Second
	// aboutReboot begins the note of an Event about a Node that the operator emitted.
	aboutReboot = "NodeReboot "
)

// nodeReasons are Events of others about a Node that belong to the story of a reboot. Warnings belong to it in any case.
var nodeReasons = []string{"NodeNotReady", "NodeReady", "Rebooted", "Shutdown", "NodeNotSchedulable", "NodeSchedulable", "RemovingNode"}

// eventEntries are the Events by what they are about: the name of a Node, or the rebootKey of a NodeReboot.
func eventEntries(events []eventsv1.Event) map[string][]Entry {
	found := map[string][]Entry{}
	for i := range events {
		event := &events[i]
		entry := Entry{
			Time: eventTime(event), Warning: event.Type == corev1.EventTypeWarning, Event: true, reason: event.Reason,
			Text: full(fmt.Sprintf("%s: %s%s", event.Reason, event.Note, repeated(event))),
		}
		switch about := event.Regarding; about.Kind {
		case "NodeReboot":
			entry.Reboot = about.Name
			found[rebootKey(about.Name)] = append(found[rebootKey(about.Name)], entry)
		case "Node":
			if name, note := ours(event.Note); name != "" {
				entry.Reboot, entry.Text = name, full(event.Reason+": "+note+repeated(event))
			} else if !entry.Warning && !slices.Contains(nodeReasons, event.Reason) {
				continue
			}
			found[about.Name] = append(found[about.Name], entry)
		}
	}
	return found
}

// ours takes the name of the NodeReboot from the note of an Event about a Node that the operator emitted.
func ours(note string) (reboot, rest string) {
	text, is := strings.CutPrefix(note, aboutReboot)
	name, rest, has := strings.Cut(text, ": ")
	if !is || !has {
		return "", note
	}
	return name, rest
}

func rebootKey(name string) string { return "NodeReboot/" + name }

func eventTime(event *eventsv1.Event) time.Time {
	switch {
	case !event.EventTime.IsZero():
		return event.EventTime.Time
	case !event.DeprecatedFirstTimestamp.IsZero():
		return event.DeprecatedFirstTimestamp.Time
	case !event.DeprecatedLastTimestamp.IsZero():
		return event.DeprecatedLastTimestamp.Time
	}
	return event.CreationTimestamp.Time
}

// repeated says how often an Event was seen.
func repeated(event *eventsv1.Event) string {
	count := event.DeprecatedCount
	if event.Series != nil {
		count = event.Series.Count
	}
	if count < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d times)", count)
}

// tell merges what is recorded with Events, leaves out what is said twice, and what is outside the time of the chart.
func (b *builder) tell(row *drawnRow) []Entry {
	recorded := row.Story
	events := b.events[row.Node]
	for _, r := range row.reboots {
		events = append(slices.Clip(events), b.events[rebootKey(r.Name)]...)
	}
	story := slices.Clone(recorded)
	for _, event := range events {
		if !slices.ContainsFunc(recorded, func(e Entry) bool { return saysTheSame(&e, &event) }) {
			story = append(story, event)
		}
	}
	story = slices.DeleteFunc(story, func(e Entry) bool { return !overlaps(e.Time, e.Time, b.From, latest(b.To, b.Now)) })
	slices.SortStableFunc(story, func(x, y Entry) int {
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Reboot, y.Reboot))
	})
	return story
}

// drains are when the drains of NodeReboots began of which there is an Event, by name.
func drains(events map[string][]Entry) map[string][]time.Time {
	found := map[string][]time.Time{}
	for _, entries := range events {
		for i := range entries {
			if e := &entries[i]; e.reason == v1alpha1.ReasonDraining {
				found[e.Reboot] = append(found[e.Reboot], e.Time)
			}
		}
	}
	for _, times := range found {
		slices.SortFunc(times, time.Time.Compare)
	}
	return found
}

// saysTheSame says that an entry has what an Event says.
func saysTheSame(entry, event *Entry) bool {
	apart := entry.Time.Sub(event.Time)
	return entry.Reboot == event.Reboot && entry.reason != "" && entry.reason == event.reason && apart.Abs() <= sameMoment
}
