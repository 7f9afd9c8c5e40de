package app_test

import (
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func TestArgumentsNameObjectsAsKubectlDoes(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]app.Named{
		"worker-1":                              {Name: "worker-1"},
		"node/worker-1":                         {Kind: app.NodeKind, Name: "worker-1"},
		"Nodes/worker-1":                        {Kind: app.NodeKind, Name: "worker-1"},
		"no/worker-1":                           {Kind: app.NodeKind, Name: "worker-1"},
		"policy/linux":                          {Kind: app.PolicyKind, Name: "linux"},
		"rbp/linux":                             {Kind: app.PolicyKind, Name: "linux"},
		"rebootpolicy.reboot-operator.io/linux": {Kind: app.PolicyKind, Name: "linux"},
		"nrb/a":                                 {Kind: app.RebootKind, Name: "a"},
		"nodereboots.reboot-operator.io/a":      {Kind: app.RebootKind, Name: "a"},
		"node/":                                 {Kind: app.NodeKind},
		"node/a/b":                              {Kind: app.NodeKind, Name: "a/b"},
		"pod/a":                                 {Name: "a", Unknown: "pod/"},
		"/a":                                    {Name: "a", Unknown: "/"},
		"node.reboot-operator.io/a":             {Name: "a", Unknown: "node.reboot-operator.io/"},
		"rebootpolicies.example.com/a":          {Name: "a", Unknown: "rebootpolicies.example.com/"},
	} {
		if got := app.ParseName(arg); got != want {
			t.Errorf("%s names %+v, want %+v", arg, got, want)
		}
	}
}
