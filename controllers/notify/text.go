package notify

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

const (
	// maxText bounds a message, in bytes: chat services cut or refuse longer ones.
	maxText = 1800
	// maxLine bounds what is said about one node, in bytes.
	maxLine = 300
)

// say is the title and the text of an event.
func (e *Event) say() (title, text string) {
	var lines []string
	title, lines = e.lines()
	title = fmt.Sprintf("RebootPolicy %s: %s", e.Policy, title)
	return shorten.Marked(oneLine(title), maxLine), shorten.Marked(strings.Join(lines, "\n"), maxText)
}

// End says that an event is over. The end of a rollout is always over.
func (e *Event) End() {
	if !e.Ended && e.Event != v1alpha1.EventRolloutFinished {
		e.Ended = true
		e.Title += " (already over)"
		e.Text = shorten.Marked(e.Text, maxText-len(endedLine)) + endedLine
	}
}

const endedLine = "\nThis is already over; the receiver could not be notified earlier."

func (e *Event) lines() (title string, lines []string) {
	nodes := model.Count(e.Count, "node")
	switch e.Event {
	case v1alpha1.EventRolloutStarted:
		return e.started()
	case v1alpha1.EventRolloutFinished:
		return e.finished()
	case v1alpha1.EventHalted:
		return "halted", append([]string{e.Message}, e.inBrief()...)
	case v1alpha1.EventNodeNotBack:
		return nodes + " did not come back", append(e.named(), e.inBrief()...)
	case v1alpha1.EventDrainRefused:
		return fmt.Sprintf("%s cannot be drained, the first since %s", nodes, at(e.Since)), e.named()
	case v1alpha1.EventGateFailing:
		return fmt.Sprintf("%s held up since %s (%s)", nodes, at(e.Since), e.Reason), []string{e.Message}
	case v1alpha1.EventOverdue:
		return fmt.Sprintf("%s overdue, the first has needed a reboot since %s", nodes, at(e.Since)), e.named()
	case v1alpha1.EventWindowMissed:
		lines := e.named()
		if e.Window != nil && !e.Window.Opens.IsZero() {
			lines = append(lines, fmt.Sprintf("The next window opens at %s.", at(e.Window.Opens)))
		}
		return fmt.Sprintf("the window closed at %s, and %s still %s a reboot", at(e.Since), nodes, model.Form(e.Count, "needs", "need")), lines
	case v1alpha1.EventApprovalNeeded:
		return nodes + " " + model.Form(e.Count, "waits", "wait") + " for approval", e.named()
	}
	return string(e.Event), e.named()
}

func (e *Event) finished() (title string, lines []string) {
	r := e.Rollout
	title = fmt.Sprintf("rollout finished, %s rebooted in %s", model.Count(r.Rebooted, "node"), r.Duration)
	if r.Remaining > 0 {
		title += fmt.Sprintf(", %d remaining", r.Remaining)
	}
	lines = []string{fmt.Sprintf("From %s to %s.", at(r.Started), at(r.Finished))}
	if r.Slowest != nil && r.Rebooted > 1 {
		took := duration.HumanDuration(time.Duration(r.Slowest.Seconds) * time.Second)
		lines = append(lines, fmt.Sprintf("Slowest: %s, %s.", r.Slowest.Name, took))
	}
	if r.Failed > 0 {
		lines = append(lines, fmt.Sprintf("%s %s given up.", model.Count(r.Failed, "node"), model.Form(r.Failed, "was", "were")))
	}
	if r.Refused > 0 {
		lines = append(lines, fmt.Sprintf("%s could not be drained: %s.", model.Count(r.Refused, "node"), names(r.RefusedNodes, r.Refused)))
	}
	if r.Remaining > 0 {
		lines = append(lines, fmt.Sprintf("%s still %s a reboot: %s.",
			model.Count(r.Remaining, "node"), model.Form(r.Remaining, "needs", "need"), r.waiting()))
	}
	return title, lines
}

func (r *Rollout) waiting() string {
	parts := make([]string, 0, len(r.Waiting))
	for _, w := range r.Waiting {
		parts = append(parts, fmt.Sprintf("%d %s", w.Nodes, w.Reason))
	}
	return strings.Join(parts, ", ")
}

func (e *Event) started() (title string, lines []string) {
	if e.progress {
		return "rollout under way", e.soFar()
	}
	return "rollout started", e.soFar()
}

// soFar reports the progress of the rollout.
func (e *Event) soFar() []string {
	r := e.Rollout
	return []string{fmt.Sprintf("Started at %s. So far: %d rebooted, %d under way, %d waiting.", at(r.Started), r.Rebooted, r.UnderWay,
		r.Remaining)}
}

// inBrief reports the progress of a rollout that is not the subject.
func (e *Event) inBrief() []string {
	if e.Rollout == nil || e.Rollout.State != StateUnderWay {
		return nil
	}
	return e.soFar()
}

// named has a line for each node that the event names.
func (e *Event) named() []string {
	lines := make([]string, 0, len(e.Nodes)+1)
	for _, n := range e.Nodes {
		line := n.Name
		if n.Reason != "" {
			line += ", " + n.Reason
		}
		if n.Message != "" {
			line += ": " + n.Message
		}
		lines = append(lines, shorten.Marked(oneLine(line), maxLine))
	}
	if more := e.Count - len(e.Nodes); more > 0 && len(e.Nodes) > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

func names(nodes []Node, count int) string {
	list := make([]string, 0, len(nodes))
	for _, n := range nodes {
		list = append(list, n.Name)
	}
	if more := count - len(nodes); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list, ", "), more)
	}
	return strings.Join(list, ", ")
}

func at(t time.Time) string { return t.Format("2006-01-02 15:04 -07:00") }

// oneLine takes out what would begin another line, also in the header of an email.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// callers are what chat services take for a call to everyone, or to someone, and for a link with another text.
var callers = regexp.MustCompile(`\B@(everyone|here|channel|all|room)\b|<([!@#]|https?:|mailto:)`)

// plain is a text from a node or of an object, which calls nobody: who can write it is not who may call everyone to a chat room.
func plain(text string) string {
	return callers.ReplaceAllStringFunc(text, func(caller string) string { return caller[:1] + " " + caller[1:] })
}
