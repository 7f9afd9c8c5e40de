package gates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

var errNotJSON = errors.New("the answer is not that of an Alertmanager")

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
	httpClient, err := a.httpClient(ctx, &g.GateConnection)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.alertsURL(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", "application/json")
	response, err := httpClient.Do(request)
	if err != nil {
		var requested *url.Error
		if errors.As(err, &requested) {
			err = requested.Err // The rest repeats the url with the whole query.
		}
		return "", fmt.Errorf("%s: %w", g.URL, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: it answers %s%s", g.URL, response.Status, complaint(response))
	}
	alerts, err := decodeAlerts(response.Body)
	switch {
	case errors.Is(err, errTooLong) || err != nil && ctx.Err() != nil:
		return "", fmt.Errorf("%s: %w", g.URL, err)
	case err != nil:
		return "", fmt.Errorf("%s: %w", g.URL, errNotJSON)
	case len(alerts) == 0:
		return "", nil
	}
	names := make([]string, 0, len(alerts))
	for i := range alerts {
		names = append(names, describe(alerts[i].Labels))
	}
	slices.Sort(names)
	return fmt.Sprintf("Gate %s: alerts of %s: %s.", g.Name, g.URL, enumerate(slices.Compact(names))), nil
}

// alert is what Alertmanager says of one.
type alert struct {
	Labels map[string]string `json:"labels"`
}

// decodeAlerts requires a list: that there is none says nothing about alerts.
func decodeAlerts(body io.Reader) ([]alert, error) {
	var alerts []alert
	err := json.NewDecoder(body).Decode(&alerts)
	if err == nil && alerts == nil {
		err = errNotJSON
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

// complaint is what a server says about a request that it does not understand; of other answers the status says enough, and their text may
// differ each time.
func complaint(response *http.Response) string {
	if response.StatusCode != http.StatusBadRequest {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 256))
	if err != nil || len(text) == 0 {
		return ""
	}
	return ": " + string(text)
}
