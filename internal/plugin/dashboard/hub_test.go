package dashboard

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// inputOf is a page about nodes whose NodeReboots are in the given phases.
func inputOf(phases map[string]v1alpha1.Phase) *Input {
	fleet := &app.Fleet{}
	for node, phase := range phases {
		fleet.Nodes = append(fleet.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}})
		if phase == "" {
			continue
		}
		since := metav1.NewMicroTime(noon.Add(-time.Minute))
		r := v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: v1alpha1.NodeRebootSpec{NodeName: node}}
		r.Status.Phase, r.Status.RequiredSince = phase, &since
		fleet.Reboots = append(fleet.Reboots, r)
	}
	in := &Input{Cluster: "test", Fleet: fleet, Zone: time.UTC}
	in.Chart = MakeChart(fleet, nil, noon.Add(-time.Hour), noon, time.UTC)
	return in
}

type received struct {
	Full   bool
	Stream string
	From   int64
	Seq    *uint64
	Server *Server
	Zones  []string
	Notes  []string
	Rows   []Row
	Gone   []string
}

func (r *received) nodes() []string {
	var names []string
	for i := range r.Rows {
		names = append(names, r.Rows[i].Node)
	}
	slices.Sort(names)
	return names
}

func take(t *testing.T, h *hub, last string) (got received, id string) {
	t.Helper()
	message, id, _ := h.since(last)
	if message == nil {
		return got, id
	}
	if err := json.Unmarshal(message, &got); err != nil {
		t.Fatal(err)
	}
	return got, id
}

func publish(t *testing.T, h *hub, phases map[string]v1alpha1.Phase) {
	t.Helper()
	h.publish(inputOf(phases))
}

func TestAPageGetsEverythingOnceAndThenWhatChanged(t *testing.T) {
	t.Parallel()
	h := newHub()
	early, id := take(t, h, "")
	if early.Full || early.Seq != nil || id != "" {
		t.Errorf("before anything was read, the page got %+v", early)
	}
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhasePending, "b": v1alpha1.PhasePending, "c": ""})
	first, one := take(t, h, "")
	if !first.Full || !slices.Equal(first.nodes(), []string{"a", "b", "c"}) {
		t.Errorf("the first event is %+v", first)
	}
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhasePending, "b": v1alpha1.PhasePending, "c": ""})
	if same, id := take(t, h, one); same.Seq != nil || id != one {
		t.Errorf("without a change, the page got %+v", same)
	}
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhasePending, "b": v1alpha1.PhaseDraining, "c": ""})
	second, two := take(t, h, one)
	if second.Full || !slices.Equal(second.nodes(), []string{"b"}) || second.Zones != nil {
		t.Errorf("after one change, the page got %+v", second)
	}
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhaseRebooting, "b": v1alpha1.PhaseDraining})
	third, _ := take(t, h, two)
	if !slices.Equal(third.nodes(), []string{"a"}) || !slices.Equal(third.Gone, []string{"c"}) {
		t.Errorf("after another change, and a node that is gone, the page got %+v", third)
	}
	if missed, _ := take(t, h, one); !slices.Equal(missed.nodes(), []string{"a", "b"}) || !slices.Equal(missed.Gone, []string{"c"}) {
		t.Errorf("a page that missed both changes got %+v", missed)
	}
}

func TestAPageOfAnotherRunGetsEverything(t *testing.T) {
	t.Parallel()
	h := newHub()
	h.setServer(Server{Live: true})
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhasePending})
	for _, last := range []string{position("another", 1), position(h.stream, 99), h.stream, h.stream + ".x", "."} {
		if got, _ := take(t, h, last); !got.Full || len(got.Rows) != 1 || got.Server == nil || got.Zones == nil {
			t.Errorf("with the ID %q, the page got %+v", last, got)
		}
	}
}

func TestAPageIsToldWhenTheClusterIsGoneAndBack(t *testing.T) {
	t.Parallel()
	h := newHub()
	h.setServer(Server{Live: true})
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhasePending})
	_, id := take(t, h, "")
	_, _, changed := h.since(id)
	h.setServer(Server{Since: 5, Why: "gone"})
	select {
	case <-changed:
	default:
		t.Error("streams are not woken")
	}
	got, id := take(t, h, id)
	if got.Server == nil || got.Server.Live || got.Server.Why != "gone" || len(got.Rows) != 0 {
		t.Errorf("the page got %+v", got)
	}
	h.setServer(Server{Since: 5, Why: "gone"})
	if again, _ := take(t, h, id); again.Server != nil {
		t.Errorf("the page got the same once more: %+v", again)
	}
}

func TestANodeThatComesBackIsNoLongerGone(t *testing.T) {
	t.Parallel()
	h := newHub()
	publish(t, h, map[string]v1alpha1.Phase{"a": "", "b": ""})
	_, first := take(t, h, "")
	publish(t, h, map[string]v1alpha1.Phase{"a": ""})
	_, second := take(t, h, first)
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhasePending})
	if got, _ := take(t, h, second); got.Gone != nil {
		t.Errorf("a page that knows which node is gone got %+v", got)
	}
	publish(t, h, map[string]v1alpha1.Phase{"a": "", "b": ""})
	for _, last := range []string{first, second} {
		if got, _ := take(t, h, last); !slices.Equal(got.nodes(), []string{"a", "b"}) || got.Gone != nil {
			t.Errorf("the page got %+v", got)
		}
	}
	publish(t, h, map[string]v1alpha1.Phase{"a": ""})
	if got, _ := take(t, h, ""); !slices.Equal(got.nodes(), []string{"a"}) || got.Gone != nil {
		t.Errorf("a page that has nothing got %+v", got)
	}
}

func TestThePageIsToldWhatChangedBesidesNodes(t *testing.T) {
	t.Parallel()
	h := newHub()
	in := inputOf(map[string]v1alpha1.Phase{"a": ""})
	h.publish(in)
	_, id := take(t, h, "")
	later := *in
	later.Chart = MakeChart(in.Fleet, nil, noon.Add(-time.Hour), noon.Add(time.Minute), time.UTC)
	_, _, changed := h.since(id)
	h.publish(&later)
	if _, same := take(t, h, id); same != id {
		t.Errorf("only the time went on, and the ID is %s, not %s", same, id)
	}
	noted := later
	noted.Notes = []string{"You may not read Pods."}
	h.publish(&noted)
	select {
	case <-changed:
	default:
		t.Error("streams are not woken")
	}
	if got, _ := take(t, h, id); got.Full || !slices.Equal(got.Notes, noted.Notes) || got.Rows != nil || got.Server != nil {
		t.Errorf("the page got %+v", got)
	}
}

func TestAPageThatOnlyMissedRowsIsNotToldAboutTheClusterAgain(t *testing.T) {
	t.Parallel()
	h := newHub()
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhasePending})
	h.setServer(Server{Live: true})
	first, id := take(t, h, "")
	if first.Server == nil || !first.Server.Live || first.Stream != h.stream || first.Seq == nil || *first.Seq != 2 {
		t.Errorf("the first event is %+v", first)
	}
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhaseDraining})
	if got, _ := take(t, h, id); got.Server != nil || len(got.Rows) != 1 || got.Stream != "" {
		t.Errorf("the page got %+v", got)
	}
}

func TestOnlyNodesOfThePageAreShown(t *testing.T) {
	t.Parallel()
	h := newHub()
	publish(t, h, map[string]v1alpha1.Phase{"a": ""})
	if h.shown("b") != nil || h.shown("a") == nil || h.shown("a").Cluster != "test" {
		t.Errorf("shown are %v and %v", h.shown("a"), h.shown("b"))
	}
}
