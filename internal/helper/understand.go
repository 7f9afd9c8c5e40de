package helper

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// refuse answers an order that this helper does not understand. Whatever it would do instead would be a guess.
func (f facts) refuse(order *v1alpha1.RebootOrder, why error) verdict {
	return verdict{orderFailed, fmt.Sprintf("order %d was not carried out: %v (this helper is %s, protocol %d)",
		order.Sequence, why, cmp.Or(f.version, "of no known version"), v1alpha1.ProtocolLevel)}
}

// validate is an error if the order says anything that this helper does not know.
func validate(order *v1alpha1.RebootOrder) error {
	if err := understoodLevel(order.Protocol); err != nil {
		return err
	}
	switch order.Action {
	case v1alpha1.ActionReboot:
		if !slices.Contains([]v1alpha1.RebootVia{"", v1alpha1.RebootViaFirmware, v1alpha1.RebootViaKexec}, order.Via) {
			return fmt.Errorf("unknown value %q of via: this helper knows Firmware and Kexec", order.Via)
		}
		return nil
	case v1alpha1.ActionDrain:
		if order.Drain == nil {
			return nil
		}
		_, err := newPodFilter(order.Drain)
		return err
	default:
		return fmt.Errorf("unknown action %q: this helper knows Drain and Reboot", order.Action)
	}
}

// understoodLevel is an error for a level of the protocol that this helper does not know: an order of it may have fields that are nowhere
// to be seen here.
func understoodLevel(level int32) error {
	if level > v1alpha1.ProtocolLevel {
		return fmt.Errorf("it needs protocol %d", level)
	}
	return nil
}

// understood is an error if an order to drain has a value that this helper does not know: to take it for another one could lose data.
func understood(order *v1alpha1.DrainOrder) error {
	for _, choice := range []struct {
		field, value string
		known        []string
	}{
		{"emptyDir", string(order.EmptyDir), []string{string(v1alpha1.EmptyDirDelete), string(v1alpha1.EmptyDirRefuse)}},
		{"unmanaged", string(order.Unmanaged), []string{string(v1alpha1.UnmanagedEvict), string(v1alpha1.UnmanagedRefuse)}},
		{"returningPods", string(order.ReturningPods), []string{
			string(v1alpha1.ReturningPodsIgnore), string(v1alpha1.ReturningPodsRefuse),
		}},
	} {
		if choice.value != "" && !slices.Contains(choice.known, choice.value) {
			return fmt.Errorf("unknown value %q of drain.%s: this helper knows %s", choice.value, choice.field, strings.Join(choice.known, " and "))
		}
	}
	return nil
}
