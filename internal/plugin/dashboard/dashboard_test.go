package dashboard

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/test/await"
)

func TestACommandLineThatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an address that others reach": {[]string{"--address=0.0.0.0"}, "it can be 127.0.0.1 or ::1"},
		"a name":                       {[]string{"--address=localhost"}, "it can be 127.0.0.1 or ::1"},
		"a port":                       {[]string{"--port=70000"}, "write 1 to 65535"},
		"no time":                      {[]string{"--since=0s"}, "write 1m to 8784h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := command(plugintest.New(t, 0).App, parts{clock: clock.RealClock{}})
			command.SetArgs(c.args)
			command.SilenceErrors, command.SilenceUsage = true, true
			err := command.Execute()
			var usage app.UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

var code = regexp.MustCompile(`#code=(\S+)$`)

func TestTheBrowserIsStartedWithACodeAndTheAddressIsPrinted(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0)
	opened := make(chan string, 1)
	forecasts := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	command := command(terminal.App, parts{
		clock: clock.RealClock{},
		open:  func(_ context.Context, address string) error { opened <- address; return nil },
		forecast: func(context.Context, client.Reader, time.Time) (*forecast.Forecast, error) {
			signal(forecasts)
			return nil, errors.New("no pods may be read")
		},
	})
	command.SetArgs(nil)
	done := make(chan error, 1)
	go func() { done <- command.ExecuteContext(ctx) }()
	address := await.Receive(t, "a browser is started", opened)
	await.Receive(t, "a forecast is asked for", forecasts)
	cancel()
	if err := await.Receive(t, "the command ends", done); err != nil {
		t.Error(err)
	}
	printed := regexp.MustCompile(`http://127\.0\.0\.1:\d+/#token=(\S+)`).FindStringSubmatch(terminal.Out.String())
	found := code.FindStringSubmatch(address)
	if printed == nil || found == nil || printed[1] == found[1] || strings.Contains(address, printed[1]) {
		t.Errorf("printed %q, and opened %q", terminal.Out.String(), address)
	}
}

func TestWithoutABrowserTheAddressIsEnough(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	command := command(terminal.App, parts{clock: clock.RealClock{}, open: func(context.Context, string) error {
		once.Do(cancel)
		return errors.New("xdg-open is not there")
	}})
	command.SetArgs([]string{"--address=::1"})
	err := command.ExecuteContext(ctx)
	if err != nil && strings.Contains(err.Error(), "cannot assign requested address") {
		t.Skip("this machine has no IPv6")
	}
	out, errOut := terminal.Out.String(), terminal.Err.String()
	if err != nil || !strings.Contains(errOut, "xdg-open is not there") || !strings.Contains(out, "http://[::1]:") {
		t.Errorf("got %v, %q and %q", err, out, errOut)
	}
}

func TestEachSystemHasItsOwnWayToOpenAnAddress(t *testing.T) {
	t.Parallel()
	for system, want := range map[string]string{"linux": "xdg-open", "darwin": "open", "windows": "rundll32"} {
		if got, _ := browser(system); got != want {
			t.Errorf("on %s it is %s", system, got)
		}
	}
}

func TestTooManyPagesAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, clock.RealClock{})
	for range maxStreams {
		s.streams <- struct{}{}
	}
	if got := s.ask3(t, s.guard.token); got != http.StatusServiceUnavailable {
		t.Errorf("the answer is %d", got)
	}
}
