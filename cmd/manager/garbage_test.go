package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strconv"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// addedTo collects what is added to a manager.
type addedTo struct {
	manager.Manager
	added []manager.Runnable
}

func (m *addedTo) Add(runnable manager.Runnable) error {
	m.added = append(m.added, runnable)
	return nil
}

// gcPercent is what is set.
func gcPercent() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}

func TestGarbageIsCollectedLessUntilTheCachesAreFilled(t *testing.T) {
	for name, test := range map[string]struct {
		// steady is what the environment says, and while what holds while the caches are filled.
		steady, while int
	}{
		"a quarter, as in the manifest": {steady: 25, while: fillingPercent},
		"more than while they fill":     {steady: 100, while: 100},
		"never":                         {steady: -1, while: -1},
	} {
		t.Run(name, func(t *testing.T) {
			before := debug.SetGCPercent(test.steady)
			defer debug.SetGCPercent(before)
			mgr, filled := &addedTo{}, make(chan struct{})
			if err := collectLessUntil(filled, mgr); err != nil {
				t.Fatal(err)
			}
			if got := gcPercent(); got != test.while {
				t.Errorf("%d %% while the caches are filled, want %d", got, test.while)
			}
			close(filled)
			for _, runnable := range mgr.added {
				if needs, is := runnable.(manager.LeaderElectionRunnable); !is || needs.NeedLeaderElection() {
					t.Error("a manager that stands by never gets there")
				}
				if err := runnable.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := gcPercent(); got != test.steady {
				t.Errorf("%d %% from then on, want %d", got, test.steady)
			}
		})
	}
}

// serveKinds is an API server that says which kinds it has, those that are built in and those of the operator, and has no objects.
func serveKinds(t *testing.T) *rest.Config {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	groups := &metav1.APIGroupList{}
	paths := map[string]any{"/api": &metav1.APIVersions{Versions: []string{"v1"}}, "/apis": groups}
	for _, version := range scheme.PrioritizedVersionsAllGroups() {
		kinds := &metav1.APIResourceList{GroupVersion: version.String()}
		for kind := range scheme.KnownTypes(version) {
			plural, _ := meta.UnsafeGuessKindToResource(version.WithKind(kind))
			kinds.APIResources = append(kinds.APIResources, metav1.APIResource{Name: plural.Resource, Kind: kind, Namespaced: true})
		}
		if version.Group == "" {
			paths["/api/"+version.Version] = kinds
			continue
		}
		paths["/apis/"+version.String()] = kinds
		groups.Groups = append(groups.Groups, metav1.APIGroup{
			Name: version.Group, Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: version.String(), Version: version.Version}},
		})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		answer, found := paths[request.URL.Path]
		if !found {
			http.NotFound(w, request)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

func TestAManagerCollectsLessWhileItStartsIfItElects(t *testing.T) {
	config := serveKinds(t)
	for _, elects := range []bool{false, true} {
		options, err := parseOptions([]string{
			"--namespace=system", "--health-probe-bind-address=0", "--leader-elect=" + strconv.FormatBool(elects),
		}, func(string) string { return "a" })
		if err != nil {
			t.Fatal(err)
		}
		const steady = 25
		before := debug.SetGCPercent(steady)
		_, err = newManager(config, options, func() {})
		got := gcPercent()
		debug.SetGCPercent(before)
		switch {
		case !elects && err != nil: // A second manager of the same process fails later, because it has the same metrics.
			t.Fatal(err)
		case !elects && got != steady, elects && got != fillingPercent:
			t.Errorf("--leader-elect=%t: garbage is collected at %d %% (error %v)", elects, got, err)
		}
	}
}
