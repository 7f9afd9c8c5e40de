package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

func TestParseOptionsReadsTheClusterWideLimitAndRefusesWhatIsNone(t *testing.T) {
	for name, test := range map[string]struct {
		value   string
		want    *intstr.IntOrString
		wantErr bool
	}{
		"empty is no limit":            {value: "", want: nil},
		"zero is zero":                 {value: "0", want: ptr.To(intstr.FromInt32(0))},
		"a number":                     {value: "3", want: ptr.To(intstr.FromInt32(3))},
		"a percentage":                 {value: "10%", want: ptr.To(intstr.FromString("10%"))},
		"all nodes":                    {value: "100%", want: ptr.To(intstr.FromString("100%"))},
		"a negative number":            {value: "-1", wantErr: true},
		"more than all nodes":          {value: "150%", wantErr: true},
		"a fraction":                   {value: "0.5", wantErr: true},
		"a word":                       {value: "all", wantErr: true},
		"a number that fits no int32":  {value: "4294967297", wantErr: true},
		"a percentage without a digit": {value: "%", wantErr: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseOptions([]string{"--namespace=ns", "--max-unavailable=" + test.value}, noEnvironment)
			if (err != nil) != test.wantErr {
				t.Fatalf("error %v, want one: %t", err, test.wantErr)
			}
			if test.wantErr {
				return
			}
			if diff := cmp.Diff(test.want, got.maxUnavailable); diff != "" {
				t.Errorf("limit (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseOptionsReadsTheLabelsOfQuorumNodesAndRefusesWhatIsNoLabelKey(t *testing.T) {
	for name, test := range map[string]struct {
		value   string
		want    []string
		wantErr string
	}{
		"empty is none":            {value: ""},
		"a key":                    {value: "example.com/etcd", want: []string{"example.com/etcd"}},
		"several, in order":        {value: "example.com/etcd, etcd,example.com/a", want: []string{"etcd", "example.com/a", "example.com/etcd"}},
		"one twice":                {value: "etcd,etcd", want: []string{"etcd"}},
		"a key with a value":       {value: "etcd=true", wantErr: "write the key of a label"},
		"a key that is none":       {value: "etcd,-", wantErr: `"-"`},
		"nothing between commas":   {value: "etcd,,a", wantErr: "write the key of a label"},
		"two prefixes":             {value: "a/b/c", wantErr: `"a/b/c"`},
		"a prefix without a name":  {value: "example.com/", wantErr: `"example.com/"`},
		"a selector of a label":    {value: "!etcd", wantErr: `"!etcd"`},
		"something that is quoted": {value: `"etcd"`, wantErr: "write the key of a label"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseOptions([]string{"--namespace=ns", "--quorum-node-labels=" + test.value}, noEnvironment)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error %v, want one with %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.quorumLabels); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseOptionsReadsTheAddressesOfGatesAndRefusesWhatIsNoCIDR(t *testing.T) {
	for value, want := range map[string]string{
		"":                              "[]",
		"127.0.0.0/8":                   "[127.0.0.0/8]",
		"127.0.0.0/8, 169.254.20.10/32": "[127.0.0.0/8 169.254.20.10/32]",
		"::1/128":                       "[::1/128]",
		"127.0.0.1":                     "",
		"127.0.0.1/8":                   "",
		"localhost":                     "",
		"127.0.0.0/8,":                  "",
		"127.0.0.0/33":                  "",
	} {
		got, err := parseOptions([]string{"--namespace=ns", "--gate-allowed-cidrs=" + value}, noEnvironment)
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), "write CIDRs")):
			t.Errorf("%q: error %v", value, err)
		case want != "" && (err != nil || fmt.Sprint(got.gateAllowedCIDRs) != want):
			t.Errorf("%q: %v, error %v", value, got, err)
		}
	}
}

func TestParseOptionsReadsTheNamespacesOfLeases(t *testing.T) {
	for name, test := range map[string]struct {
		value   string
		want    []string
		wantErr string
	}{
		"empty is none":          {value: ""},
		"a namespace":            {value: "medik8s-leases", want: []string{"medik8s-leases"}},
		"several, in order":      {value: "b, a,b", want: []string{"a", "b"}},
		"all of them":            {value: "*", wantErr: `"*"`},
		"nothing between commas": {value: "a,,b", wantErr: "write the name of a namespace, such as medik8s-leases"},
		"a path":                 {value: "a/node-b", wantErr: `"a/node-b"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseOptions([]string{"--namespace=ns", "--maintenance-lease-namespaces=" + test.value}, noEnvironment)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error %v, want one with %q", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.leaseNamespaces); diff != "" {
				t.Errorf("namespaces (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseOptionsTakesItsNodeFromTheEnvironment(t *testing.T) {
	environment := func(name string) string { return map[string]string{"NODE_NAME": "n1"}[name] }
	got, err := parseOptions([]string{"--namespace=ns"}, environment)
	if err != nil || got.nodeName != "n1" {
		t.Errorf("node %q, error %v", got.nodeName, err)
	}
}

func TestParseOptionsTakesTheNamespaceFromTheEnvironmentUnlessAFlagNamesIt(t *testing.T) {
	environment := func(name string) string { return map[string]string{"POD_NAMESPACE": "from-env"}[name] }
	for name, test := range map[string]struct {
		args   []string
		getenv func(string) string
		want   string
	}{
		"environment":     {getenv: environment, want: "from-env"},
		"flag goes first": {args: []string{"--namespace=from-flag"}, getenv: environment, want: "from-flag"},
		"neither":         {getenv: noEnvironment},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseOptions(test.args, test.getenv)
			if (err != nil) != (test.want == "") {
				t.Fatalf("error %v", err)
			}
			if err == nil && got.namespace != test.want {
				t.Errorf("namespace %q, want %q", got.namespace, test.want)
			}
		})
	}
}

func TestParseOptionsPublishesNodeConditionsAndSecuresMetricsUnlessTold(t *testing.T) {
	got, err := parseOptions([]string{"--namespace=ns"}, noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	if !got.publishNodeConditions || !got.metricsSecure || got.leaderElect || got.metricsAddress != "0" {
		t.Errorf("defaults %+v", got)
	}
	got, err = parseOptions([]string{"--namespace=ns", "--publish-node-conditions=false", "--metrics-secure=false"}, noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	server, _, err := got.metricsServer(nil)
	if got.publishNodeConditions || got.metricsSecure || server.FilterProvider != nil || err != nil {
		t.Errorf("switched off: %+v", got)
	}
}

func TestParseOptionsRefusesArgumentsThatAreNoFlags(t *testing.T) {
	if _, err := parseOptions([]string{"--namespace=ns", "run"}, noEnvironment); err == nil {
		t.Error("no error for an argument that is no flag")
	}
}

func noEnvironment(string) string { return "" }

func TestEveryInstallationGivesArgumentsThatTheManagerTakes(t *testing.T) {
	all, err := manifests.All()
	if err != nil {
		t.Fatal(err)
	}
	for name, objects := range all {
		container, err := objects.Container("manager")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseOptions(container.Args, noEnvironment); err != nil {
			t.Errorf("%s: arguments %q: %v", name, container.Args, err)
		}
	}
}
