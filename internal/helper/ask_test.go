package helper

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// squat makes NodeReboots of another node under names of the node.
func (w *world) squat(names ...string) {
	others := map[string]*v1alpha1.NodeReboot{}
	for _, name := range names {
		others[name] = newReboot(name, manual)
		others[name].Spec.NodeName = "n2"
	}
	w.reboots.others.set(others)
}

// inBareWorld is inWorld without any NodeReboot.
func inBareWorld(t *testing.T, test func(w *world)) {
	inWorld(t, func(w *world) {
		w.reboots.remove("x")
		test(w)
	})
}

// An installation may be brought up to date in any order.
func TestAnAdmissionPolicyThatKnowsOfNoFinalizerKeepsNoHostFromAsking(t *testing.T) {
	inBareWorld(t, func(w *world) {
		w.reboots.onCreate.set(func(reboot *v1alpha1.NodeReboot) error {
			if len(reboot.Finalizers) == 0 {
				return nil
			}
			return apierrors.NewForbidden(rebootResource, reboot.Name,
				errors.New("A helper may give a NodeReboot a name and a spec, and no labels, annotations, finalizers or owners"))
		})
		defer w.start()()
		if _, ok := w.reboots.get(v1alpha1.SentinelRebootNames(testNode, bootA)[0]); !ok {
			t.Error("there is no NodeReboot")
		}
	})
}

func TestANameThatAnotherNodeHasKeepsNoHostFromAsking(t *testing.T) {
	names := v1alpha1.SentinelRebootNames(testNode, bootA)
	for _, taken := range []int{1, 5, 15} {
		inBareWorld(t, func(w *world) {
			w.squat(names[:taken]...)
			defer w.start()()
			made, ok := w.reboots.get(names[taken])
			if !ok {
				t.Fatalf("with %d names taken there is no NodeReboot %s", taken, names[taken])
			}
			if made.Spec.NodeName != testNode || made.Spec.BootID != bootA {
				t.Errorf("it asks for a reboot of node %s and boot %s", made.Spec.NodeName, made.Spec.BootID)
			}
			first := "NodeReboot " + names[0] + " is of node n2"
			if taken == 1 && (made.Status.Report == nil || !strings.Contains(made.Status.Report.Message, first)) {
				t.Errorf("the report is %+v, want it to say that %s", made.Status.Report, first)
			}
			if err := w.agent.ready(); err != nil {
				t.Errorf("the helper is not ready: %v", err)
			}
			writes := w.reboots.writes.Load()
			pass(time.Hour)
			if more := w.reboots.writes.Load() - writes; more != 0 {
				t.Errorf("%d more writes after the NodeReboot was made", more)
			}
		})
	}
}

func TestAHelperThatHasNoNameLeftIsNotReadyAndAsksAsSoonAsThereIsOne(t *testing.T) {
	names := v1alpha1.SentinelRebootNames(testNode, bootA)
	inBareWorld(t, func(w *world) {
		w.squat(names...)
		defer w.start()()
		const want = "delete those of other nodes: NodeReboot n1-0 is of node n2"
		if err := w.agent.ready(); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("ready is %v, want an error that says %q", err, want)
		}
		w.squat(append(names[:7:7], names[8:]...)...)
		pass(time.Minute)
		made, ok := w.reboots.get(names[7])
		if !ok || made.Spec.NodeName != testNode {
			t.Fatalf("NodeReboot %s is %+v, want one of the node", names[7], made)
		}
		if err := w.agent.ready(); err != nil {
			t.Errorf("the helper is not ready although its host has asked: %v", err)
		}
	})
}

func TestAHelperWithoutANameIsReadyWhenNothingIsAskedFor(t *testing.T) {
	inBareWorld(t, func(w *world) {
		w.squat(v1alpha1.SentinelRebootNames(testNode, bootA)...)
		defer w.start()()
		w.sentinel.set(v1alpha1.SentinelNotRequired, true)
		pass(0)
		if err := w.agent.ready(); err != nil {
			t.Errorf("the helper is not ready: %v", err)
		}
	})
}

// The node's own NodeReboots that ended have names as well.
func TestAHelperAsksUnderANameThatNoneOfItsOwnHas(t *testing.T) {
	names := v1alpha1.SentinelRebootNames(testNode, bootA)
	inBareWorld(t, func(w *world) {
		for _, name := range names[:12] {
			w.reboots.put(newReboot(name, askedIn(bootEarly), completed(v1alpha1.OutcomeSucceeded)))
		}
		defer w.start()()
		if made, ok := w.reboots.get(names[12]); !ok || made.Spec.BootID != bootA {
			t.Errorf("NodeReboot %s is %+v, want one for the need", names[12], made)
		}
		// A third request may ask again before the watch has brought what the first one made.
		if got := w.reboots.writes.Load(); got < 2 || got > 3 {
			t.Errorf("%d requests, want 2: the NodeReboot and its report", got)
		}
		if _, ok := w.reboots.get(names[13]); ok {
			t.Error("there is a second NodeReboot for the need")
		}
	})
}

func TestAHelperDoesNotAskTwiceWhatItsWatchHasNotBroughtYet(t *testing.T) {
	inBareWorld(t, func(w *world) {
		defer w.start()()
		w.sentinel.set(v1alpha1.SentinelNotRequired, true)
		pass(0)
		w.reboots.remove(needName)
		pass(0)
		w.reboots.hold(true)
		w.sentinel.set(v1alpha1.SentinelRequired, true)
		pass(time.Minute)
		if err := w.agent.ready(); err != nil {
			t.Errorf("the helper is not ready: %v", err)
		}
		for _, name := range v1alpha1.SentinelRebootNames(testNode, bootA)[1:] {
			if _, made := w.reboots.get(name); made {
				t.Errorf("NodeReboot %s was made besides the first one", name)
			}
		}
	})
}

func TestOfManyNamesThatAreTakenAFewAreNamed(t *testing.T) {
	taken := map[string]string{}
	for i := range maxNamed + 3 {
		taken[fmt.Sprintf("n1-%d", i)] = fmt.Sprintf("m%d", i)
	}
	got := tellTaken(taken)
	if !strings.HasPrefix(got, "NodeReboot n1-0 is of node m0, NodeReboot n1-1 is of node m1, ") || !strings.HasSuffix(got, ", and 3 more") ||
		strings.Count(got, "NodeReboot") != maxNamed {
		t.Errorf("it says %q", got)
	}
}

func TestANameThatWasFreedWhileItWasLookedAtIsTriedAgain(t *testing.T) {
	inBareWorld(t, func(w *world) {
		taken := true
		w.reboots.onCreate.set(func(reboot *v1alpha1.NodeReboot) error {
			if taken {
				taken = false // it is deleted before the helper looks
				return apierrors.NewAlreadyExists(rebootResource, reboot.Name)
			}
			return nil
		})
		defer w.start()()
		pass(time.Minute)
		if made, ok := w.reboots.get(needName); !ok || made.Spec.NodeName != testNode {
			t.Errorf("NodeReboot %s is %+v", needName, made)
		}
	})
}

func TestANameThatIsTakenIsLoggedOnce(t *testing.T) {
	inBareWorld(t, func(w *world) {
		names := v1alpha1.SentinelRebootNames(testNode, bootA)[:2]
		w.squat(names...)
		logged := 0
		a := &agent{
			Options: Options{NodeName: testNode, Log: funcr.New(func(string, string) { logged++ }, funcr.Options{})}, api: w.reboots,
		}
		asks := func() {
			if err := a.ask(t.Context(), newReboot("x"), names); err == nil {
				t.Error("no name is free, and there is no error")
			}
		}
		if asks(); logged != len(names) {
			t.Errorf("%d lines are logged at first, want %d", logged, len(names))
		}
		if asks(); logged != len(names) {
			t.Errorf("%d lines are logged after the second time, want %d", logged, len(names))
		}
		w.reboots.others.get()[names[0]].Spec.NodeName = "n3"
		if asks(); logged != len(names)+1 {
			t.Errorf("%d lines are logged when another node has a name, want %d", logged, len(names)+1)
		}
	})
}
