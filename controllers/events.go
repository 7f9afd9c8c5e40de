package controllers

import (
	"fmt"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// emit emits events about an object.
func (e *executor) emit(about runtime.Object, events []model.Event) {
	for i := range events {
		e.record(about, nil, &events[i])
	}
}

// emitReboot emits events about a NodeReboot: each about the Node or about the NodeReboot. Those about the Node name the NodeReboot,
// because kubectl describe shows what an event is about, and not what it is related to.
func (e *executor) emitReboot(reboot *v1alpha1.NodeReboot, node *corev1.Node, events []model.Event) {
	for i := range events {
		event := events[i]
		switch {
		case node == nil:
			e.record(reboot, nil, &event)
		case event.OnNode:
			event.Message = fmt.Sprintf("NodeReboot %s: %s", reboot.Name, event.Message)
			e.record(node, reboot, &event)
		default:
			e.record(reboot, node, &event)
		}
	}
}

// record sends an event. The action is the reason: both say what happened, and the API requires both.
func (e *executor) record(about, related runtime.Object, event *model.Event) {
	kind := corev1.EventTypeNormal
	if event.Warning {
		kind = corev1.EventTypeWarning
	}
	e.recorder.Eventf(about, related, kind, event.Reason, event.Reason, "%s", model.Bounded(event.Message))
}

// logTransitions logs one line for each step of a reboot that a status write made.
func logTransitions(log logr.Logger, reboot *v1alpha1.NodeReboot, before, after *v1alpha1.NodeRebootStatus) {
	log = log.WithValues("nodeReboot", reboot.Name, "node", reboot.Spec.NodeName, "policy", after.PolicyName)
	for _, t := range transitions(before, after) {
		log.Info(t.what, "reason", t.reason, "message", t.message)
	}
}

// transition is a step of a reboot.
type transition struct {
	what, reason, message string
}

// transitions are the steps between two statuses of a NodeReboot, in the order in which they happen.
func transitions(before, after *v1alpha1.NodeRebootStatus) []transition {
	var steps []transition
	add := func(happened bool, what, reason, message string) {
		if happened {
			steps = append(steps, transition{what, reason, message})
		}
	}
	old, attempt := attempts(before, after)
	switch {
	case attempt == nil:
	case old.Number == 0 && unused(attempt):
		add(true, "grant not used", attempt.Result, after.Message)
	default:
		add(old.Number == 0, "attempt started", after.Reason, after.Message)
		add(began(old.DrainOrderedTime, attempt.DrainOrderedTime), "drain ordered", after.Reason, after.Message)
		add(began(old.StuckTime, attempt.StuckTime), "drain is stuck", after.Reason, after.Message)
		add(began(old.DrainedTime, attempt.DrainedTime), "node drained", after.Reason, after.Message)
		add(began(old.RebootOrderedTime, attempt.RebootOrderedTime), "reboot ordered", after.Reason, after.Message)
		add(began(old.NodeGoneTime, attempt.NodeGoneTime), "node is gone", after.Reason, after.Message)
		add(began(old.BackTime, attempt.BackTime), "node is back", after.Reason, after.Message)
		add(began(old.UncordonedTime, attempt.UncordonedTime), "node is healthy", after.Reason, after.Message)
		add(began(old.RolledBackTime, attempt.RolledBackTime), "attempt rolled back", attempt.Result, attempt.Message)
		add(began(old.StalledTime, attempt.StalledTime), "attempt stalled", attempt.Result, attempt.Message)
		add(began(old.EndedTime, attempt.EndedTime), "attempt ended", attempt.Result, attempt.Message)
	}
	switch {
	case before.Outcome == after.Outcome:
	case after.Outcome == v1alpha1.OutcomeSucceeded:
		add(true, "reboot succeeded", after.OutcomeReason, after.OutcomeMessage)
	case after.Outcome == v1alpha1.OutcomeFailed:
		add(true, "reboot failed", after.OutcomeReason, after.OutcomeMessage)
	case after.Outcome == v1alpha1.OutcomeCancelled:
		add(true, "reboot cancelled", after.OutcomeReason, after.OutcomeMessage)
	}
	return steps
}
