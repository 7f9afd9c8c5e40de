package rebooter

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzRequest: whatever arrives on the socket, the host is rebooted only by one whole line that says so for the boot that runs, in time.
// What was understood can be sent on as the same request.
func FuzzRequest(f *testing.F) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, seed := range []string{
		`{"protocol":2,"action":"Reboot","bootID":"boot-a","deadline":"2030-01-01T00:10:00Z","method":"Logind","via":"Kexec"}` + "\n",
		`{"protocol":2,"action":"Reboot","bootID":"boot-a","deadline":"2029-12-31T23:59:59Z"}` + "\n",
		`{"protocol":2,"action":"Ping"}` + "\n", `{"protocol":1,"action":"Reboot"}` + "\n", `{"protocol":2,"action":"Reboot"`, "\n", "null\n",
		`{"protocol":2,"PROTOCOL":3,"action":"Watch","action":"Reboot","bootID":"boot-b"}` + "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		machine := &fakeMachine{}
		server := &Server{Machine: machine, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}
		var request Request
		if err := decode(newLines(bytes.NewReader(data)), &request); err != nil {
			var version *versionError
			if !errors.Is(err, errMalformed) && !errors.As(err, &version) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%q: the error %v has no answer", data, err)
			}
			return
		}
		answer := server.answer(t.Context(), &request)
		meant := request.Action == ActionReboot && request.BootID == runningBoot && request.Deadline.After(now) &&
			request.Protocol == ProtocolVersion && bytes.IndexByte(data, '\n') >= 0
		if rebooted := len(machine.told()) > 0; rebooted != meant {
			t.Fatalf("%q: rebooted %t, answer %+v", data, rebooted, answer)
		}
		line, err := encode(&request)
		if err != nil {
			return // Text may be longer in JSON than it arrived.
		}
		var again Request
		if err := decode(newLines(bytes.NewReader(line)), &again); err != nil || !sameRequest(again, request) {
			t.Fatalf("%q: %+v became %+v (%v)", data, request, again, err)
		}
	})
}

// sameRequest compares deadlines as instants.
func sameRequest(a, b Request) bool {
	if !a.Deadline.Equal(b.Deadline) {
		return false
	}
	a.Deadline = b.Deadline
	return a == b
}

// FuzzResponse: whatever a rebooter answers, the helper reads a whole answer of this version or says why not.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		`{"protocol":2,"result":"Accepted","via":"Kexec"}` + "\n", `{"result":"Refused","message":"version 1"}` + "\n",
		`{"protocol":2,"result":"Accepted","facts":{"sentinel":"Required","methods":[{"name":"Logind","obstacle":"x"}],"notices":["a"]}}` + "\n",
		`{"protocol":2,"result":"Accepted","facts":null}` + "\n", `{"protocol":2,"facts":{"sentinel":7}}` + "\n", `[]` + "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var response Response
		if err := decode(newLines(bytes.NewReader(data)), &response); err != nil {
			if !reflect.DeepEqual(response, Response{}) && !errors.Is(err, errMalformed) {
				t.Fatalf("%q: %+v was read in spite of %v", data, response, err)
			}
			return
		}
		if response.Protocol != ProtocolVersion {
			t.Fatalf("%q: version %d was read", data, response.Protocol)
		}
	})
}

// FuzzTruncate: a text that was cut is short, valid, in one line, and the beginning of what it was.
func FuzzTruncate(f *testing.F) {
	f.Add("a\nb\u2028c", 5)
	f.Add("\xff\xfe", 3)
	f.Add("äöü", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 3 {
			return
		}
		got := Truncate(text, limit)
		if len(got) > limit || !utf8.ValidString(got) || bytes.ContainsAny([]byte(got), "\n\r\x00\u2028\u2029") {
			t.Fatalf("%q cut to %d bytes is %q", text, limit, got)
		}
		if again := Truncate(got, limit); again != got {
			t.Fatalf("%q cut again is %q", got, again)
		}
	})
}
