package controllers

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// configured is a manager that knows how to reach an API server.
type configured struct {
	manager.Manager
	config *rest.Config
}

func (m configured) GetConfig() *rest.Config     { return m.config }
func (m configured) GetHTTPClient() *http.Client { return http.DefaultClient }

// All pods of a large cluster in JSON take several times the memory and CPU time.
func TestAllNodesPodsAndVolumesAreReadInTheCheapestEncoding(t *testing.T) {
	var accepts []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accepts = append(accepts, r.Header.Get("Accept"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}`)
	}))
	defer server.Close()
	core, storage, err := roomClients(configured{config: &rest.Config{Host: server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = core.Pods(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{})
	_, _ = storage.CSINodes().List(t.Context(), metav1.ListOptions{})
	const want = "application/vnd.kubernetes.protobuf,application/json"
	if len(accepts) != 2 || accepts[0] != want || accepts[1] != want {
		t.Errorf("asked for %q, want %s", accepts, want)
	}
}
