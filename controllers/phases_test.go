package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// patience is a clock by which the time to write is over after so many writes were begun.
type patience struct {
	clock.PassiveClock
	writes int
}

func (p *patience) Since(time.Time) time.Duration {
	if p.writes--; p.writes < 0 {
		return writingTime + 1
	}
	return writingTime
}

func TestAPassGoesOnWithTheWritesForWhichTheLastOneHadNoTime(t *testing.T) {
	var objects []client.Object
	var waiting []*plan.NodeWork
	for _, name := range []string{"a", "b", "c", "d"} {
		objects = append(objects, newNode(name))
		waiting = append(waiting, &plan.NodeWork{Node: name, Patch: &plan.NodePatch{Annotations: map[string]*string{"x": ptr.To("y")}}})
	}
	world := newWorld(t, objects...)
	e, _ := newExecutor(world)
	for i, pass := range []struct {
		writes  int
		waiting []*plan.NodeWork
		want    []string
		left    string
	}{
		{2, waiting, []string{"a", "b"}, "c"},
		{1, waiting, []string{"c"}, "d"},
		{9, waiting, []string{"a", "b", "c", "d"}, ""},
		{1, waiting, []string{"a"}, "b"},
		{0, waiting, nil, "b"},
		{1, waiting[2:], []string{"c"}, "d"},       // nothing is to be written for b anymore
		{2, waiting[:3], []string{"a", "b"}, "c"},  // nor for any node after it
		{9, nil, nil, ""},                          // nor for any
		{3, waiting, []string{"a", "b", "c"}, "d"}, // from the first again
		{3, waiting, []string{"a", "b", "d"}, "c"}, // around the end
		{1, waiting[:2], []string{"a"}, "b"},       // the rest of the last pass is gone
	} {
		e.clock, world.writes = &patience{writes: pass.writes}, nil
		w := &writing{executor: e, snapshot: world.read(t), plan: &plan.Plan{}, result: &outcome{}}
		world.writes = nil
		writes := newParallel()
		w.begin(t.Context(), writes, pass.waiting, testNow)
		writes.wait()
		var want []string
		for _, name := range pass.want {
			want = append(want, "patch Node "+name)
		}
		slices.Sort(world.writes)
		if diff := cmp.Diff(want, world.writes); diff != "" || e.left != pass.left || w.result.more != (pass.left != "") {
			t.Errorf("pass %d: left %q, want %q, more: %t; writes (-want +got):\n%s", i, e.left, pass.left, w.result.more, diff)
		}
		if len(w.result.errs) > 0 {
			t.Fatal(fmt.Errorf("pass %d: %w", i, w.result.err()))
		}
	}
}
