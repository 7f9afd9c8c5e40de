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
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/silence"
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

// obstacle says which alerts there are that are neither silenced nor inhibited. What only silences of the operator hide is there as well,
// unless it is about a node that they are for: those are made for pages, and say nothing about whether another node may go.
func (g alertmanagerGate) obstacle(ctx context.Context, a *Asker) (string, error) {
	server, err := a.serverOf(ctx, g.URL, &g.GateConnection)
	if err != nil {
		return "", err
	}
	am := &alertmanagerAPI{target: server, now: a.options.Clock.Now()}
	body, err := am.request(ctx, http.MethodGet, "/api/v2/alerts?"+g.alertsQuery(), nil)
	if err != nil {
		return "", err
	}
	alerts, err := decodeAlerts(body)
	_ = body.Close()
	if err != nil {
		return "", atServer(g.URL, err)
	}
	shown, hidden := split(alerts)
	if len(shown) > 0 {
		return g.inTheWay(a, shown, ""), nil
	}
	if hidden, err = am.unexpected(ctx, hidden); err != nil || len(hidden) == 0 {
		return "", err
	}
	return g.inTheWay(a, hidden, ", which only silences of the operator hide"), nil
}

// inTheWay names alerts.
func (g alertmanagerGate) inTheWay(a *Asker, alerts []alert, hidden string) string {
	rows := make([]map[string]string, 0, len(alerts))
	for i := range alerts {
		rows = append(rows, alerts[i].Labels)
	}
	a.note(g.Name, rows)
	return fmt.Sprintf("Gate %s: alerts of %s%s: %s.", g.Name, g.URL, hidden, enumerate(alertNames(rows)))
}

// alert is what Alertmanager says of one.
type alert struct {
	Labels map[string]string `json:"labels"`
	Status struct {
		InhibitedBy []string `json:"inhibitedBy"`
		SilencedBy  []string `json:"silencedBy"`
	} `json:"status"`
}

// split tells alerts that are shown from those that silences hide. What is inhibited is hidden by another alert, and left out.
func split(alerts []alert) (shown, hidden []alert) {
	for i := range alerts {
		switch a := &alerts[i]; {
		case len(a.Status.InhibitedBy) > 0:
		case len(a.Status.SilencedBy) > 0:
			hidden = append(hidden, *a)
		default:
			shown = append(shown, *a)
		}
	}
	return shown, hidden
}

// unexpected are those of the alerts that only silences of the operator hide, and that are not about the nodes of these silences.
func (am *alertmanagerAPI) unexpected(ctx context.Context, hidden []alert) ([]alert, error) {
	if len(hidden) == 0 {
		return nil, nil
	}
	am.most = maxSilences
	hiding := map[string]*hider{}
	for i := range hidden {
		for _, id := range hidden[i].Status.SilencedBy {
			hiding[id] = nil
		}
	}
	err := am.each(ctx, nil, func(s *wireSilence) error {
		if _, hides := hiding[s.ID]; hides {
			hiding[s.ID] = newHider(s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, h := range hiding {
		if h == nil {
			return nil, say(nil, "%s: it does not list a silence that hides an alert", am.url)
		}
	}
	return slices.DeleteFunc(hidden, func(a alert) bool {
		return slices.ContainsFunc(a.Status.SilencedBy, func(id string) bool { return hiding[id].rightly(a.Labels) })
	}), nil
}

// hider is what matters of a silence that hides an alert.
type hider struct {
	// ours: the operator made it.
	ours     bool
	key      silence.Key
	matchers []silence.Matcher
}

func newHider(s *wireSilence) *hider {
	key, ours := s.ours()
	if !ours {
		return &hider{}
	}
	return &hider{ours: true, key: key, matchers: s.matchers()}
}

// rightly says that an alert which the silence hides is in no node's way: a person hid it, or it is about the node that is under way.
func (h *hider) rightly(labels map[string]string) bool {
	return !h.ours || silence.About(h.key, h.matchers, labels)
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

// alertsQuery asks for what is active or silenced: alerts that are not inhibited, and those that came in a moment ago.
func (g alertmanagerGate) alertsQuery() string {
	query := url.Values{
		"active": {"true"}, "silenced": {"true"}, "inhibited": {"false"}, "unprocessed": {"true"},
	}
	for i := range g.Matchers {
		m := &g.Matchers[i]
		query.Add("filter", m.Name+string(m.MatchType)+strconv.Quote(valueOf(m)))
	}
	return query.Encode()
}

// complaint is what a server says about a request that it does not understand, for the log.
func complaint(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 256))
	if err != nil {
		return err
	}
	return errors.New(string(text))
}
