// Package window says when the schedule of a RebootPolicy lets nodes start: whether it is open at an instant, until when, and when it
// opens next. It is pure: an answer depends on the schedule, on the instant and on the time zone database, and on nothing else.
//
// # Semantics
//
// A window opens at local times, and stays open for a duration of real time. So one that opens on Friday at 22:00 for four hours is open
// on Saturday at 01:00, and shut on Friday at 00:30. Windows add up: it is open while any of them is. A freeze beats them all.
//
// A window that opens at local time T opens at the first instant at which the clocks show T or later. That is the usual
// instant on usual days; where clocks are set forward over T it is the moment after the change; where they are set back and show T twice
// it is the first of the two, and the second opens nothing.
//
// Whatever is open is so from its opening on and up to its closing, which is not part of it.
package window
