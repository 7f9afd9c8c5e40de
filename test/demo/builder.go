package demo

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-logr/logr"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// buildControlPlane says what is built and how far it is, for the first time takes minutes. Later on it returns at once.
func buildControlPlane(ctx context.Context, v *view) error {
	_, err := testbed.Assets(ctx, logr.New(sayer{v}))
	return err
}

// sayer says each log message as a sentence.
type sayer struct{ view *view }

func (s sayer) Init(logr.RuntimeInfo)                 {}
func (s sayer) Enabled(level int) bool                { return level == 0 }
func (s sayer) WithValues(...any) logr.LogSink        { return s }
func (s sayer) WithName(string) logr.LogSink          { return s }
func (s sayer) Error(err error, msg string, _ ...any) { s.view.say("%s: %v", msg, err) }

func (s sayer) Info(_ int, msg string, keysAndValues ...any) {
	var details []string
	for i := 1; i < len(keysAndValues); i += 2 {
		details = append(details, fmt.Sprint(keysAndValues[i]))
	}
	if len(details) > 0 {
		msg += ": " + strings.Join(details, ", ")
	}
	s.view.say("%s%s", strings.ToUpper(msg[:1]), msg[1:])
}
