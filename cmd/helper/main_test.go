package main

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/internal/helper"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/manifests"
)

func TestEveryInstallationGivesArgumentsThatTheHelperTakes(t *testing.T) {
	all, err := manifests.All()
	if err != nil {
		t.Fatal(err)
	}
	for name, objects := range all {
		t.Run(name, func(t *testing.T) {
			container, err := objects.Container("helper")
			if err != nil {
				t.Fatal(err)
			}
			f, err := parse(container.Args)
			if err != nil {
				t.Fatalf("arguments %q: %v", container.Args, err)
			}
			if f.rebooter != rebooter.DefaultSocket {
				t.Errorf("the rebooter is looked for at %s", f.rebooter)
			}
			if f.impersonation != helper.ImpersonateAuto {
				t.Errorf("impersonates the node: %s", f.impersonation)
			}
			for _, name := range []string{"POD_NAMESPACE", "POD_NAME"} {
				if !slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == name && e.ValueFrom != nil }) {
					t.Errorf("the helper does not know its pod: %s is missing", name)
				}
			}
		})
	}
}

func TestArgumentsThatMeanNothingAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"drain"}, {"--hammer"}, {"--sentinel=/run/reboot-required"}, {"--poll-interval=soon"}, {"--impersonate-node=true"},
	} {
		if f, err := parse(args); err == nil {
			t.Errorf("%q: %+v", args, f)
		}
	}
}

func TestItCanBeAskedForItsVersion(t *testing.T) {
	if f, err := parse([]string{"--version"}); err != nil || !f.version {
		t.Errorf("flags %+v, error %v", f, err)
	}
}
