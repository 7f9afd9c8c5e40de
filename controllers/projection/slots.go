package projection

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// DecodeSlots reads the slots object's data: node name -> slot as JSON. An entry that cannot be read belongs to no NodeReboot, so it comes
// back as an empty slot, which counts as gone: what is under way is known from the NodeReboots, the object only fences.
func DecodeSlots(data map[string]string) map[string]plan.Slot {
	slots := make(map[string]plan.Slot, len(data))
	for node, encoded := range data {
		var slot plan.Slot
		if err := json.Unmarshal([]byte(encoded), &slot); err != nil || slot.Attempt < 1 || slot.Attempt > maxAttempt {
			slot = plan.Slot{}
		}
		slots[node] = slot
	}
	return slots
}

// maxAttempt is a number that no attempt reaches, and from which counting can continue.
const maxAttempt = math.MaxInt32 / 2

// EncodeSlots makes the data of the slots object.
func EncodeSlots(slots map[string]plan.Slot) (map[string]string, error) {
	data := make(map[string]string, len(slots))
	for node, slot := range slots {
		encoded, err := json.Marshal(slot)
		if err != nil {
			return nil, fmt.Errorf("encode the slot of node %s: %w", node, err)
		}
		data[node] = string(encoded)
	}
	return data, nil
}
