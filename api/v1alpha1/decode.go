package v1alpha1

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/decode"
)

// Everything that the API server has stored can be decoded: a list is decoded as a whole, so one object that fails would hide all others.
// The field Unreadable names what could not be read.

// UnmarshalJSON decodes a NodeReboot. It fails only if data is not a JSON object.
func (r *NodeReboot) UnmarshalJSON(data []byte) error {
	type plain NodeReboot
	r.Unreadable, r.Abridged = nil, false
	problems, err := decode.Object(data, (*plain)(r))
	r.Unreadable, r.Status.Conditions = setConditionsAside(problems, r.Status.Conditions)
	return err
}

// MarshalJSON encodes a NodeReboot. It fails if a part of the object could not be read or was not kept, because that part would be lost.
func (r *NodeReboot) MarshalJSON() ([]byte, error) {
	type plain NodeReboot
	if r.Abridged {
		return nil, fmt.Errorf("NodeReboot %s cannot be written as a whole, because only a part of it was kept", r.Name)
	}
	if err := complete("NodeReboot", r.Name, r.Unreadable); err != nil {
		return nil, err
	}
	return json.Marshal((*plain)(r))
}

// SetAside reports whether more of the NodeReboot than a condition could not be read, so that its progress is unknown. What is known of it
// may only be used to do less.
func (r *NodeReboot) SetAside() bool {
	return slices.ContainsFunc(r.Unreadable, func(p decode.Problem) bool { return !ofCondition(p) })
}

// UnmarshalJSON decodes a RebootPolicy. It fails only if data is not a JSON object.
func (p *RebootPolicy) UnmarshalJSON(data []byte) error {
	type plain RebootPolicy
	p.Unreadable = nil
	problems, err := decode.Object(data, (*plain)(p))
	p.Unreadable, p.Status.Conditions = setConditionsAside(problems, p.Status.Conditions)
	return err
}

// MarshalJSON encodes a RebootPolicy. It fails if a part of the object could not be read, because that part would be lost.
func (p *RebootPolicy) MarshalJSON() ([]byte, error) {
	type plain RebootPolicy
	if err := complete("RebootPolicy", p.Name, p.Unreadable); err != nil {
		return nil, err
	}
	return json.Marshal((*plain)(p))
}

// SetAside reports whether more of the RebootPolicy than its status could not be read, so that its meaning is unknown. The status does not
// count: the operator derives all of it.
func (p *RebootPolicy) SetAside() bool {
	return slices.ContainsFunc(p.Unreadable, func(problem decode.Problem) bool { return !problem.Below("status") })
}

func complete(kind, name string, unreadable []decode.Problem) error {
	if len(unreadable) == 0 {
		return nil
	}
	return fmt.Errorf("%s %s cannot be written as a whole, because a part of it could not be read: %s", kind, name, unreadable[0])
}

const conditionsPath = "status.conditions"

// ofCondition reports whether the problem is about one condition, not about all of them.
func ofCondition(p decode.Problem) bool { return strings.HasPrefix(p.Path, conditionsPath+"[") }

// setConditionsAside removes the conditions that cannot be read, or that could not be written again: a list is written as a whole, and one
// such condition would have the API server refuse every status.
func setConditionsAside(problems []decode.Problem, conditions []metav1.Condition) ([]decode.Problem, []metav1.Condition) {
	var unreadable []decode.Problem
	kept := conditions[:0:0]
	for i := range conditions {
		element := fmt.Sprintf("%s[%d]", conditionsPath, i)
		problem := decode.Problem{}
		if at := slices.IndexFunc(problems, func(p decode.Problem) bool { return p.Below(element) }); at >= 0 {
			problem = problems[at]
		} else if why := unwritable(&conditions[i].LastTransitionTime); why != "" {
			problem = decode.Problem{Path: element + ".lastTransitionTime", Description: why}
		}
		if problem.Path == "" {
			kept = append(kept, conditions[i])
			continue
		}
		problem.Path = fmt.Sprintf("%s[%s]", conditionsPath, conditions[i].Type) + strings.TrimPrefix(problem.Path, element)
		unreadable = append(unreadable, problem)
	}
	if len(unreadable) == 0 {
		return problems, conditions
	}
	others := slices.DeleteFunc(problems, ofCondition)
	return append(others, unreadable...), kept
}

// unwritable says why a time that could be read would not be accepted if it were written; empty if it would.
func unwritable(t *metav1.Time) string {
	if t.IsZero() {
		return "the time is zero, which is written as null"
	}
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return fmt.Sprintf("%s is in year %d in UTC, which has no four digits", t.Format(time.RFC3339), year)
	}
	return ""
}

// UnreadableConditions are the conditions that could not be read: their types, and why.
func UnreadableConditions(unreadable []decode.Problem) map[string]string {
	found := map[string]string{}
	for _, p := range unreadable {
		if rest, is := strings.CutPrefix(p.Path, conditionsPath+"["); is {
			conditionType, field, _ := strings.Cut(rest, "]")
			found[conditionType] = strings.TrimPrefix(field+": "+p.Description, ".")
		}
	}
	return found
}
