package gates

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestEveryKindOfGateThatAPolicyCanHaveIsInTheListOfKinds(t *testing.T) {
	want := []string{string(model.GateRecovery)}
	spec := reflect.TypeFor[v1alpha1.GatesSpec]()
	for i := range spec.NumField() {
		name, _, _ := strings.Cut(spec.Field(i).Tag.Get("json"), ",")
		want = append(want, "gates."+name)
	}
	var got []string
	for _, k := range kinds {
		got = append(got, string(k.kind))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

func TestEveryGateIsEitherAskedOrWatchedAndFoundByItsName(t *testing.T) {
	policy := &v1alpha1.RebootPolicy{}
	policy.Name = "p"
	policy.Spec.Gates = v1alpha1.GatesSpec{
		Pods: []v1alpha1.PodGate{{Name: "x"}, {Name: "g"}}, Prometheus: []v1alpha1.PrometheusGate{{Name: "x"}, {Name: "g"}},
		Alertmanager: []v1alpha1.AlertmanagerGate{{Name: "x"}, {Name: "g"}}, Objects: []v1alpha1.ObjectGate{{Name: "x"}, {Name: "g"}},
	}
	policy.Spec.Recovery.Objects = []v1alpha1.ObjectGate{{Name: "x"}, {Name: "g"}}
	for _, k := range kinds {
		name := "g"
		if k.kind == model.GateCapacity {
			name = ""
		}
		found := find([]*v1alpha1.RebootPolicy{policy}, model.GateKey{Policy: "p", Kind: k.kind, Gate: name})
		if found == nil || found.name() != name {
			t.Errorf("%s: found %v", k.kind, found)
			continue
		}
		_, asks := found.(asked)
		_, watches := found.(watched)
		if asks == watches {
			t.Errorf("%s: asked %t, watched %t; want one of them", k.kind, asks, watches)
		}
	}
}
