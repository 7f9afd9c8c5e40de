package plan

import (
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// computeAbridged makes a plan as the manager does: from NodeReboots that are abridged, and again from the whole of those that it changes.
func computeAbridged(s *Snapshot, now time.Time) *Plan {
	short, whole := *s, map[string]*v1alpha1.NodeReboot{}
	short.Reboots = make([]*v1alpha1.NodeReboot, len(s.Reboots))
	for i, reboot := range s.Reboots {
		short.Reboots[i], whole[reboot.Name] = Abridge(reboot), reboot
	}
	for {
		p := Compute(&short, now)
		partial := p.Partial()
		if len(partial) == 0 {
			return p
		}
		for _, object := range partial {
			short.Reboots[slices.Index(short.Reboots, object)] = whole[object.Name]
		}
	}
}

// differenceAbridged is how a plan differs from a plan of abridged NodeReboots.
func differenceAbridged(s *Snapshot, p *Plan, now time.Time) string {
	return difference(p, computeAbridged(s, now))
}

// checkAbridged compares every eighth plan of a fleet with a plan of abridged NodeReboots.
func (w *world) checkAbridged(v *view, p *Plan) {
	if w.version%8 != 0 {
		return
	}
	if diff := differenceAbridged(&v.Snapshot, p, w.clock()); diff != "" {
		w.breaks("the plan depends on what is not kept of finished NodeReboots (-whole +abridged):\n%s", diff)
	}
}

func finishedFor(outcome v1alpha1.Outcome) *v1alpha1.NodeReboot {
	at := ptr.To(metav1.NewMicroTime(start))
	return &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: "n1-0", UID: "u", Generation: 1},
		Spec:       v1alpha1.NodeRebootSpec{NodeName: "n1", Trigger: v1alpha1.TriggerSentinel, Reason: "why"},
		Status: v1alpha1.NodeRebootStatus{
			ObservedGeneration: 1, Phase: v1alpha1.Phase(outcome), Outcome: outcome, Summary: "x", Message: "A long text.",
			OutcomeMessage: "A long text.", CompletionTime: at, Workloads: []v1alpha1.WorkloadRef{{Name: "web"}},
			Conditions: []metav1.Condition{{Type: "Ready", Message: "A long text."}},
		},
	}
}

func TestOnlyWhatIsFinishedIsAbridged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*v1alpha1.NodeReboot)
		whole  bool
	}{
		"it succeeded":                           {change: func(*v1alpha1.NodeReboot) {}},
		"it failed":                              {change: func(r *v1alpha1.NodeReboot) { *r = *finishedFor(v1alpha1.OutcomeFailed) }},
		"it was cancelled":                       {change: func(r *v1alpha1.NodeReboot) { *r = *finishedFor(v1alpha1.OutcomeCancelled) }},
		"it has a finalizer of others":           {change: func(r *v1alpha1.NodeReboot) { r.Finalizers = []string{"example.com/x"} }},
		"it is under way":                        {change: func(r *v1alpha1.NodeReboot) { r.Status.CompletionTime = nil }, whole: true},
		"its spec changed since":                 {change: func(r *v1alpha1.NodeReboot) { r.Generation++ }, whole: true},
		"its phase is not written":               {change: func(r *v1alpha1.NodeReboot) { r.Status.Phase = v1alpha1.PhaseRecovering }, whole: true},
		"its finalizer is still there":           {change: func(r *v1alpha1.NodeReboot) { r.Finalizers = []string{v1alpha1.Finalizer} }, whole: true},
		"it is being deleted":                    {change: func(r *v1alpha1.NodeReboot) { r.DeletionTimestamp = &metav1.Time{Time: start} }, whole: true},
		"an older manager wrote no summary":      {change: func(r *v1alpha1.NodeReboot) { r.Status.Summary = "" }, whole: true},
		"it has the outcome of another manager":  {change: func(r *v1alpha1.NodeReboot) { r.Status.Outcome = "Replaced" }, whole: true},
		"it was abridged before, which is whole": {change: func(r *v1alpha1.NodeReboot) { r.Abridged = true }, whole: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := finishedFor(v1alpha1.OutcomeSucceeded)
			test.change(object)
			before := object.DeepCopy()
			short := Abridge(object)
			if (short == object) != test.whole {
				t.Errorf("abridged: %t, want %t", short != object, !test.whole)
			}
			if short != object && (!short.Abridged || short.Status.Workloads != nil || short.Spec.Reason != "") {
				t.Errorf("too much is kept, or nothing says that it is a part: %+v", short)
			}
			if diff := difference(before, object); diff != "" {
				t.Errorf("the object changed (-before +after):\n%s", diff)
			}
		})
	}
}

// filled is a value of a type in which everything is set.
func filled(of reflect.Type) reflect.Value {
	v := reflect.New(of).Elem()
	switch of.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Pointer:
		v.Set(reflect.New(of.Elem()))
		v.Elem().Set(filled(of.Elem()))
	case reflect.Slice:
		v.Set(reflect.Append(v, filled(of.Elem())))
	case reflect.Map:
		v.Set(reflect.MakeMap(of))
		v.SetMapIndex(filled(of.Key()), filled(of.Elem()))
	case reflect.Struct:
		if of == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(start))
			break
		}
		for i := range of.NumField() {
			v.Field(i).Set(filled(of.Field(i).Type))
		}
	default:
		panic("cannot fill a " + of.String())
	}
	return v
}

// kept are the paths of what a value still has of another one.
func kept(short, whole reflect.Value, path string) []string {
	switch {
	case short.IsZero():
		return nil
	case reflect.DeepEqual(short.Interface(), whole.Interface()):
		return []string{path}
	case short.Kind() == reflect.Pointer:
		return kept(short.Elem(), whole.Elem(), path)
	case short.Kind() == reflect.Slice && short.Len() == whole.Len():
		return kept(short.Index(0), whole.Index(0), path)
	case short.Kind() != reflect.Struct:
		return []string{path + " differs"}
	}
	var all []string
	for i := range short.NumField() {
		all = append(all, kept(short.Field(i), whole.Field(i), path+"."+short.Type().Field(i).Name)...)
	}
	return all
}

func TestAnAbridgedNodeRebootKeepsWhatPlansRead(t *testing.T) {
	t.Parallel()
	always := []string{
		".Status.After.BootID", ".Status.Attempt.BackTime", ".Status.Attempt.EndedTime", ".Status.Attempt.GrantedTime",
		".Status.Attempt.InterruptedTime", ".Status.Attempt.NodeRole", ".Status.Attempt.Number", ".Status.Attempt.PolicyName",
		".Status.Attempt.RebootOrderedTime", ".Status.Attempt.Result", ".Status.Attempt.Role", ".Status.Attempt.RolledBackTime",
		".Status.Attempt.StalledTime", ".Status.Attempt.Zone", ".Status.Before.BootID", ".Status.CompletionTime", ".Status.Failures",
		".Status.NodeUID", ".Status.ObservedGeneration", ".Status.Outcome", ".Status.OutcomeReason", ".Status.Phase", ".Status.PolicyName",
		".Status.Reason", ".Status.Summary", ".Status.Zone",
	}
	tests := map[v1alpha1.Outcome][]string{
		v1alpha1.OutcomeSucceeded: {
			".Status.Attempt.DrainOrderedTime", ".Status.Attempt.DrainedTime", ".Status.Attempt.RecoveredTime", ".Status.Attempt.SettlingSince",
			".Status.Attempt.UncordonedTime", ".Status.Conditions.Type", ".Status.Report.Drain.BudgetWaitMilliseconds",
		},
		v1alpha1.OutcomeFailed: {
			".Status.Conditions", ".Status.Message", ".Status.OutcomeMessage", ".Status.PendingHooks", ".Status.Report.BootID",
			".Status.Report.Sentinel", ".Status.RequiredSince", ".Status.TaintedTime", ".Status.Until", ".Status.UntilTime",
		},
	}
	for outcome, more := range tests {
		t.Run(string(outcome), func(t *testing.T) {
			t.Parallel()
			whole, _ := reflect.TypeAssert[v1alpha1.NodeReboot](filled(reflect.TypeFor[v1alpha1.NodeReboot]()))
			whole.Unreadable, whole.Abridged, whole.DeletionTimestamp, whole.Generation = nil, false, nil, whole.Status.ObservedGeneration
			whole.Status.Outcome, whole.Status.Phase = outcome, v1alpha1.Phase(outcome)
			whole.Status.Conditions[0].Type = "example.com/hook"
			short := Abridge(&whole)
			want := slices.Sorted(slices.Values(slices.Concat(always, more)))
			got := slices.Sorted(slices.Values(kept(reflect.ValueOf(short.Status), reflect.ValueOf(whole.Status), ".Status")))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("of the status (-want +got):\n%s", diff)
			}
			want = []string{
				".Annotations", ".CreationTimestamp", ".Finalizers", ".Generation", ".Labels", ".Name", ".ResourceVersion", ".UID",
			}
			got = slices.Sorted(slices.Values(kept(reflect.ValueOf(short.ObjectMeta), reflect.ValueOf(whole.ObjectMeta), "")))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("of the metadata (-want +got):\n%s", diff)
			}
			want = []string{".Approval", ".BootID", ".ConditionType", ".NodeName", ".Trigger", ".Urgency"}
			got = slices.Sorted(slices.Values(kept(reflect.ValueOf(short.Spec), reflect.ValueOf(whole.Spec), "")))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("of the spec (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAbridgedNodeRebootKeepsHowLongBudgetsDelayedItsDrain(t *testing.T) {
	for outcome, kept := range map[v1alpha1.Outcome]string{v1alpha1.OutcomeSucceeded: "1500", v1alpha1.OutcomeFailed: ""} {
		for wait, want := range map[int64]string{0: "", 1500: kept} {
			whole := finishedFor(outcome)
			whole.Status.Report = &v1alpha1.HelperReport{Drain: &v1alpha1.DrainProgress{Total: 3, BudgetWaitMilliseconds: wait}}
			got := ""
			if report := Abridge(whole).Status.Report; report != nil && report.Drain != nil {
				got = strconv.FormatInt(report.Drain.BudgetWaitMilliseconds, 10)
			}
			if got != want {
				t.Errorf("%s: a wait of %d ms is kept as %q", outcome, wait, got)
			}
		}
	}
}

func TestAnAbridgedNodeRebootCannotBeWritten(t *testing.T) {
	t.Parallel()
	if data, err := Abridge(finishedFor(v1alpha1.OutcomeSucceeded)).MarshalJSON(); err == nil {
		t.Errorf("it was encoded: %s", data)
	}
}

func TestAPlanNamesTheAbridgedNodeRebootsThatItChanges(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"), newNode("n1", "z1"))
	withdrawn := finishedFor(v1alpha1.OutcomeCancelled)
	withdrawn.Status.OutcomeReason = v1alpha1.ReasonNeedWithdrawn
	withdrawn.Status.Report = &v1alpha1.HelperReport{BootID: s.Nodes[0].BootID, Sentinel: v1alpha1.SentinelRequired}
	short := Abridge(withdrawn)
	s.Reboots = []*v1alpha1.NodeReboot{short}
	p := Compute(s, start)
	if got := p.Partial(); len(got) != 1 || got[0] != short {
		t.Fatalf("the plan names %v, want the NodeReboot that is needed again", got)
	}
	s.Reboots[0] = withdrawn
	if p = Compute(s, start); len(p.Partial()) > 0 || len(p.Work) != 1 || len(p.Work[0].Reboots) != 1 {
		t.Errorf("from the whole of it: %+v", p.Work)
	}
}

func TestAFinishedNodeRebootOfWhichNothingChangesIsNotReadAgain(t *testing.T) {
	t.Parallel()
	stillAsks := func(r *v1alpha1.NodeReboot) { r.Status.Report = newReboot("r", "n1").Status.Report }
	for name, ended := range map[string][]rebootOption{
		"it succeeded":                       {finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -time.Hour)},
		"it failed":                          {finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonDrainTimedOut, -time.Hour)},
		"it failed, and its host still asks": {finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonSentinelStillPresent, -time.Hour), stillAsks},
		"it was cancelled":                   {finished(v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, -time.Hour)},
	} {
		s := newStory(t, newPolicy("p"), newNode("n1", "z1"), newReboot("r", "n1", ended...))
		s.settle()
		s.Reboots[0] = Abridge(s.reboot("r"))
		if p := Compute(s.Snapshot, s.now); !s.Reboots[0].Abridged || len(p.Partial()) > 0 {
			t.Errorf("%s: abridged: %t, and %d are read again", name, s.Reboots[0].Abridged, len(p.Partial()))
		}
	}
}
