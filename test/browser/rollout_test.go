package browser

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// bed is a cluster with six nodes in two zones, and an application whose budget allows no eviction.
func bed(t *testing.T) (*testbed.Cluster, []*testbed.Host) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	cluster, err := testbed.Start(ctx, testbed.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, cluster.Stop()) })
	check(t, cluster.Install(ctx))
	_, err = cluster.StartManager(ctx, testbed.ManagerOptions{})
	check(t, err)
	var hosts []*testbed.Host
	for i := range 6 {
		zone := string(rune('a' + i/3))
		host, err := cluster.AddNode(ctx, testbed.NodeOptions{
			Name: fmt.Sprintf("worker-%s%d", zone, i%3+1), Zone: zone, RebootDuration: 3 * time.Second,
		})
		check(t, err)
		hosts = append(hosts, host)
	}
	// Its pods are never ready, so its budget allows no eviction, and the two nodes on which they run cannot be drained.
	check(t, cluster.CreateApp(ctx, testbed.App{
		Name: "database", Namespace: "shop", Replicas: 2, AntiAffinity: true, MinAvailable: ptr.To(1), ReadyAfter: time.Hour,
	}))
	p := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: policy}}
	p.Spec.Nodes = v1alpha1.NodesAll
	p.Spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt32(3))
	p.Spec.Rollout.MinIntervalSeconds = ptr.To[int32](0)
	p.Spec.Rollout.Zones.Strategy = v1alpha1.ZonesAnyOrder
	p.Spec.Drain.TimeoutSeconds = ptr.To[int32](600)
	check(t, cluster.Client().Create(ctx, p))
	return cluster, hosts
}

// row is an expression for the row of a node, found by what is in it.
func row(node string) string {
	return `[...document.querySelectorAll(".row")].find((e) => e.dataset.key === ` + quote(node) + `)`
}

// TestARolloutIsSeenAsItHappens: one story, because a cluster takes time to start.
func TestARolloutIsSeenAsItHappens(t *testing.T) {
	cluster, hosts := bed(t)
	d := startDashboard(t, func(a *app.App) { *a.Config.KubeConfig = cluster.Kubeconfig() })
	b := openTab(t, 1280, 800)
	b.do(chromedp.Navigate(d.address))
	b.wait("all nodes are shown", `document.querySelector("#live").dataset.state === "live" && document.querySelectorAll(".row").length === 8`)
	eval[bool](b, recorder)

	for _, host := range hosts {
		host.RequireReboot()
	}
	stuck := b.barsMove()
	b.explains(stuck)
	b.keyboard(stuck)
	b.filters(stuck)
	b.quiet(true)
	b.outage(cluster)
	d.stop()
	b.wait("the page says that the command is gone", `document.querySelector("#live-text").textContent.includes("the command is gone")`)
	b.wait("the rows stay", `document.querySelectorAll(".row").length === 8`)
	b.quiet(false)
}

// recorder notes every state that a row shows, and how often the drawing changes.
//
//go:embed recorder.js
var recorder string

// barsMove waits until four nodes are proved, and returns one whose drain is stuck.
func (b *tab) barsMove() (stuck string) {
	b.t.Helper()
	b.wait("four nodes are proved, and two drains are stuck",
		`document.querySelectorAll(".row i[data-state=Proved]").length === 4 && document.querySelectorAll(".row.warn").length === 2`)
	stuck = eval[string](b, `document.querySelector(".row.warn").dataset.key`)
	for _, state := range []string{"Idle", "Waiting", "Draining", "Rebooting", "Proved"} {
		if nodes := eval[int](b, `Object.values(seen).filter((states) => states.has("`+state+`")).length`); nodes == 0 {
			b.t.Errorf("no row ever showed the state %s", state)
		}
	}
	if drawings := eval[int](b, "drawings.size"); drawings < 5 {
		b.t.Errorf("the drawing changed %d times", drawings)
	}
	if said := eval[string](b, `document.querySelector("#announce").textContent`); said == "" {
		b.t.Error("screen readers hear of no change")
	}
	return stuck
}

// explains opens the node whose drain is stuck.
func (b *tab) explains(node string) {
	b.t.Helper()
	eval[bool](b, row(node)+".click() || true")
	b.wait("the panel names the budget", `document.querySelector("#why") && document.querySelector("#why").textContent.includes("PodDisruptionBudget") && document.querySelector("#why").textContent.includes("database")`)
	b.wait("the panel says what to type, and what happened",
		`document.querySelectorAll("#panel .command button").length > 0 && document.querySelectorAll("#panel .story li").length > 1`)
	b.accessible("a stuck drain")
	b.keep("rollout.png")
}

// keyboard goes through the page without a mouse.
func (b *tab) keyboard(node string) {
	b.t.Helper()
	b.press(escape)
	b.wait("Escape closes the panel", `document.querySelector("#panel").hidden && !document.querySelector("#queue").hidden`)
	eval[bool](b, `document.querySelector("#grid").focus() || true`)
	active := func() string {
		return eval[string](b, `(document.getElementById(document.querySelector("#grid").getAttribute("aria-activedescendant")) || { dataset: {} }).dataset.key || ""`)
	}
	for range 12 {
		b.press(up)
	}
	first := active()
	b.press(down)
	second := active()
	if first != "zone:a" || second == first || second == "" {
		b.t.Errorf("the arrow goes from %q to %q", first, second)
	}
	b.press(enter)
	b.wait("Enter opens the node", `!document.querySelector("#panel").hidden && document.activeElement.id === "panel" && document.querySelector("#panel h2").textContent === `+quote(second))
	b.press(escape)
	b.wait("the focus is back", `document.activeElement.id === "grid"`)
	b.press(up)
	b.press(left)
	b.wait("the zone is closed", `document.querySelectorAll(".row").length === 5 && document.querySelector('.row.zone').getAttribute("aria-expanded") === "false"`)
	b.press(enter)
	b.wait("the zone is open", `document.querySelectorAll(".row").length === 8`)
	before := eval[string](b, `document.querySelector("#bars").toDataURL()`)
	b.press("+")
	b.wait("+ zooms", `document.querySelector("#bars").toDataURL() !== `+quote(before))
	b.press("0")
	b.press("?")
	b.wait("? shows the keys", `document.querySelector("#legend").open`)
	b.accessible("the keys")
	b.press(escape)
	b.wait("Escape closes them", `!document.querySelector("#legend").open`)
	_ = node
}

// filters by text, state and zone.
func (b *tab) filters(stuck string) {
	b.t.Helper()
	b.press("/")
	b.wait("/ goes to the filter", `document.activeElement.id === "text"`)
	// The protocol also sends the character of a key whose default the page prevented.
	eval[bool](b, `(document.querySelector("#text").value = "") || true`)
	b.press(stuck)
	b.wait("one node is left", `document.querySelectorAll(".row:not(.zone)").length === 1 && document.querySelector("#count").textContent === "1 node of 6"`)
	b.press("x")
	b.wait("none is left, and the page says so", `!document.querySelector("#empty").hidden`)
	b.press(escape)
	b.wait("all are back", `document.querySelectorAll(".row:not(.zone)").length === 6`)
	eval[bool](b, `document.querySelector('#states [data-state=Proved]').click() || true`)
	b.wait("the proved ones are left", `document.querySelectorAll(".row:not(.zone)").length === 4`)
	eval[bool](b, `document.querySelector('#states [data-state=Proved]').click() || true`)
	eval[bool](b, `(() => { const z = document.querySelector("#zone"); z.value = "b"; z.dispatchEvent(new Event("change")); return true; })()`)
	b.wait("one zone is left", `document.querySelectorAll(".row.zone").length === 1 && document.querySelectorAll(".row:not(.zone)").length === 3`)
	eval[bool](b, `(() => { const z = document.querySelector("#zone"); z.value = "*"; z.dispatchEvent(new Event("change")); return true; })()`)
}

// outage takes the API server away for a while.
func (b *tab) outage(cluster *testbed.Cluster) {
	b.t.Helper()
	check(b.t, cluster.KillAPIServer())
	b.wait("the page says that it is not live", `document.querySelector("#live").dataset.state === "stale" && document.querySelector("#live-text").textContent.startsWith("Not live since")`)
	b.wait("the rows stay", `document.querySelectorAll(".row").length === 8`)
	check(b.t, cluster.StartAPIServer(context.WithoutCancel(b.t.Context())))
	b.wait("the page is live again", `document.querySelector("#live").dataset.state === "live"`)
	b.wait("the rows are still there", `document.querySelectorAll(".row").length === 8`)
	if notes := eval[string](b, `document.body.innerText`); strings.Contains(notes, "You may not read") {
		b.t.Errorf("the page says after the outage:\n%s", notes)
	}
}
