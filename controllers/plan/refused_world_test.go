package plan

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// refusalFault is the name of this fault for SIMULATE_WITHOUT.
const refusalFault = "writes are refused"

// planRefusals has admission refuse writes in some fleets. It has a random source of its own, so that the other fleets stay as they are.
func (w *world) planRefusals(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 2))
	if random.IntN(3) > 0 || without(refusalFault) {
		return
	}
	for range 1 + random.IntN(4) {
		lasts := time.Duration(random.Int64N(int64(10 * time.Minute)))
		if random.IntN(4) == 0 {
			lasts = time.Duration(random.Int64N(int64(w.chaos)))
		}
		w.after(time.Duration(random.Int64N(int64(w.chaos))), func() { w.writesAreRefused(random, lasts) })
	}
}

// writesAreRefused: for a while, admission refuses something that managers write about a host that is under way or waits, or the
// slots object.
func (w *world) writesAreRefused(random *rand.Rand, lasts time.Duration) {
	names := slices.Sorted(maps.Keys(w.hosts))
	if waiting := w.waitingReboots(); len(waiting) > 0 && random.IntN(4) > 0 {
		names = []string{w.reboots[pick(random, waiting...)].Spec.NodeName}
	}
	if len(names) == 0 || w.healed {
		return
	}
	node := pick(random, names...)
	key := model.WriteKey{Name: node, Write: pick(random,
		model.WriteTaint, model.WriteCordon, model.WriteCordon, model.WriteLabels, model.WriteExclude, model.WriteMaintenance)}
	of := slices.DeleteFunc(w.waitingReboots(), func(name string) bool { return w.reboots[name].Spec.NodeName != node })
	if len(of) > 0 && random.IntN(2) == 0 {
		key = model.WriteKey{Name: pick(random, of...), Write: pick(random, model.WriteFinalizer, model.WriteOrder, model.WriteStatus)}
	}
	if random.IntN(8) == 0 {
		key = model.WriteKey{Name: v1alpha1.SlotsName, Write: model.WriteSlots}
	}
	w.tell("%s of %s is refused", key.Write, key.Name)
	w.refuse(key, true)
	if key.Write == model.WriteStatus { // what refuses any status refuses orders
		w.refuse(model.WriteKey{Name: key.Name, Write: model.WriteOrder}, true)
	}
	w.after(lasts, func() {
		w.tell("%s of %s is not refused anymore", key.Write, key.Name)
		w.refuse(key, false)
		w.refuse(model.WriteKey{Name: key.Name, Write: model.WriteOrder}, false)
	})
}

// waitingReboots are the names of NodeReboots that are not complete.
func (w *world) waitingReboots() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(w.reboots)) {
		if w.reboots[name].Status.CompletionTime == nil {
			names = append(names, name)
		}
	}
	return names
}

func (w *world) refuse(key model.WriteKey, refused bool) {
	refuses := maps.Clone(w.refused)
	if refuses == nil {
		refuses = map[model.WriteKey]bool{}
	}
	delete(refuses, key)
	if refused {
		refuses[key] = true
	}
	w.refused = refuses
}
