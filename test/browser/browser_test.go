// Package browser tries the dashboard in Chromium. It is a module of its own, so that what drives a browser is not in the go.mod of the
// operator.
package browser

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// limit is how long anything may take that happens without the test. It is not a measure of speed.
const limit = await.Limit

// The command says nothing in a log; see cmd/kubectl-reboots.
func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// tab is a page in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu sync.Mutex
	// said are the errors and warnings of the console.
	said []string
}

// openTab starts a browser. Without one, the test is skipped.
func openTab(t *testing.T, width, height int) *tab {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.WindowSize(width, height), chromedp.Flag("force-device-scale-factor", "1"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank"), chromedp.EmulateViewport(int64(width), int64(height))); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			t.Skipf("Chromium is not there; install the package chromium: %v", err)
		}
		t.Fatalf("Chromium cannot be started: %v", err)
	}
	go b.listen(chromedp.Console(ctx))
	return b
}

func (b *tab) listen(messages func(func(chromedp.ConsoleMessage, error) bool)) {
	for message, err := range messages {
		if err != nil {
			return
		}
		if message.Type == chromedp.ConsoleError || message.Type == chromedp.ConsoleWarning || message.IsException() {
			b.mu.Lock()
			b.said = append(b.said, message.Source+" "+message.String())
			b.mu.Unlock()
		}
	}
}

// quiet fails if the console has an error. Those of the network are left out where the server was to be gone.
func (b *tab) quiet(network bool) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, said := range b.said {
		if network || !strings.HasPrefix(said, "network ") {
			b.t.Errorf("the console says: %s", said)
		}
	}
}

// do runs steps.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// eval evaluates an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// wait waits until an expression is true. It looks after each frame.
func (b *tab) wait(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	script := "new Promise((done) => { const look = () => { if (" + expression + ") done(true); " +
		"else requestAnimationFrame(look); }; look(); })"
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise)); err != nil {
		b.t.Fatalf("%s: %v\nthe page shows: %s", what, err, eval[string](b, "document.body.innerText.slice(0, 3000)"))
	}
}

// press presses keys.
func (b *tab) press(keys string, modifiers ...chromedp.Modifier) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}

// prefers sets what the person prefers.
func (b *tab) prefers(scheme string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}, // Colors change at once.
			},
		})
		return err
	}))
	b.wait("the page follows the system to "+scheme, `document.documentElement.dataset.theme === "`+scheme+`"`)
}

// keys that have names.
var (
	enter  = kb.Enter
	escape = kb.Escape
	down   = kb.ArrowDown
	up     = kb.ArrowUp
	left   = kb.ArrowLeft
)

// accessible reports what keeps people from using the page: parts without a name, names that are used twice, and text that is hard to read.
func (b *tab) accessible(where string) {
	b.t.Helper()
	for _, finding := range eval[[]string](b, "("+strings.TrimSpace(findings)+")()") {
		b.t.Errorf("%s: %s", where, finding)
	}
}

// findings looks at everything that is visible.
//
//go:embed findings.js
var findings string

// dashboard is the command, as it runs.
type dashboard struct {
	address string
	stop    func()
}

var printed = regexp.MustCompile(`http://\S+#token=\S+`)

// startDashboard runs the command line, and returns when it has printed its address.
func startDashboard(t *testing.T, change func(*app.App), args ...string) *dashboard {
	t.Helper()
	out := &output{wrote: make(chan struct{}, 1)}
	a := app.New(genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: out})
	a.Size = func() (int, int) { return 0, 0 }
	change(a)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- plugin.Run(ctx, a, append([]string{"dashboard", "--no-browser"}, args...)) }()
	d := &dashboard{}
	d.stop = sync.OnceFunc(func() {
		cancel()
		if code := receive(t, "the dashboard ends", ended); code != app.ExitOK {
			t.Errorf("the dashboard ended with %d: %s", code, out.text())
		}
	})
	t.Cleanup(d.stop)
	for d.address == "" {
		select {
		case <-out.wrote:
			d.address = printed.FindString(out.text())
		case code := <-ended:
			ended <- code
			t.Fatalf("the dashboard ended with %d before it printed its address: %s", code, out.text())
		case <-time.After(limit):
			t.Fatalf("the dashboard printed no address within %s: %s", limit, out.text())
		}
	}
	return d
}

// from is an App that reads from a client.
func from(c client.WithWatch, name string) func(*app.App) {
	return func(a *app.App) {
		a.Connect = func() (client.WithWatch, error) { return c, nil }
		a.Config.Context = &name
	}
}

// output is what a command wrote.
type output struct {
	mu    sync.Mutex
	bytes bytes.Buffer
	wrote chan struct{}
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	return o.bytes.Write(text)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.String()
}

func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	var zero T
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case value := <-c:
		return value
	case <-timer.C:
		t.Errorf("not within %s: %s", limit, what)
		return zero
	}
}

// check fails the test with an error.
func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// quote writes a text as JavaScript.
func quote(text string) string {
	encoded, _ := json.Marshal(text)
	return string(encoded)
}
