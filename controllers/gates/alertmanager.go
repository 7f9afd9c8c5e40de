package gates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// alertmanagerGate is an Alertmanager without alerts while nothing is in the way.
type alertmanagerGate struct{ *v1alpha1.AlertmanagerGate }

func alertmanagerGates(policy *v1alpha1.RebootPolicy) []gate {
	return gatesOf(policy.Spec.Gates.Alertmanager, func(g *v1alpha1.AlertmanagerGate) gate { return alertmanagerGate{g} })
}

func (g alertmanagerGate) name() string { return g.Name }

func (g alertmanagerGate) check() (field string, err error) {
	return "matchers", checkMatchers(g.Matchers)
}

func (g alertmanagerGate) onError() v1alpha1.Requirement { return g.OnError }

func (g alertmanagerGate) timeout() time.Duration { return timeoutOf(g.TimeoutSeconds) }

func (g alertmanagerGate) ask(ctx context.Context, a *Asker, _ model.GateQuery) (reply, error) {
	return found(g.obstacle(ctx, a))
}

// obstacle says which alerts there are that are neither silenced nor inhibited.
func (g alertmanagerGate) obstacle(ctx context.Context, a *Asker) (string, error) {
	server, err := a.serverOf(ctx, g.URL, &g.GateConnection)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.alertsURL(), nil)
	if err != nil {
		return "", say(err, "its url is none")
	}
	request.Header.Set("Accept", "application/json")
	response, err := server.client().Do(request)
	if err != nil {
		return "", atServer(g.URL, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", say(complaint(response), "%s: %s", g.URL, statusProblem(response.StatusCode))
	}
	alerts, err := decodeAlerts(response.Body)
	switch {
	case err != nil:
		return "", atServer(g.URL, err)
	case len(alerts) == 0:
		return "", nil
	}
	rows := make([]map[string]string, 0, len(alerts))
	for i := range alerts {
		rows = append(rows, alerts[i].Labels)
	}
	a.note(g.Name, rows)
	return fmt.Sprintf("Gate %s: alerts of %s: %s.", g.Name, g.URL, enumerate(alertNames(rows))), nil
}

// alert is what Alertmanager says of one.
type alert struct {
	Labels map[string]string `json:"labels"`
}

// decodeAlerts requires a list: that there is none says nothing about alerts.
func decodeAlerts(body io.Reader) ([]alert, error) {
	var alerts []alert
	err := json.NewDecoder(body).Decode(&alerts)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, io.EOF) || err == nil && alerts == nil {
		return nil, say(err, "the answer is not that of an Alertmanager")
	}
	return alerts, err
}

// alertsURL asks for what is active: alerts that are neither silenced nor inhibited, and those that came in a moment ago.
func (g alertmanagerGate) alertsURL() string {
	query := url.Values{
		"active": {"true"}, "silenced": {"false"}, "inhibited": {"false"}, "unprocessed": {"true"},
	}
	for i := range g.Matchers {
		m := &g.Matchers[i]
		query.Add("filter", m.Name+string(m.MatchType)+strconv.Quote(valueOf(m)))
	}
	return strings.TrimRight(g.URL, "/") + "/api/v2/alerts?" + query.Encode()
}

// complaint is what a server says about a request that it does not understand, for the log.
func complaint(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 256))
	if err != nil {
		return err
	}
	return errors.New(string(text))
}
