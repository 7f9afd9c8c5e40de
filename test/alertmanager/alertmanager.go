// Package alertmanager runs a real Alertmanager in tests.
package alertmanager

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/program"
)

// patient asks a program that may be slow, and not forever.
var patient = &http.Client{Timeout: await.Limit}

// Server is a program that serves HTTP on loopback.
type Server struct {
	t testing.TB
	// Address is host and port, and URL the same with its scheme.
	Address, URL string
}

// At is a server at an address.
func At(t testing.TB, address string) Server {
	return Server{t: t, Address: address, URL: "http://" + address}
}

// Start starts an Alertmanager that notifies nobody. An alert ClusterDown inhibits those with severity="warning".
func Start(t testing.TB) Server {
	t.Helper()
	path := program.Find(t, "prometheus-alertmanager", "alertmanager")
	config := program.File(t, "alertmanager.yaml", `
route: {receiver: none, group_wait: 0s}
receivers: [{name: none}]
inhibit_rules:
- source_matchers: [alertname="ClusterDown"]
  target_matchers: [severity="warning"]
`)
	s := At(t, program.FreeAddress(t))
	program.Run(t, path, "--config.file="+config, "--storage.path="+t.TempDir(), "--web.listen-address="+s.Address,
		"--cluster.listen-address=", "--log.level=warn")
	s.AwaitReady()
	return s
}

// AwaitReady waits until the server says that it is ready.
func (s Server) AwaitReady() {
	s.t.Helper()
	await.True(s.t, s.URL+" is ready", func() bool {
		response, err := patient.Get(s.URL + "/-/ready")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	})
}

// Send sends JSON, and returns the answer.
func (s Server) Send(method, path string, body any) []byte {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequest(method, s.URL+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := patient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s %s %v", method, path, response.Status, answer, err)
	}
	return answer
}

// Alert has an alert fire.
func (s Server) Alert(labels map[string]string) {
	s.t.Helper()
	s.Send(http.MethodPost, "/api/v2/alerts", []any{map[string]any{"labels": labels}})
}

// Shown reports whether an alert is neither silenced nor inhibited: someone is paged.
func (s Server) Shown(name string) bool {
	s.t.Helper()
	query := url.Values{"silenced": {"false"}, "inhibited": {"false"}, "filter": {"alertname=" + name}}
	var alerts []any
	if err := json.Unmarshal(s.Send(http.MethodGet, "/api/v2/alerts?"+query.Encode(), nil), &alerts); err != nil {
		s.t.Fatal(err)
	}
	return len(alerts) > 0
}

// Silence is a silence, as Alertmanager lists it.
type Silence struct {
	ID        string           `json:"id,omitempty"`
	Matchers  []map[string]any `json:"matchers"`
	StartsAt  time.Time        `json:"startsAt"`
	EndsAt    time.Time        `json:"endsAt"`
	CreatedBy string           `json:"createdBy"`
	Comment   string           `json:"comment"`
	Status    *State           `json:"status,omitempty"`
}

// State is the state of a silence.
type State struct {
	State string `json:"state"`
}

// Silences are all that there are, also those that have expired.
func (s Server) Silences() []Silence {
	s.t.Helper()
	var silences []Silence
	if err := json.Unmarshal(s.Send(http.MethodGet, "/api/v2/silences", nil), &silences); err != nil {
		s.t.Fatal(err)
	}
	return silences
}

// Active are the silences that are in force.
func (s Server) Active() []Silence {
	s.t.Helper()
	var active []Silence
	for _, silence := range s.Silences() {
		if silence.Status.State == "active" {
			active = append(active, silence)
		}
	}
	return active
}

// Silence makes a silence, and returns its ID.
func (s Server) Silence(silence *Silence) string {
	s.t.Helper()
	silence.Status = nil
	var answer struct{ SilenceID string }
	if err := json.Unmarshal(s.Send(http.MethodPost, "/api/v2/silences", silence), &answer); err != nil || answer.SilenceID == "" {
		s.t.Fatalf("no silence: %v", err)
	}
	return answer.SilenceID
}

// Expire ends a silence.
func (s Server) Expire(id string) {
	s.t.Helper()
	s.Send(http.MethodDelete, "/api/v2/silence/"+id, nil)
}
