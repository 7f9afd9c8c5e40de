package gates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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

// ask reports alerts that are neither silenced nor inhibited. An alert that only silences of the operator hide also blocks. If it is about
// a node that the silences are for, it is excused while that node is under way: the plan knows which nodes are.
func (g alertmanagerGate) ask(ctx context.Context, a *Asker, _ model.GateQuery) (reply, error) {
	server, err := a.serverOf(ctx, g.URL, &g.GateConnection)
	if err != nil {
		return reply{}, err
	}
	am := &alertmanagerAPI{target: server, now: a.options.Clock.Now()}
	body, err := am.request(ctx, http.MethodGet, "/api/v2/alerts?"+g.alertsQuery(), nil)
	if err != nil {
		return reply{}, err
	}
	alerts, err := decodeAlerts(body)
	_ = body.Close()
	if err != nil {
		return reply{}, atServer(g.URL, err)
	}
	shown, hidden := split(alerts)
	if len(shown) > 0 || len(hidden) == 0 {
		return found(g.inTheWay(a, shown, ""), nil)
	}
	hiders, err := am.hiders(ctx, hidden)
	if err != nil {
		return reply{}, err
	}
	return g.judge(a, hidden, hiders), nil
}

// byOperator is said about alerts that people do not hide.
const byOperator = ", which only silences of the operator hide"

// judge what silences hide.
func (g alertmanagerGate) judge(a *Asker, hidden []alert, hiders map[string]*hider) reply {
	var unexpected []alert
	excused := map[string][]alert{}
	by := map[string][]model.AttemptID{}
	for i := range hidden {
		attempts, byPerson := hidden[i].excusedBy(hiders)
		key := fmt.Sprint(attempts)
		switch {
		case byPerson:
		case len(attempts) == 0:
			unexpected = append(unexpected, hidden[i])
		default:
			excused[key], by[key] = append(excused[key], hidden[i]), attempts
		}
	}
	if len(unexpected) > 0 {
		return reply{GateAnswer: model.GateAnswer{Obstacle: g.inTheWay(a, unexpected, byOperator)}}
	}
	var answer model.GateAnswer
	for key, alerts := range excused {
		answer.Excused = append(answer.Excused, model.Excused{By: by[key], Obstacle: g.inTheWay(a, alerts, byOperator)})
	}
	slices.SortFunc(answer.Excused, func(x, y model.Excused) int { return slices.CompareFunc(x.By, y.By, model.CompareAttempts) })
	return reply{GateAnswer: answer}
}

// inTheWay names alerts; nothing if there are none.
func (g alertmanagerGate) inTheWay(a *Asker, alerts []alert, hidden string) string {
	if len(alerts) == 0 {
		return ""
	}
	rows := make([]map[string]string, 0, len(alerts))
	for i := range alerts {
		rows = append(rows, alerts[i].Labels)
	}
	a.note(g.Name, rows)
	return fmt.Sprintf("Gate %s: alerts of %s%s: %s.", g.Name, g.URL, hidden, enumerate(alertNames(rows)))
}

// alert is what Alertmanager says about one.
type alert struct {
	Labels map[string]string `json:"labels"`
	Status struct {
		InhibitedBy []string `json:"inhibitedBy"`
		SilencedBy  []string `json:"silencedBy"`
	} `json:"status"`
}

// split separates alerts that are shown from alerts that silences hide. Inhibited alerts are hidden by another alert, and left out.
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

// maxAsked is how many silences are asked for one by one. If there are more, all silences of the last days are listed.
const maxAsked = 10

// hiders are the silences that hide alerts, by their IDs.
func (am *alertmanagerAPI) hiders(ctx context.Context, hidden []alert) (map[string]*hider, error) {
	hiders := map[string]*hider{}
	for i := range hidden {
		for _, id := range hidden[i].Status.SilencedBy {
			hiders[id] = nil
		}
	}
	if len(hiders) > maxAsked {
		am.most = maxSilences
		err := am.each(ctx, nil, func(s *wireSilence) error {
			if _, hides := hiders[s.ID]; hides {
				hiders[s.ID] = newHider(s)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	} else {
		for _, id := range slices.Sorted(maps.Keys(hiders)) {
			s, err := am.silence(ctx, id)
			if err != nil && am.status != http.StatusNotFound {
				return nil, err
			}
			if err == nil {
				hiders[id] = newHider(s)
			}
		}
	}
	for _, h := range hiders {
		if h == nil {
			return nil, say(nil, "%s: it does not list a silence that hides an alert: a gate also needs GET /api/v2/silence/..., also where "+
				"there is a proxy", am.url)
		}
	}
	return hiders, nil
}

// hider is what matters of a silence that hides an alert.
type hider struct {
	// ours: an operator made it. Known says what for: a silence that an operator of another version made, or that was changed since, is about
	// no node.
	ours, known bool
	key         silence.Key
	matchers    []silence.Matcher
}

func newHider(s *wireSilence) *hider {
	key, known := s.ours()
	return &hider{ours: s.CreatedBy == silence.Creator, known: known, key: key, matchers: s.matchers()}
}

// excusedBy are the attempts that the alert is about, of those whose silences hide it. An alert that a person also hides blocks no node.
func (a *alert) excusedBy(hiders map[string]*hider) (attempts []model.AttemptID, byPerson bool) {
	for _, id := range a.Status.SilencedBy {
		switch h := hiders[id]; {
		case !h.ours:
			return nil, true
		case h.known && silence.About(h.key, h.matchers, a.Labels):
			attempts = append(attempts, model.AttemptID{Node: h.key.Node, RebootUID: h.key.RebootUID, Number: h.key.Attempt})
		}
	}
	slices.SortFunc(attempts, model.CompareAttempts)
	return slices.Compact(attempts), false
}

// decodeAlerts requires a list: that there is none says nothing about alerts.
func decodeAlerts(body io.Reader) ([]alert, error) {
	var alerts []alert
	err := json.NewDecoder(body).Decode(&alerts)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, io.EOF) || err == nil && alerts == nil {
		return nil, say(err, "it does not answer as Alertmanager does")
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
