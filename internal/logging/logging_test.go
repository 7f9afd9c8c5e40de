package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
)

// at is when something is logged.
var at = time.Date(2026, 3, 1, 12, 0, 0, 5_000_000, time.UTC)

// parsed are the options of a command line.
func parsed(args ...string) (*Options, error) {
	o := &Options{}
	set := flag.NewFlagSet("program", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	o.AddFlags(set.Func)
	return o, set.Parse(args)
}

func TestALineIsWrittenAsTheFlagsSay(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"by default":        {nil, `{"time":"2026-03-01T12:00:00Z","level":"INFO","msg":"Began","node":"n1"}`},
		"for people":        {[]string{"--log-format=text"}, `time=2026-03-01T12:00:00Z level=INFO msg=Began node=n1`},
		"in JSON after all": {[]string{"--log-format=Text", "--log-format=JSON"}, `{"time":"2026-03-01T12:00:00Z","level":"INFO","msg":"Began","node":"n1"}`},
		"with fractions":    {[]string{"--log-time-format=RFC3339Nano"}, `{"time":"2026-03-01T12:00:00.005Z","level":"INFO","msg":"Began","node":"n1"}`},
		"in seconds":        {[]string{"--log-time-format=unix"}, `{"time":1772366400,"level":"INFO","msg":"Began","node":"n1"}`},
		"in milliseconds":   {[]string{"--log-time-format=UnixMilli"}, `{"time":1772366400005,"level":"INFO","msg":"Began","node":"n1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			options, err := parsed(test.args...)
			if err != nil {
				t.Fatal(err)
			}
			var output bytes.Buffer
			record := slog.NewRecord(at, slog.LevelInfo, "Began", 0)
			record.AddAttrs(slog.String("node", "n1"))
			if err := options.Handler(&output).Handle(t.Context(), record); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want+"\n", output.String()); diff != "" {
				t.Errorf("the line (-want +got):\n%s", diff)
			}
		})
	}
}

// logged are the messages that are logged.
func logged(o *Options) []string {
	var output bytes.Buffer
	log := logr.FromSlogHandler(o.Handler(&output))
	log.V(5).Info("V5")
	log.V(1).Info("V1")
	log.Info("V0")
	slog.New(o.Handler(&output)).Warn("warning")
	log.Error(nil, "error")
	var messages []string
	for line := range strings.Lines(output.String()) {
		parsed := map[string]any{}
		if err := json.Unmarshal([]byte(line), &parsed); err != nil {
			return []string{err.Error()}
		}
		messages = append(messages, parsed["level"].(string)+" "+parsed["msg"].(string))
	}
	return messages
}

func TestALevelIsOneOfLogr(t *testing.T) {
	for level, want := range map[string][]string{
		"":      {"INFO V0", "WARN warning", "ERROR error"},
		"info":  {"INFO V0", "WARN warning", "ERROR error"},
		"Debug": {"DEBUG V1", "INFO V0", "WARN warning", "ERROR error"},
		"5":     {"DEBUG V5", "DEBUG V1", "INFO V0", "WARN warning", "ERROR error"},
		"WARN":  {"WARN warning", "ERROR error"},
		"error": {"ERROR error"},
	} {
		var args []string
		if level != "" {
			args = []string{"--log-level=" + level}
		}
		options, err := parsed(args...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, logged(options)); diff != "" {
			t.Errorf("level %q (-want +got):\n%s", level, diff)
		}
	}
}

func TestWhatIsNoLevelOrFormatIsRefusedWithWhatToWrite(t *testing.T) {
	for arg, want := range map[string]string{
		"--log-level=trace":         "write Debug, Info, Warn or Error, or a number from 1 to 10",
		"--log-level=11":            "write Debug, Info, Warn or Error, or a number from 1 to 10",
		"--log-level=0":             "write Debug, Info, Warn or Error, or a number from 1 to 10",
		"--log-format=console":      "write JSON or Text",
		"--log-time-format=iso8601": "write RFC3339, RFC3339Nano, Unix or UnixMilli",
	} {
		if _, err := parsed(arg); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

// Libraries log what the end of the program cuts off.
func TestWhatIsCanceledByTheEndOfTheProgramIsNoError(t *testing.T) {
	cutOff := fmt.Errorf("list Nodes: %w", context.Canceled)
	for name, test := range map[string]struct {
		level string
		err   error
		ended bool
		want  string
	}{
		"a request that is cut off":              {err: cutOff, ended: true},
		"for those who look for it":              {level: "debug", err: cutOff, ended: true, want: "DEBUG It failed\n"},
		"a request that is canceled before":      {err: cutOff, want: "ERROR It failed\n"},
		"several that are cut off":               {err: fmt.Errorf("save: %w", errors.Join(cutOff, context.Canceled)), ended: true},
		"one that is cut off, and one refused":   {err: errors.Join(cutOff, errors.New("forbidden")), ended: true, want: "ERROR It failed\n"},
		"the lead that is given up":              {err: errors.New("leader election lost"), ended: true},
		"the lead that is lost before":           {err: errors.New("leader election lost"), want: "ERROR It failed\n"},
		"another error at the end":               {err: errors.New("no route to host"), ended: true, want: "ERROR It failed\n"},
		"an error that nobody can tell the kind": {ended: true, want: "ERROR It failed\n"},
	} {
		t.Run(name, func(t *testing.T) {
			ends, end := context.WithCancel(t.Context())
			defer end()
			var options Options
			if test.level != "" {
				if err := options.setLevel(test.level); err != nil {
					t.Fatal(err)
				}
			}
			var output bytes.Buffer
			log := logr.FromSlogHandler(QuietAfter(ends, options.Handler(&output))).WithName("client").WithValues("node", "n1")
			if test.ended {
				end()
			}
			log.Error(test.err, "It failed")
			got := ""
			for line := range strings.Lines(output.String()) {
				var parsed struct{ Level, Msg, Node string }
				if err := json.Unmarshal([]byte(line), &parsed); err != nil {
					t.Fatal(err)
				}
				if got += parsed.Level + " " + parsed.Msg + "\n"; parsed.Node != "n1" {
					t.Errorf("the values are lost: %s", line)
				}
			}
			if got != test.want {
				t.Errorf("logged %q, want %q", got, test.want)
			}
		})
	}
}
