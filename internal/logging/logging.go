// Package logging is what the programs log, and the flags that say how, the same in each. It imports nothing but the standard library,
// because it is linked into every program.
package logging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say how a program logs. The zero value is the default: from Info on, in JSON, with times in RFC 3339.
type Options struct {
	level level
	text  bool
	times timeFormat
}

// level is one of slog. Below Info, each number is one more of verbosity, as in logr.
type level = slog.Level

// mostVerbose is as much as can be asked for.
const mostVerbose = 10

// timeFormat says how a time is written; nil is as slog does.
type timeFormat func(time.Time) slog.Value

var (
	levels = map[string]level{"debug": -1, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

	timeFormats = map[string]timeFormat{
		"rfc3339":     func(t time.Time) slog.Value { return slog.StringValue(t.Format(time.RFC3339)) },
		"rfc3339nano": func(t time.Time) slog.Value { return slog.StringValue(t.Format(time.RFC3339Nano)) },
		"unix":        func(t time.Time) slog.Value { return slog.Int64Value(t.Unix()) },
		"unixmilli":   func(t time.Time) slog.Value { return slog.Int64Value(t.UnixMilli()) },
	}
)

// AddFlags adds the flags, with a function such as that of flag.FlagSet or pflag.FlagSet that is called Func.
func (o *Options) AddFlags(add func(name, usage string, set func(string) error)) {
	add("log-level", "The lowest level to log: Debug, Info, Warn or Error, or a number from 1 to "+strconv.Itoa(mostVerbose)+
		", where a higher number logs more. The default is Info.", o.setLevel)
	add("log-format", "The format of logs: JSON or Text. The default is JSON.", o.setFormat)
	add("log-time-format", "The format of times in logs: RFC3339, RFC3339Nano, Unix (seconds) or UnixMilli. The default is RFC3339.",
		o.setTimeFormat)
}

func (o *Options) setLevel(value string) error {
	if named, ok := levels[strings.ToLower(value)]; ok {
		o.level = named
		return nil
	}
	number, err := strconv.Atoi(value)
	if err != nil || number < 1 || number > mostVerbose {
		return fmt.Errorf("write Debug, Info, Warn or Error, or a number from 1 to %d", mostVerbose)
	}
	o.level = level(-number)
	return nil
}

func (o *Options) setFormat(value string) error {
	switch strings.ToLower(value) {
	case "json":
		o.text = false
	case "text":
		o.text = true
	default:
		return errors.New("write JSON or Text")
	}
	return nil
}

func (o *Options) setTimeFormat(value string) error {
	format, ok := timeFormats[strings.ToLower(value)]
	if !ok {
		return errors.New("write RFC3339, RFC3339Nano, Unix or UnixMilli")
	}
	o.times = format
	return nil
}

// Handler returns what writes logs as the options say.
func (o *Options) Handler(output io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: o.level, ReplaceAttr: o.replace}
	if o.text {
		return slog.NewTextHandler(output, options)
	}
	return slog.NewJSONHandler(output, options)
}

// replace writes times as they are to be written, and levels by the names that the flag takes.
func (o *Options) replace(groups []string, attribute slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attribute
	}
	switch value := attribute.Value.Any().(type) {
	case time.Time:
		if attribute.Key == slog.TimeKey {
			format := o.times
			if format == nil {
				format = timeFormats["rfc3339"]
			}
			attribute.Value = format(value)
		}
	case slog.Level:
		if attribute.Key == slog.LevelKey && value < slog.LevelInfo {
			attribute.Value = slog.StringValue(slog.LevelDebug.String())
		}
	}
	return attribute
}

// QuietAfter returns a handler that takes what is canceled because the program ends for no error: libraries log each request that is cut
// off then, and the lead that is given up. It is logged as what is of interest to those who look for it, one level of verbosity below Info.
func QuietAfter(ends context.Context, handler slog.Handler) slog.Handler {
	return &quiet{handler, ends}
}

// quiet is what QuietAfter returns.
type quiet struct {
	slog.Handler
	ends context.Context //nolint:containedctx // whose end it asks for; nothing is done with it
}

// Handle implements slog.Handler.
func (q *quiet) Handle(ctx context.Context, record slog.Record) error {
	if record.Level > slog.LevelInfo && q.ends.Err() != nil && isCanceled(record) {
		if record.Level = levels["debug"]; !q.Enabled(ctx, record.Level) {
			return nil
		}
	}
	return q.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (q *quiet) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &quiet{q.Handler.WithAttrs(attributes), q.ends}
}

// WithGroup implements slog.Handler.
func (q *quiet) WithGroup(name string) slog.Handler { return &quiet{q.Handler.WithGroup(name), q.ends} }

// lostLead is what controller-runtime says of a lead that is given up because the manager ends. Whether it is logged before the process has
// ended is a matter of chance.
const lostLead = "leader election lost"

// isCanceled says that an error of the record is that something was canceled, or the lead given up.
func isCanceled(record slog.Record) bool {
	canceled := false
	record.Attrs(func(attribute slog.Attr) bool {
		err, is := attribute.Value.Any().(error)
		canceled = is && (onlyCanceled(err) || err.Error() == lostLead)
		return !canceled
	})
	return canceled
}

// onlyCanceled says that an error is a cancellation, and that all are of several that were joined.
func onlyCanceled(err error) bool {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return !slices.ContainsFunc(joined.Unwrap(), func(part error) bool { return !onlyCanceled(part) })
	}
	return errors.Is(err, context.Canceled)
}
