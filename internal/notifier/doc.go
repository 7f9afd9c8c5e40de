// Package notifier notifies the receivers of policies of what package notify finds due. It works alongside the passes of the manager: a
// pass hands over what it has read and continues at once. Each receiver gets one message at a time, and at most one message per event waits
// for it, so a receiver that hangs takes up no more than that.
//
// What a URL or an answer says is not said again: not in a message, a condition, a log or a metric.
package notifier
