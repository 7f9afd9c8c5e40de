package webhooks

import (
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestTheNodeOfATokenIsThatOfItsPod(t *testing.T) {
	type extra = map[string]authenticationv1.ExtraValue
	for name, test := range map[string]struct {
		extra extra
		want  string
	}{
		"bound to a pod":                {extra{podNameKey: {"helper-n1"}, podUIDKey: {"u"}, nodeNameKey: {"n1"}}, "n1"},
		"bound to a node":               {extra{nodeNameKey: {"n1"}}, ""},
		"bound to a pod without a name": {extra{podNameKey: {""}, podUIDKey: {"u"}, nodeNameKey: {"n1"}}, ""},
		"bound to a pod without a UID":  {extra{podNameKey: {"helper-n1"}, nodeNameKey: {"n1"}}, ""},
		"bound to a pod without a node": {extra{podNameKey: {"helper-n1"}, podUIDKey: {"u"}}, ""},
		"of two nodes":                  {extra{podNameKey: {"helper-n1"}, podUIDKey: {"u"}, nodeNameKey: {"n1", "n2"}}, ""},
		"of nothing":                    {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := nodeOf(&authenticationv1.UserInfo{Extra: test.extra}); got != test.want {
				t.Errorf("node %q, want %q", got, test.want)
			}
		})
	}
}

func TestAHelperRemovesPodsOfItsOwnNodeOnly(t *testing.T) {
	of := func(node, name, uid string) removal {
		return removal{namespace: "default", name: name, uid: types.UID(uid), node: node}
	}
	for name, test := range map[string]struct {
		asked  removal
		onNode types.UID
		want   string // part of the answer; empty if the helper may
	}{
		"of its node":                       {of("n1", "app", "u1"), "u1", ""},
		"of another node, or of none":       {of("n1", "app", "u1"), "", "pod default/app is not on node n1"},
		"that was made again on its node":   {of("n1", "app", "u1"), "u2", "a different pod now"},
		"whatever it is by now":             {of("n1", "app", ""), "u1", "deleteOptions.preconditions.uid"},
		"by a token without a node":         {of("", "app", "u1"), "u1", "not bound to a pod"},
		"all at once":                       {of("n1", "", "u1"), "u1", "one pod at a time"},
		"of no node by a token without one": {of("", "app", "u1"), "", "not bound to a pod"},
	} {
		t.Run(name, func(t *testing.T) {
			got := confine(test.asked)
			if got == "" {
				got = confineTo(test.asked, test.onNode)
			}
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("answer %q, want one with %q", got, test.want)
			}
		})
	}
}

// helperExtra is what a token says that is bound to the helper's pod on n1.
var helperExtra = map[string]authenticationv1.ExtraValue{podNameKey: {"helper-n1"}, podUIDKey: {"u"}, nodeNameKey: {"n1"}}
