package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
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

// serveKinds is an API server that has all kinds that are built in and those of the operator, and nothing else.
func serveKinds(t *testing.T) *rest.Config {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	groups := &metav1.APIGroupList{}
	paths := map[string]any{"/api": &metav1.APIVersions{Versions: []string{"v1"}}, "/apis": groups}
	for kind := range scheme.AllKnownTypes() {
		path := "/apis/" + kind.GroupVersion().String()
		if kind.Group == "" {
			path = "/api/v1"
		} else if !slices.ContainsFunc(groups.Groups, func(group metav1.APIGroup) bool { return group.Name == kind.Group }) {
			groups.Groups = append(groups.Groups, metav1.APIGroup{
				Name: kind.Group, Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: kind.GroupVersion().String(), Version: kind.Version}},
			})
		}
		list, _ := paths[path].(*metav1.APIResourceList)
		if list == nil {
			list = &metav1.APIResourceList{GroupVersion: kind.GroupVersion().String()}
			paths[path] = list
		}
		plural, _ := meta.UnsafeGuessKindToResource(kind)
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: plural.Resource, Kind: kind.Kind, Namespaced: true})
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

func TestAManagerThatElectsStartsWithLessCollection(t *testing.T) {
	config := serveKinds(t)
	for elects, want := range map[bool]int{true: fillingPercent, false: 25} {
		arguments := []string{"--namespace=system", "--leader-elect=" + strconv.FormatBool(elects)}
		options, err := parseOptions(arguments, func(string) string { return "a" })
		if err != nil {
			t.Fatal(err)
		}
		before := debug.SetGCPercent(25)
		_, err = newManager(config, options, func() {})
		if got := gcPercent(); got != want {
			t.Errorf("%d %% of a manager for which --leader-elect is %t, want %d (error %v)", got, elects, want, err)
		}
		debug.SetGCPercent(before)
	}
}
