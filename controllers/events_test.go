package controllers

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// The API server refuses an event whose note has more than 1,024 bytes, and half a character becomes a whole one of three bytes.
func TestTheNoteOfAnEventIsCutToWholeCharacters(t *testing.T) {
	const most = 1024
	w := newWorld(t, newNode("a"), newReboot("ra", "a"))
	executor, recorder := newExecutor(w)
	node, reboot := w.node(t, "a"), w.reboot(t, "ra")
	for _, onNode := range []bool{false, true} {
		for _, length := range []int{most - 1, most, most + 1, 5 * most} {
			message := strings.Repeat("x", length-2) + "é"
			executor.emitReboot(reboot, node, []model.Event{{Reason: "Halted", Message: message, OnNode: onNode}})
			note := strings.TrimPrefix(emitted(recorder)[0], "Normal Halted ")
			whole := !onNode && len(message) <= most
			if !utf8.ValidString(note) || len(note) > most || whole != (note == message) || !whole && !strings.HasSuffix(note, "x...") {
				t.Errorf("%d bytes, on the Node: %t: the note has %d bytes and ends with %q", len(message), onNode, len(note), note[len(note)-5:])
			}
		}
	}
}
