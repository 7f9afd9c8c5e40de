package gates

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	commonmodel "github.com/prometheus/common/model"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// mostRows is how many rows are asked for; a few of them are reported.
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

// obstacle says that a query has rows, or which alerts there are.
func (g prometheusGate) obstacle(ctx context.Context, a *Asker) (string, error) {
	server, err := a.serverOf(ctx, g.URL, &g.GateConnection)
	if err != nil {
		return "", err
	}
	client, err := api.NewClient(api.Config{Address: g.URL, Client: server.client()})
	if err != nil {
		return "", say(err, "its url is not a valid URL")
	}
	query := g.Query
	if g.Alerts != nil {
		query = alertQuery(g.Alerts)
	}
	// The server's own clock says what now is.
	value, warnings, _, err := prometheusv1.NewAPI(client).Query(ctx, query, time.Time{}, prometheusv1.WithLimit(mostRows))
	if err != nil {
		return "", say(err, "%s: %s", g.URL, prometheusProblem(err, server.status))
	}
	vector, ok := value.(commonmodel.Vector)
	switch {
	case !ok:
		return "", say(nil, "%s: the query gives a %s: write one that has rows while nothing may start, such as up == 0", g.URL, typeOf(value))
	case len(vector) == 0 && len(warnings) > 0:
		cause := errors.New(strings.Join(warnings, "; "))
		return "", say(cause, "%s: the answer has no row, and may be incomplete: it comes with a warning", g.URL)
	case len(vector) == 0:
		return "", nil
	}
	return g.blocked(a, vector), nil
}

// blocked says what is in the way. Labels of rows are not repeated: they are about objects that the policy's author may not be allowed to
// see. Where the query is ours, the name of an alert is what the author of its rule called it.
func (g prometheusGate) blocked(a *Asker, vector commonmodel.Vector) string {
	rows := make([]map[string]string, 0, len(vector))
	for _, sample := range vector {
		labels := make(map[string]string, len(sample.Metric))
		for name, value := range sample.Metric {
			labels[string(name)] = string(value)
		}
		rows = append(rows, labels)
	}
	a.note(g.Name, rows)
	if g.Alerts == nil {
		return fmt.Sprintf("Gate %s: the query has rows at %s.", g.Name, g.URL)
	}
	return fmt.Sprintf("Gate %s: alerts of %s: %s.", g.Name, g.URL, enumerate(alertNames(rows)))
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
		add(commonmodel.AlertNameLabel, v1alpha1.MatchRegexp, nameExpression(filter.Match, filter.Only))
	}
	if filter.Ignore != "" {
		add(commonmodel.AlertNameLabel, v1alpha1.MatchNotRegexp, nameExpression(filter.Match, filter.Ignore))
	}
	for i := range filter.Matchers {
		m := &filter.Matchers[i]
		add(m.Name, m.MatchType, valueOf(m))
	}
	return "ALERTS{" + strings.Join(parts, ",") + "}"
}

// nameExpression is an expression that Prometheus matches with whole names, and that matches the names that the filter means.
func nameExpression(match v1alpha1.AlertMatch, expression string) string {
	if match != v1alpha1.AlertMatchAnywhere {
		return expression
	}
	// An expression may end within a quotation, \Q, which would reach over what follows. As it is printed it has none.
	if parsed, err := syntax.Parse(expression, syntax.Perl); err == nil && strings.Contains(expression, `\Q`) {
		expression = parsed.String()
	}
	const anything = "(?s:.*)"
	return anything + "(?:" + expression + ")" + anything
}

func valueOf(m *v1alpha1.LabelMatcher) string {
	if m.Value == nil {
		return ""
	}
	return *m.Value
}

func typeOf(value commonmodel.Value) string {
	if value == nil {
		return "answer that is empty"
	}
	return value.Type().String()
}
