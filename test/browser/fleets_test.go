package browser

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// scroller scrolls.
//
//go:embed scroll.js
var scroller string

var update = flag.Bool("update", false, "write the screenshots of docs/images again")

// images are limited, because every clone of the repository has them.
const largest = 200_000

func TestThePageIsReadableInLightAndDarkAndOnEveryScreen(t *testing.T) {
	f := fleet{zones: []string{"eu-1a", "eu-1b", "eu-1c"}, perZone: 6, now: time.Now()}
	d := startDashboard(t, from(f.client(t), "production"))
	b := openTab(t, 1440, 960)
	b.do(chromedp.Navigate(d.address))
	b.wait("the page is live", `document.querySelector("#live").dataset.state === "live" && document.querySelectorAll(".row").length > 20`)
	b.wait("the forecast is there", `document.querySelector(".card").textContent.includes("Done about")`)
	if got := eval[string](b, "location.href"); got != "http://"+hostOf(d.address)+"/" {
		t.Errorf("the token stays in the address: %s", got)
	}
	// A person opens the address of the command in this tab, which already has the page: only the fragment changes.
	_, fragment, _ := strings.Cut(d.address, "#")
	eval[bool](b, `(document.body.dataset.old = "yes", setTimeout(() => { location.hash = `+quote(fragment)+`; }, 200), true)`)
	await.True(t, "the page begins again, without the token in its address", func() bool {
		again, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`!document.body.dataset.old && location.hash === "" && `+
			`document.querySelectorAll(".row").length > 20 && document.querySelector(".card").textContent.includes("Done about")`))
		return err == nil && again
	})
	for _, scheme := range []string{"light", "dark"} {
		b.prefers(scheme)
		b.press(escape)
		b.accessible(scheme)
		eval[bool](b, `[...document.querySelectorAll(".queue button")].find((e) => e.classList.contains("warn")).click() || true`)
		b.wait("the panel explains the node", `document.querySelector("#panel:not([hidden]) .command") !== null`)
		b.accessible(scheme + ", with a node")
		t.Logf("the least contrast in %s is %s", scheme, eval[string](b, "document.documentElement.dataset.least"))
		b.screenshot("dashboard-" + scheme + ".png")
	}
	b.press(escape)
	for _, size := range [][2]int64{{360, 740}, {768, 1024}, {2560, 1300}} {
		b.do(chromedp.EmulateViewport(size[0], size[1]))
		b.wait("the page fits", fmt.Sprintf(
			"innerWidth === %d && document.querySelector('#bars').getBoundingClientRect().right <= innerWidth + 1", size[0]))
		if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > int(size[0]) {
			t.Errorf("at %d pixels, the page is %d wide", size[0], wide)
		}
		b.accessible(fmt.Sprintf("%d pixels", size[0]))
		b.keep(fmt.Sprintf("width-%d.png", size[0]))
	}
	b.quiet(true)
}

// screenshot writes an image of the docs, if that is asked for.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	taken := b.keep(name)
	if !*update {
		return
	}
	decoded, err := png.Decode(bytes.NewReader(taken))
	check(b.t, err)
	var small bytes.Buffer
	check(b.t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, decoded))
	if small.Len() > largest {
		b.t.Errorf("%s has %d bytes: at most %d", name, small.Len(), largest)
		return
	}
	folder := filepath.Join("..", "..", "docs", "images")
	check(b.t, os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, name), small.Bytes(), 0o644))
}

// keep writes an image to the folder that SCREENSHOTS names, for people to look at.
func (b *tab) keep(name string) []byte {
	b.t.Helper()
	image, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	check(b.t, err)
	if folder := os.Getenv("SCREENSHOTS"); folder != "" {
		check(b.t, os.WriteFile(filepath.Join(folder, name), image, 0o644))
	}
	return image
}

func TestAThousandNodesAreSmooth(t *testing.T) {
	f := fleet{zones: []string{"a", "b", "c", "d"}, perZone: 250, now: time.Now()}
	c := f.client(t)
	d := startDashboard(t, from(c, "large"))
	b := openTab(t, 1440, 900)
	var first []float64
	for range 3 {
		b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(d.address))
		b.wait("all nodes are there", `document.querySelector("#count").textContent === "1000 nodes"`)
		first = append(first, b.took())
	}
	if rows := eval[int](b, `document.querySelectorAll(".row").length`); rows > 80 {
		t.Errorf("%d rows are in the DOM: only those in sight have to be", rows)
	}
	waiting := f.waiting()
	var updates []float64
	for _, name := range waiting[:5] {
		before := eval[int](b, "Number(document.documentElement.dataset.seq)")
		var r v1alpha1.NodeReboot
		check(t, c.Get(b.ctx, client.ObjectKey{Name: name}, &r))
		r.Status.Phase, r.Status.Reason = v1alpha1.PhaseDraining, v1alpha1.ReasonDraining
		r.Status.Attempt = &v1alpha1.Attempt{Number: 1, PolicyName: policy, GrantedTime: *micro(f.now), DrainOrderedTime: micro(f.now)}
		check(t, c.Status().Update(b.ctx, &r))
		b.wait("the change is there", fmt.Sprintf("Number(document.documentElement.dataset.seq) > %d", before))
		updates = append(updates, b.took())
	}
	scroll := eval[[]float64](b, scroller)
	fmt.Printf("1,000 nodes: the first document takes %.1f to %.1f ms, one of %d updates %.1f to %.1f ms, one of %d steps of scrolling "+
		"%.1f to %.1f ms\n", slices.Min(first), slices.Max(first), len(updates), slices.Min(updates), slices.Max(updates),
		len(scroll), slices.Min(scroll), slices.Max(scroll))
	// What is measured is the least of several, and it may be ten times the target: the machine may be busy with other work.
	const busy, document, update, step = 10, 250, 50, 16
	if slices.Min(first) > busy*document || slices.Min(updates) > busy*update || slices.Min(scroll) > busy*step {
		t.Errorf("that is too slow: a document may take %d ms, an update %d ms, and a step of scrolling %d ms, and ten times as long on a "+
			"busy machine", document, update, step)
	}
	b.quiet(true)
}

// took is how many milliseconds the page needed for the last document.
func (b *tab) took() float64 {
	b.t.Helper()
	took, err := strconv.ParseFloat(eval[string](b, "document.documentElement.dataset.updateMilliseconds"), 64)
	check(b.t, err)
	return took
}

func (f fleet) waiting() []string {
	var names []string
	for _, object := range f.objects() {
		if r, is := object.(*v1alpha1.NodeReboot); is && r.Status.Phase == v1alpha1.PhasePending {
			names = append(names, r.Name)
		}
	}
	return names
}

func hostOf(address string) string {
	var host string
	_, _ = fmt.Sscanf(address, "http://%s", &host)
	for i, c := range host {
		if c == '/' {
			return host[:i]
		}
	}
	return host
}
