package gates

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	commonmodel "github.com/prometheus/common/model"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// mostRows is how many rows are asked for; a few of them are told.
const mostRows = 100

// prometheusGate is a query of a Prometheus that has no rows while nothing is in the way.
type prometheusGate struct{ *v1alpha1.PrometheusGate }

func prometheusGates(policy *v1alpha1.RebootPolicy) []gate {
	return gatesOf(policy.Spec.Gates.Prometheus, func(g *v1alpha1.PrometheusGate) gate { return prometheusGate{g} })
}

func (g prometheusGate) name() string { return g.Name }

func (g prometheusGate) check() (field string, err error) {
	if g.Alerts == nil {
		return "", nil
	}
	if _, err := regexp.Compile(g.Alerts.Ignore); err != nil {
		return "alerts.ignore", err
	}
	if _, err := regexp.Compile(g.Alerts.Only); err != nil {
		return "alerts.only", err
	}
	return "alerts.matchers", checkMatchers(g.Alerts.Matchers)
}

func (g prometheusGate) onError() v1alpha1.Requirement { return g.OnError }

func (g prometheusGate) timeout() time.Duration { return timeoutOf(g.TimeoutSeconds) }

func (g prometheusGate) ask(ctx context.Context, a *Asker, _ model.GateQuery) (reply, error) {
	return found(g.obstacle(ctx, a))
}

// obstacle says which rows a query has, or which alerts there are.
func (g prometheusGate) obstacle(ctx context.Context, a *Asker) (string, error) {
	httpClient, err := a.httpClient(ctx, &g.GateConnection)
	if err != nil {
		return "", err
	}
	client, err := api.NewClient(api.Config{Address: g.URL, Client: httpClient})
	if err != nil {
		return "", err
	}
	query := g.Query
	if g.Alerts != nil {
		query = alertQuery(g.Alerts)
	}
	// The server's own clock says what now is.
	value, warnings, _, err := prometheusv1.NewAPI(client).Query(ctx, query, time.Time{}, prometheusv1.WithLimit(mostRows))
	if err != nil {
		return "", fmt.Errorf("%s: %w", g.URL, err)
	}
	rows, err := rowsOf(value)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", g.URL, err)
	case len(rows) == 0 && len(warnings) > 0:
		return "", fmt.Errorf("%s: there is no row, and the answer may not be complete: %s", g.URL, strings.Join(warnings, "; "))
	case len(rows) == 0:
		return "", nil
	case g.Alerts != nil:
		return fmt.Sprintf("Gate %s: alerts of %s: %s.", g.Name, g.URL, enumerate(rows)), nil
	}
	return fmt.Sprintf("Gate %s: the query has rows at %s: %s.", g.Name, g.URL, enumerate(rows)), nil
}

// alertQuery is the query for the alerts that block. Prometheus itself compares, as it does in its own rules.
func alertQuery(filter *v1alpha1.AlertFilter) string {
	var parts []string
	add := func(name string, match v1alpha1.MatchType, value string) {
		parts = append(parts, name+string(match)+strconv.Quote(value))
	}
	if filter.State == v1alpha1.AlertFiringOrPending {
		add("alertstate", v1alpha1.MatchRegexp, "firing|pending")
	} else {
		add("alertstate", v1alpha1.MatchEqual, "firing")
	}
	if filter.Only != "" {
		add(commonmodel.AlertNameLabel, v1alpha1.MatchRegexp, filter.Only)
	}
	if filter.Ignore != "" {
		add(commonmodel.AlertNameLabel, v1alpha1.MatchNotRegexp, filter.Ignore)
	}
	for i := range filter.Matchers {
		m := &filter.Matchers[i]
		add(m.Name, m.MatchType, valueOf(m))
	}
	return "ALERTS{" + strings.Join(parts, ",") + "}"
}

func valueOf(m *v1alpha1.LabelMatcher) string {
	if m.Value == nil {
		return ""
	}
	return *m.Value
}

// rowsOf an answer, as text, sorted. Values are left out, for they change all the time.
func rowsOf(value commonmodel.Value) ([]string, error) {
	vector, ok := value.(commonmodel.Vector)
	if !ok {
		return nil, fmt.Errorf("the query gives a %s: write one that has rows while nothing may start, such as up == 0", typeOf(value))
	}
	rows := make([]string, 0, len(vector))
	for _, sample := range vector {
		labels := make(map[string]string, len(sample.Metric))
		for name, value := range sample.Metric {
			labels[string(name)] = string(value)
		}
		rows = append(rows, describe(labels))
	}
	slices.Sort(rows)
	return slices.Compact(rows), nil
}

func typeOf(value commonmodel.Value) string {
	if value == nil {
		return "answer that is empty"
	}
	return value.Type().String()
}

// describe names an alert or a series: its name, and its labels in order.
func describe(labels map[string]string) string {
	const most = 250
	name := labels[commonmodel.AlertNameLabel]
	if name == "" {
		name = labels[commonmodel.MetricNameLabel]
	}
	var parts []string
	for label, value := range labels {
		if label != commonmodel.AlertNameLabel && label != commonmodel.MetricNameLabel && (label != "alertstate" || value != "firing") {
			parts = append(parts, label+"="+strconv.Quote(value))
		}
	}
	slices.Sort(parts)
	return shortened(name+"{"+strings.Join(parts, ", ")+"}", most)
}
