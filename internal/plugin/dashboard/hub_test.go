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
	Seq    *uint64
	Server *Server
	Zones  []string
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
	if err := h.publish(inputOf(phases)); err != nil {
		t.Fatal(err)
	}
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
	publish(t, h, map[string]v1alpha1.Phase{"a": v1alpha1.PhasePending})
	for _, last := range []string{position("another", 1), position(h.stream, 99), h.stream, h.stream + ".x", "."} {
		if got, _ := take(t, h, last); !got.Full || len(got.Rows) != 1 {
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
