// Package dashboard is the command "kubectl reboots dashboard": a page on this machine that shows live what happens to nodes, what is
// expected, and why. It reads with the permissions of the person, and changes nothing. The same page can be written as a file.
package dashboard

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

const about = `Serve a page that shows live what happens to nodes, what is expected, and why.

The page is served on this machine only, and reads with your permissions. It changes nothing. The address that is printed has a token in it:
anyone who has it can see what you see, so do not share it. Press Ctrl+C to end.

Exit codes:
  0  it ran until you ended it
  1  the cluster or the port could not be used
  2  the command line is wrong`

// options of the command.
type options struct {
	port      int
	address   string
	noBrowser bool
	since     time.Duration
}

// parts are what a dashboard takes from other packages, and what tests replace.
type parts struct {
	clock    clock.WithTicker
	open     func(ctx context.Context, address string) error
	forecast Forecast
}

// Command serves the page.
func Command(a *app.App) *cobra.Command {
	return command(a, parts{clock: clock.RealClock{}, open: openBrowser, forecast: expect})
}

func command(a *app.App, p parts) *cobra.Command {
	o := options{}
	c := &cobra.Command{
		Use: "dashboard", Short: "Show live in a browser what happens to the nodes", Long: about, Args: cobra.NoArgs,
		Example: `  # Open the page in the browser
  kubectl reboots dashboard

  # On a machine without a browser: print the address only, on a port that you forward
  kubectl reboots dashboard --no-browser --port=8001`,
		RunE: func(c *cobra.Command, _ []string) error { return run(c.Context(), a, &o, p) },
	}
	c.Flags().IntVar(&o.port, "port", 0, "Port to serve on; 0 chooses a free one")
	c.Flags().StringVar(&o.address, "address", "127.0.0.1", "Address to serve on: 127.0.0.1 or ::1")
	c.Flags().BoolVar(&o.noBrowser, "no-browser", false, "Only print the address; do not open a browser")
	c.Flags().DurationVar(&o.since, "since", 24*time.Hour, "How far back the page goes, such as 30m or 72h")
	return c
}

func (o *options) validate() error {
	switch {
	case o.address != "127.0.0.1" && o.address != "::1":
		return app.UsageError{Err: fmt.Errorf("the address is %s: it can be 127.0.0.1 or ::1, because the page is for you alone", o.address)}
	case o.port < 0 || o.port > 65535:
		return app.UsageError{Err: fmt.Errorf("the port is %d: write 1 to 65535, or 0 for a free one", o.port)}
	case o.since < time.Minute || o.since > 366*24*time.Hour:
		return app.UsageError{Err: fmt.Errorf("since is %s: write 1m to 8784h", o.since)}
	}
	return nil
}

func run(ctx context.Context, a *app.App, o *options, p parts) error {
	if err := o.validate(); err != nil {
		return err
	}
	c, err := a.Connect()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(o.address, strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("serve the page; choose another port with --port: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	f := newFeed(a, c, o.since, p)
	done := make(chan struct{})
	go func() { defer close(done); f.run(ctx) }()
	defer func() { cancel(); <-done }()

	g := newGuard(listener.Addr(), p.clock)
	if err := announce(ctx, a, o, p, g, listener.Addr()); err != nil {
		return err
	}
	return newServer(g, f, newPage()).serve(ctx, listener)
}

// announce prints the address, and opens the browser.
func announce(ctx context.Context, a *app.App, o *options, p parts, g *guard, address net.Addr) error {
	base := "http://" + address.String() + "/#"
	g.exposed = func(token string) {
		_, _ = fmt.Fprintf(a.ErrOut, "The code for the browser was used twice: someone else on this machine may have seen the dashboard. "+
			"All pages were signed out.\nThe dashboard is now at %stoken=%s\n", base, token)
	}
	_, err := fmt.Fprintf(a.Out, "The dashboard is at %stoken=%s\n"+
		"The address lets others on this machine see what you see: keep it to yourself. Press Ctrl+C to end.\n", base, g.token)
	if err != nil || o.noBrowser {
		return err
	}
	if failed := p.open(ctx, base+"code="+g.once()); failed != nil {
		_, err = fmt.Fprintf(a.ErrOut, "No browser could be opened (%v). Open the address above yourself.\n", failed)
	}
	return err
}
