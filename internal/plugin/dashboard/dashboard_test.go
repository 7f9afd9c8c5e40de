package dashboard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
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
		"a port below 0":               {[]string{"--port=-1"}, "write 1 to 65535"},
		"no time":                      {[]string{"--since=0s"}, "write 1m to 8784h"},
		"more than a year":             {[]string{"--since=8784h1s"}, "write 1m to 8784h"},
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

func TestTheBoundsOfTheCommandLineAreGood(t *testing.T) {
	t.Parallel()
	for _, o := range []options{
		{address: "127.0.0.1", port: 65535, since: time.Minute}, {address: "::1", port: 0, since: 8784 * time.Hour},
	} {
		if err := o.validate(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestWhatKeepsTheDashboardFromStartingIsAnError(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for name, c := range map[string]struct {
		change func(*app.App)
		args   []string
		want   string
	}{
		"no cluster": {func(a *app.App) {
			a.Connect = func() (client.WithWatch, error) { return nil, errors.New("no configuration") }
		}, nil, "no configuration"},
		"a port that is taken":             {nil, []string{"--port=" + port}, "choose another port with --port"},
		"an output that cannot be written": {func(a *app.App) { a.Out = broken{} }, nil, "the disk is full"},
		"an error that cannot be written":  {func(a *app.App) { a.ErrOut = broken{} }, nil, "the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terminal := plugintest.New(t, 0)
			if c.change != nil {
				c.change(terminal.App)
			}
			command := command(terminal.App, parts{clock: clock.RealClock{}, open: func(context.Context, string) error {
				return errors.New("no browser")
			}})
			command.SetArgs(c.args)
			command.SilenceErrors, command.SilenceUsage = true, true
			done := make(chan error, 1)
			go func() { done <- command.ExecuteContext(t.Context()) }()
			if err := await.Receive(t, "the command ends", done); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheCommandEndsWhenNothingReadsTheClusterAnymore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		terminal := plugintest.New(t, 0)
		asked, release := make(chan struct{}), make(chan struct{})
		c := interceptor.NewClient(terminal.Client, interceptor.Funcs{
			List: func(ctx context.Context, _ client.WithWatch, _ client.ObjectList, _ ...client.ListOption) error {
				asked <- struct{}{}
				<-ctx.Done()
				<-release
				return ctx.Err()
			},
		})
		terminal.Connect = func() (client.WithWatch, error) { return c, nil }
		ctx, cancel := context.WithCancel(t.Context())
		command := command(terminal.App, parts{clock: clock.RealClock{}})
		command.SetArgs([]string{"--no-browser"})
		done := make(chan error, 1)
		go func() { done <- command.ExecuteContext(ctx) }()
		for range 3 {
			<-asked
		}
		cancel()
		synctest.Wait()
		if len(done) > 0 {
			t.Error("it has ended")
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestNoBrowserIsOpenedIfThePersonSaysSo(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	command := command(terminal.App, parts{clock: clock.RealClock{}, open: func(context.Context, string) error {
		t.Error("a browser is opened")
		return nil
	}})
	command.SetArgs([]string{"--no-browser", "--port=0"})
	if err := command.ExecuteContext(ctx); err != nil {
		t.Error(err)
	}
	if out := terminal.Out.String(); !strings.Contains(out, "#token=") || terminal.Err.Len() > 0 {
		t.Errorf("it writes %q and %q", out, terminal.Err)
	}
}

func TestThePersonReadsTheNewAddressIfTheCodeWasUsedTwice(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0)
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8001}
	g := newGuard(address, clock.RealClock{})
	opened := ""
	p := parts{open: func(_ context.Context, address string) error { opened = address; return nil }}
	if err := announce(t.Context(), terminal.App, &options{}, p, g, address); err != nil {
		t.Fatal(err)
	}
	if terminal.Err.Len() > 0 {
		t.Errorf("before, it writes %q", terminal.Err)
	}
	for range 2 {
		g.redeem(code.FindStringSubmatch(opened)[1])
	}
	want := "All pages were signed out.\nThe dashboard is now at http://127.0.0.1:8001/#token=" + g.token + "\n"
	if got := terminal.Err.String(); !strings.HasSuffix(got, want) {
		t.Errorf("it writes %q", got)
	}
}

var code = regexp.MustCompile(`#code=(\S+)$`)

func TestTheBrowserIsStartedWithACodeAndTheAddressIsPrinted(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0, &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "a"},
	})
	opened := make(chan string, 1)
	forecasts := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	command := command(terminal.App, parts{
		clock: clock.RealClock{},
		open:  func(_ context.Context, address string) error { opened <- address; return nil },
		forecast: func(context.Context, client.Reader, string, time.Time) (*forecast.Forecast, []string, error) {
			signal(forecasts)
			return nil, nil, errors.New("no pods may be read")
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
