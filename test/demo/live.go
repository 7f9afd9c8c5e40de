package demo

import (
	"context"
	"os"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/live"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// forecastEvery is how often the live view looks ahead: a rollout of the demo takes about a minute.
const forecastEvery = 5 * time.Second

// screen is the plugin's live view, while it is on the terminal.
type screen struct {
	headings chan string
	cancel   context.CancelFunc
	// ended is closed when the view is off the terminal, and err is why; nil if someone quit it.
	ended chan struct{}
	err   error
}

// offerDashboard says how to see the same in a browser.
func (d *demo) offerDashboard() {
	d.view.say("To see it in a browser as well, type in another terminal:\n  go run ./cmd/kubectl-reboots --kubeconfig %s dashboard",
		d.cluster.Kubeconfig())
}

// showScreen puts the live view on the terminal. Who interrupts it interrupts the demo.
func showScreen(ctx context.Context, interrupt func(), options Options, cluster client.WithWatch) *screen {
	ctx, cancel := context.WithCancel(ctx)
	s := &screen{headings: make(chan string), cancel: cancel, ended: make(chan struct{})}
	a := app.New(genericiooptions.IOStreams{In: os.Stdin, Out: options.Out, ErrOut: os.Stderr})
	go func() {
		defer close(s.ended)
		s.err = live.Run(ctx, a, cluster, live.Options{
			Heading: s.headings, Interrupt: interrupt, Forecast: status.Forecast(testbed.Namespace), ForecastEvery: forecastEvery,
		})
	}()
	return s
}

// say shows a text on top of the screen. It says whether there is a screen.
func (s *screen) say(text string) bool {
	if s == nil {
		return false
	}
	select {
	case s.headings <- text:
		return true
	case <-s.ended:
		return false
	}
}

// showing says that the view is on the terminal.
func (s *screen) showing() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// stop takes the view off the terminal.
func (s *screen) stop() error {
	if s == nil {
		return nil
	}
	s.cancel()
	<-s.ended
	return s.err
}
