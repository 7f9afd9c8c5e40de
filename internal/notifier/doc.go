// Package notifier tells the receivers of policies what package notify finds to be due. It works beside the passes of the manager: a pass
// hands over what it has read and goes on at once. Each receiver gets one message at a time, and for each event there is one message at
// most that waits for it, so a receiver that hangs takes up no more than that.
//
// What a URL or an answer says is not said again: not in a message, a condition, a log or a metric.
package notifier
