package rig

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
	"github.com/reboot-operator/reboot-operator/test/chaos/record"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// quietFor is for how long nothing may be written in the end.
const quietFor = 1500 * time.Millisecond

// quietTries is how often that is tried before nobody believes that it will be quiet.
const quietTries = 20

// Trial is what happens from its start on, and is judged in the end.
type Trial struct {
	Rules judge.Rules

	rig      *Rig
	recorder *record.Recorder
	began    time.Time
	quiet    []judge.Span

	mu    sync.Mutex
	hosts []knownHost // in the order in which they joined
}

// knownHost is a host, and the boot that it ran when it joined.
type knownHost struct {
	*testbed.Host
	bootID string
}

// Begin begins to record.
func (r *Rig) Begin(ctx context.Context, rules judge.Rules, hosts ...*testbed.Host) (*Trial, error) {
	recorder, err := record.Start(ctx, r.EtcdURL(), r.Namespace(), r.Clock)
	if err != nil {
		return nil, err
	}
	trial := &Trial{Rules: rules, rig: r, recorder: recorder, began: r.Clock.Now()}
	if err := trial.Add(hosts...); err != nil {
		return nil, errors.Join(err, trial.Stop())
	}
	return trial, nil
}

// Recorder is what records.
func (t *Trial) Recorder() *record.Recorder { return t.recorder }

// Add adds a host: all that there are at first, and those that joined later, also in the place of one of the same name.
func (t *Trial) Add(hosts ...*testbed.Host) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, host := range hosts {
		bootID, err := host.BootID()
		if err != nil {
			return err
		}
		t.hosts = append(t.hosts, knownHost{host, bootID})
	}
	return nil
}

// Did notes what someone else than the operator wrote to a node, by the resource version of what was written.
func (t *Trial) Did(version string, kind judge.DeedKind, node, taint string) {
	number, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		number = t.recorder.Revision() // of a cluster without numbers there is nothing better
	}
	t.recorder.Did(judge.Deed{Moment: judge.Moment{Version: number}, Kind: kind, Node: node, Taint: taint})
}

// Stop ends the recording.
func (t *Trial) Stop() error { return t.recorder.Stop() }

// History is what was seen so far.
func (t *Trial) History() *judge.History {
	history := t.recorder.History()
	history.Quiet = t.quiet
	history.Hosts = map[string][]judge.HostEvent{}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, host := range t.hosts {
		events := history.Hosts[host.Name()]
		events = append(events, judge.HostEvent{Kind: judge.HostUp, BootID: host.bootID})
		for _, event := range host.Events() {
			if kind, known := hostEvents[event.Kind]; known && !event.At.Before(t.began) {
				events = append(events, judge.HostEvent{At: event.At, Kind: kind, BootID: event.BootID})
			}
		}
		if host.Removed() {
			events = append(events, judge.HostEvent{Kind: judge.HostRemoved})
		}
		history.Hosts[host.Name()] = events
	}
	return &history
}

var hostEvents = map[testbed.EventKind]judge.HostEventKind{
	testbed.EventSentinelSet: judge.HostRequired, testbed.EventSentinelCleared: judge.HostCleared,
	testbed.EventRebootAccepted: judge.HostAccepted, testbed.EventDown: judge.HostDown, testbed.EventUp: judge.HostUp,
}

// Settle waits until everything is done and nothing is left over, and then watches for a moment in which nothing may be written.
func (t *Trial) Settle(ctx context.Context) error {
	for {
		changed := t.recorder.Changed()
		left := judge.Left(t.History())
		if len(left) == 0 {
			break
		}
		select {
		case <-changed:
		case <-t.rig.Clock.After(time.Second): // hosts change without a revision
		case <-ctx.Done():
			return fmt.Errorf("not everything is done: %w; left is:\n%s", ctx.Err(), Lines(left))
		}
		select { // changes come in bursts
		case <-t.rig.Clock.After(pollInterval):
		case <-ctx.Done():
		}
	}
	return t.beQuiet(ctx)
}

// beQuiet waits for the last writes of the work that is done, and notes a time of silence. If there is none, something writes forever.
func (t *Trial) beQuiet(ctx context.Context) error {
	for range quietTries {
		from := t.recorder.Revision()
		select {
		case <-t.rig.Clock.After(quietFor):
		case <-ctx.Done():
			return ctx.Err()
		}
		span := judge.Span{From: from, To: t.recorder.Revision()}
		history := t.History()
		if t.quiet = []judge.Span{span}; history.Silent(span) {
			return nil
		}
	}
	return nil
}

// Verdict lists what was broken.
func (t *Trial) Verdict() []judge.Violation { return judge.Judge(t.History(), t.Rules) }

// Lines writes each violation on a line.
func Lines(violations []judge.Violation) string {
	lines := make([]string, len(violations))
	for i, violation := range violations {
		lines[i] = violation.String()
	}
	return strings.Join(lines, "\n")
}
