package gates

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// gate is one gate of a policy; one of the fields after the policy is set, or none for capacity.
type gate struct {
	policy       *v1alpha1.RebootPolicy
	pods         *v1alpha1.PodGate
	prometheus   *v1alpha1.PrometheusGate
	alertmanager *v1alpha1.AlertmanagerGate
	object       *v1alpha1.ObjectGate
}

// find returns the gate that a question is for; nil if there is none any more.
func find(policies []*v1alpha1.RebootPolicy, q model.GateKey) *gate {
	for _, policy := range policies {
		if policy.Name == q.Policy && policy.Generation == q.Generation {
			return findIn(policy, q)
		}
	}
	return nil
}

func findIn(policy *v1alpha1.RebootPolicy, q model.GateKey) *gate {
	g, spec := &gate{policy: policy}, &policy.Spec.Gates
	switch q.Kind {
	case model.GatePods:
		g.pods = named(spec.Pods, q.Gate, func(p *v1alpha1.PodGate) string { return p.Name })
	case model.GatePrometheus:
		g.prometheus = named(spec.Prometheus, q.Gate, func(p *v1alpha1.PrometheusGate) string { return p.Name })
	case model.GateAlertmanager:
		g.alertmanager = named(spec.Alertmanager, q.Gate, func(p *v1alpha1.AlertmanagerGate) string { return p.Name })
	case model.GateObjects:
		g.object = named(spec.Objects, q.Gate, objectGateName)
	case model.GateRecovery:
		g.object = named(policy.Spec.Recovery.Objects, q.Gate, objectGateName)
	case model.GateCapacity:
		return g
	}
	if g.pods == nil && g.prometheus == nil && g.alertmanager == nil && g.object == nil {
		return nil
	}
	return g
}

func objectGateName(o *v1alpha1.ObjectGate) string { return o.Name }

func named[T any](list []T, name string, nameOf func(*T) string) *T {
	for i := range list {
		if nameOf(&list[i]) == name {
			return &list[i]
		}
	}
	return nil
}

func (g *gate) onError() v1alpha1.OnGateError {
	switch {
	case g.prometheus != nil:
		return g.prometheus.OnError
	case g.alertmanager != nil:
		return g.alertmanager.OnError
	case g.object != nil:
		return g.object.OnError
	}
	return v1alpha1.OnErrorBlock
}

func (g *gate) timeout() time.Duration {
	var limit *int32
	switch {
	case g.prometheus != nil:
		limit = g.prometheus.TimeoutSeconds
	case g.alertmanager != nil:
		limit = g.alertmanager.TimeoutSeconds
	case g.object != nil:
		limit = g.object.TimeoutSeconds
	}
	if limit == nil {
		return capacityTimeout
	}
	return time.Duration(*limit) * time.Second
}

// evaluate asks one gate, and says when what it answers was so.
func (a *Asker) evaluate(ctx context.Context, g *gate, ask model.GateQuery) (model.GateAnswer, time.Time) {
	at := a.options.Clock.Now()
	var answer model.GateAnswer
	var err error
	switch {
	case g.prometheus != nil:
		answer.Obstacle, err = a.askPrometheus(ctx, g.prometheus)
	case g.alertmanager != nil:
		answer.Obstacle, err = a.askAlertmanager(ctx, g.alertmanager)
	case g.object != nil:
		answer.Obstacle, err = a.askObjects(ctx, g.object)
	default:
		answer.Nodes, at, err = a.askRoom(ctx, g.policy, ask)
	}
	if err != nil {
		return model.GateAnswer{Failure: failure(ctx, err, g.timeout())}, at
	}
	return answer, at
}

// ownPort is the manager's end of a connection, which is another one each time.
var ownPort = regexp.MustCompile(`\S+:\d+->`)

// failure says why a gate could not be asked, in the same words for as long as the reason is the same: every change is written.
func failure(ctx context.Context, err error, timeout time.Duration) string {
	text := err.Error()
	var requested *url.Error
	var dial *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		text = fmt.Sprintf("there was no answer within %s", timeout)
	case errors.As(err, &dial) && dial.Op == "dial":
		text = dial.Error()
	case errors.As(err, &requested):
		text = requested.Err.Error()
	}
	return sentence(ownPort.ReplaceAllString(text, ""))
}

// sentence is text in one line that ends in a full stop.
func sentence(text string) string {
	const most = 512
	text = strings.Join(strings.Fields(text), " ")
	return strings.TrimSuffix(shortened(text, most), ".") + "."
}

// shortened cuts text to a number of bytes, between characters.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

// enumerate names some of what is in the way, which is sorted. How many more there are is not said: that number changes too often.
func enumerate(all []string) string {
	const shown = 3
	if len(all) > shown {
		return strings.Join(all[:shown], ", ") + " and more"
	}
	return strings.Join(all, ", ")
}
