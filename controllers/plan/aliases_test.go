package plan

import (
	"time"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// What tests call by its short name.
type (
	Node             = model.Node
	Pod              = model.Pod
	Workload         = model.Workload
	WorkloadKey      = model.WorkloadKey
	Event            = model.Event
	OtherMaintenance = model.OtherMaintenance
	GateKind         = model.GateKind
	GateKey          = model.GateKey
	GateQuery        = model.GateQuery
	GateAnswer       = model.GateAnswer
)

const (
	GatePods         = model.GatePods
	GatePrometheus   = model.GatePrometheus
	GateAlertmanager = model.GateAlertmanager
	GateObjects      = model.GateObjects
	GateCapacity     = model.GateCapacity
	GateRecovery     = model.GateRecovery
)

// What the stories expect of the attempt.
const (
	readyLag     = time.Minute
	lastWord     = 30 * time.Second
	maxWorkloads = 512
)

var (
	seconds = model.Seconds
	keyOf   = model.KeyOf
)
