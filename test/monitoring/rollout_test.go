package monitoring

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/alertmanager"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const poolLabel = "pool"

// osImages are the operating systems of pools whose hosts are of one that the operator knows.
var osImages = map[string]string{"blind": "Red Hat Enterprise Linux 9.4 (Plow)"}

// elsewhere are the alerts and panels that nothing here provokes, with why. What they ask for is there nevertheless, and
// testdata/stories.yaml fires the alerts.
var elsewhere = map[string]string{
	"fleet.json: Without helper":     "a helper has to be away for five minutes",
	"fleet.json: Unreadable objects": "it takes kinds of another version; test/stored has such objects",
	"alert RebootHelpersNotReady":    "a helper has to be away for five minutes",
	"alert RebootManagerNotLeading":  "the manager here leads without an election",
	"alert RebootUnreadableObject":   "it takes kinds of another version; test/stored has such objects",
}

// selected are the policies that a person would select for a panel which otherwise shows the least of all policies.
var selected = map[string]string{"rollout.json: Next start": "later"}

// bed is a cluster on which every fault that an alert is about happens, to a node of its own.
type bed struct {
	*testbed.Cluster
	t   *testing.T
	ctx context.Context
}

func (b *bed) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// pool adds nodes of a policy, and the policy, if it has any change. All need a reboot.
func (b *bed) pool(name string, nodes int, change func(*v1alpha1.RebootPolicySpec), prepare ...func(*testbed.Host)) {
	b.t.Helper()
	if change != nil {
		policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
		policy.Spec.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{poolLabel: v1alpha1.LabelValue(name)}}
		policy.Spec.Rollout.MinIntervalSeconds = ptr.To[int32](0)
		policy.Spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(3))
		change(&policy.Spec)
		b.check(b.Client().Create(b.ctx, policy))
	}
	for i := range nodes {
		host, err := b.AddNode(b.ctx, testbed.NodeOptions{
			Name: name + "-" + string(rune('1'+i)), Zone: "a", RebootDuration: time.Second, Labels: map[string]string{poolLabel: name},
			OSImage: osImages[name],
		})
		b.check(err)
		for _, change := range prepare {
			change(host)
		}
		host.RequireReboot()
	}
}

// refuseTaints has the API server refuse every write of the manager to one node.
const refuseTaints = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: refuse-taints}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: ["*"], operations: [UPDATE], resources: [nodes]}]
  matchConditions:
  - {name: manager, expression: "request.userInfo.username.endsWith(':reboot-operator-manager') && request.name == 'frozen-1'"}
  validations: [{expression: "false", message: This node is not to be changed.}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: refuse-taints}
spec: {policyName: refuse-taints, validationActions: [Deny]}
`

// unheard is a policy whose Alertmanager and receiver of notifications do not respond, which holds up no reboot.
const unheard = `
apiVersion: v1
kind: Secret
metadata:
  name: reboot-operator-notifications
  namespace: ` + testbed.Namespace + `
  annotations: {reboot-operator.io/allowed-policies: unheard}
stringData: {away: "generic+http://127.0.0.1:1"}
---
apiVersion: reboot-operator.io/v1alpha1
kind: RebootPolicy
metadata: {name: unheard}
spec:
  nodeSelector: {matchLabels: {pool: unheard}}
  rollout: {minIntervalSeconds: 0}
  silences:
  - {name: node-alerts, url: "http://127.0.0.1:1", matchers: [{name: node, value: "{{ .Node }}"}]}
  notifications:
  - {name: away, url: {key: away}}
`

// awaitRefusal waits until the API server refuses, which it begins to do some time after the policy was created.
func (b *bed) awaitRefusal(host *testbed.Host) {
	config := b.Config()
	config.Impersonate.UserName = "system:serviceaccount:" + testbed.Namespace + ":reboot-operator-manager"
	manager, err := client.New(config, client.Options{})
	b.check(err)
	probe := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"example.com/probe":""}}}`))
	await.True(b.t, "writes of the manager to "+host.Name()+" are refused", func() bool {
		err := manager.Patch(b.ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: host.Name()}}, probe, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "not to be changed")
	})
}

// everythingHappens lets one rollout go well, and has something go wrong in others.
func (b *bed) everythingHappens() {
	nothing := func(*v1alpha1.RebootPolicySpec) {}
	held := b.held()
	b.pool("overdue", 1, func(s *v1alpha1.RebootPolicySpec) {
		s.Mode, s.Schedule.MaxDeferralSeconds = v1alpha1.ModePaused, ptr.To[int32](60)
	})
	b.check(b.Apply(b.ctx, []byte(refuseTaints)))
	b.pool("frozen", 1, nothing, b.awaitRefusal)
	b.pool("well", 3, nothing)
	b.pool("nobody", 1, nil)
	b.pool("empty", 0, nothing)
	b.pool("lost", 1, func(s *v1alpha1.RebootPolicySpec) { s.Reboot.TimeoutSeconds = ptr.To[int32](3) },
		func(h *testbed.Host) { h.SetFault(testbed.FaultNeverBack) })
	b.pool("sticky", 3, func(s *v1alpha1.RebootPolicySpec) {
		s.Failure.MaxAttempts, s.Failure.MaxFailures = ptr.To[int32](1), ptr.To(intstr.FromInt(10))
	}, func(h *testbed.Host) { h.SetSentinelSticky(true) })
	b.check(b.Apply(b.ctx, []byte(unheard)))
	b.pool("unheard", 1, nil)
	b.pool("unable", 1, nothing, func(h *testbed.Host) { h.SetObstacle("there is no D-Bus") })
	b.pool("failing", 1, func(s *v1alpha1.RebootPolicySpec) {
		s.Failure.MaxAttempts, s.Failure.BackoffSeconds = ptr.To[int32](100), ptr.To[int32](1)
	}, func(h *testbed.Host) { h.SetFault(testbed.FaultRebootRefused) })
	b.pool("hook", 1, func(s *v1alpha1.RebootPolicySpec) {
		s.Hooks = &v1alpha1.HooksSpec{
			AfterReboot: []v1alpha1.Hook{{ConditionType: "example.com/checked", TimeoutSeconds: ptr.To[int32](1)}},
		}
	})
	b.pool("gate", 1, func(s *v1alpha1.RebootPolicySpec) {
		s.Gates.Prometheus = []v1alpha1.PrometheusGate{{Name: "away", URL: "http://127.0.0.1:1", Query: "vector(1) > 2"}}
	})
	b.pool("never", 1, func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Freezes = []v1alpha1.Freeze{{
			Name: "for-good", From: metav1.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), To: metav1.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC),
		}}
	})
	b.pool("later", 1, func(s *v1alpha1.RebootPolicySpec) {
		day := v1alpha1.Weekday(time.Now().UTC().AddDate(0, 0, 3).Weekday().String()[:3])
		s.Schedule.Windows = []v1alpha1.ScheduleWindow{{
			Weekly: &v1alpha1.WeeklyWindow{Days: []v1alpha1.Weekday{day}, Start: "03:00"}, DurationSeconds: 3600,
		}}
	})
	b.pool("silent", 1, func(s *v1alpha1.RebootPolicySpec) {
		s.Silences = []v1alpha1.AlertSilence{{
			Name: "node-alerts", URL: stubborn(b.t), LingerSeconds: ptr.To[int32](0),
			Matchers: []v1alpha1.LabelMatcher{{Name: "node", Value: ptr.To("{{ .Node }}")}},
		}}
	})
	b.pool("blind", 1, nothing)
	b.pool("nonsense", 1, func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "0 3 30 2 *", DurationSeconds: 3600}}
	})
	held.RequireReboot()
}

// stubborn is an Alertmanager behind a proxy that lets silences be made, and not be ended.
func stubborn(t *testing.T) string {
	t.Helper()
	behind, err := url.Parse(alertmanager.Start(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// held is a node with a pod that a budget holds, because it is never ready. It has to be the first: the pod goes nowhere else.
func (b *bed) held() *testbed.Host {
	b.pool("refused", 0, func(*v1alpha1.RebootPolicySpec) {})
	host, err := b.AddNode(b.ctx, testbed.NodeOptions{Name: "refused-1", Zone: "a", Labels: map[string]string{poolLabel: "refused"}})
	b.check(err)
	ill := testbed.App{Name: "ill", Namespace: "refused", Replicas: 1, ReadyAfter: time.Hour, MinAvailable: ptr.To(1)}
	b.check(b.CreateApp(b.ctx, ill))
	await.True(b.t, "the pod is on its node", func() bool {
		var pods corev1.PodList
		b.check(b.Client().List(b.ctx, &pods, client.InNamespace("refused"), client.MatchingFields{"spec.nodeName": host.Name()}))
		return len(pods.Items) > 0
	})
	return host
}

// credentials applies the component's rights, and returns a token of the Prometheus that it names, and what to verify the manager by.
func (b *bed) credentials() (token, authority string) {
	b.t.Helper()
	b.check(b.Client().Create(b.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "monitoring"}}))
	b.check(b.Apply(b.ctx, read(b.t, components+"monitoring/rbac.yaml")))
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "prometheus-k8s"}}
	b.check(b.Client().Create(b.ctx, account))
	request := &authenticationv1.TokenRequest{}
	b.check(b.Client().SubResource("token").Create(b.ctx, account, request))
	await.True(b.t, "the manager publishes its authority", func() bool {
		var published corev1.ConfigMap
		b.check(b.Client().Get(b.ctx, client.ObjectKey{Namespace: testbed.Namespace, Name: "reboot-operator-metrics-ca"}, &published))
		authority = published.Data["ca.crt"]
		return authority != ""
	})
	return request.Status.Token, authority
}

// discovered is the address that the API server has for the manager here. It takes none of loopback for an endpoint.
const discovered = "192.0.2.1"

// endpoints has the Service of the metrics lead to the manager, which is a process and no pod, and another Service next to it.
func (b *bed) endpoints(manager *testbed.Manager) {
	b.t.Helper()
	served, err := url.Parse(manager.MetricsURL())
	b.check(err)
	const text = `
apiVersion: v1
kind: Endpoints
metadata: {name: %s, namespace: %s}
subsets: [{addresses: [{ip: %s}], ports: [{name: %s, port: %s}]}]
`
	for service, port := range map[string]string{"reboot-operator-metrics": "metrics", "reboot-operator-webhook": "webhook"} {
		found := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: testbed.Namespace, Name: service}}
		b.check(b.Client().Patch(b.ctx, found, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"selector":null}}`))))
		b.check(b.Apply(b.ctx, fmt.Appendf(nil, text, service, testbed.Namespace, discovered, port, served.Port())))
	}
}

// discover does what the discovery of a Prometheus does, by its own rights: it lists and watches all that it may need in the namespace, and
// takes every port of every endpoint.
func (b *bed) discover(token string) []endpoint {
	b.t.Helper()
	config := rest.AnonymousClientConfig(b.Config())
	config.BearerToken = token
	prometheus, err := client.NewWithWatch(config, client.Options{})
	b.check(err)
	here := client.InNamespace(testbed.Namespace)
	var endpoints unstructured.UnstructuredList
	for kind, group := range map[string]string{
		"ServiceList": "", "PodList": "", "EndpointSliceList": "discovery.k8s.io", "EndpointsList": "",
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
		b.check(prometheus.List(b.ctx, list, here))
		watched, err := prometheus.Watch(b.ctx, list, here)
		b.check(err)
		watched.Stop()
		if kind == "EndpointsList" {
			endpoints = *list
		}
	}
	if err := prometheus.List(b.ctx, &corev1.SecretList{}, here); !apierrors.IsForbidden(err) {
		b.t.Errorf("Prometheus may list Secrets: %v", err)
	}
	var found []endpoint
	for _, each := range endpoints.Items {
		subsets, _, err := unstructured.NestedSlice(each.Object, "subsets")
		b.check(err)
		for _, subset := range subsets {
			ports, _, err := unstructured.NestedSlice(subset.(map[string]any), "ports")
			b.check(err)
			for _, port := range ports {
				p := port.(map[string]any)
				found = append(found, endpoint{each.GetName(), fmt.Sprint(p["name"]), fmt.Sprint("127.0.0.1:", p["port"])})
			}
		}
	}
	if len(found) < 2 {
		b.t.Errorf("found %v", found)
	}
	return found
}

func start(t *testing.T) *bed {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	program(t, "prometheus")
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	t.Cleanup(cancel)
	cluster, err := testbed.Start(ctx, testbed.Options{Log: logr.FromSlogHandler(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{Cluster: cluster, t: t, ctx: ctx}
	t.Cleanup(func() { b.check(cluster.Stop()) })
	b.check(cluster.Install(ctx))
	return b
}

// Every query of an alert or a dashboard is run, as it is shipped, on a Prometheus that collects from a manager by HTTPS, finds it as
// docs/monitoring.md says with the rights that the component gives, and verifies it. A query that gives nothing while everything goes well
// is about something that goes wrong here.
func TestEveryQueryHasDataInARolloutInWhichEverythingHappens(t *testing.T) {
	b := start(t)
	manager, err := b.StartManager(b.ctx, testbed.ManagerOptions{Args: []string{
		"--leader-elect=false", "--metrics-secure=true", "--metrics-max-nodes=20", "--gate-allowed-cidrs=127.0.0.0/8",
	}})
	b.check(err)
	token, authority := b.credentials()
	b.endpoints(manager)
	p := startPrometheus(t, &source{found: b.discover(token), token: token, authority: authority})
	p.awaitTarget(b.ctx)
	// Until policies are there, nothing has a series: what is asked for is asked for over the whole time.
	b.everythingHappens()

	const down = "alert RebootManagerDown"
	asked, stopped := 0, false
	for _, q := range queries(t) {
		if q.where == down {
			continue
		}
		exprs := []string{q.expr}
		if policy := selected[q.where]; policy != "" {
			exprs[0] = strings.ReplaceAll(q.expr, `policy=~".*"`, `policy=~"`+policy+`"`)
		}
		if elsewhere[q.where] != "" {
			exprs = selectors(q.expr)
		}
		for _, expr := range exprs {
			asked++
			// An alert filters what is wrong; a panel shows 0 where nothing is.
			least := math.SmallestNonzeroFloat64
			if q.alert || elsewhere[q.where] != "" {
				least = math.Inf(-1)
			}
			most := math.NaN()
			await.True(t, q.where+": "+expr+" has data", func() bool { most = p.most(b.ctx, expr); return most >= least })
			t.Logf("| %s | `%s` | %.4g |", q.where, expr, most)
		}
	}
	for _, r := range rulesOf(t) {
		if "alert "+r.Alert == down {
			b.check(manager.Kill())
			stopped, p.began = true, time.Now()
			await.True(t, r.Expr+" has data when the manager is gone", func() bool { return !math.IsNaN(p.most(b.ctx, r.Expr)) })
		}
	}
	if asked < 50 || !stopped {
		t.Errorf("only %d queries were asked", asked)
	}
	t.Logf("%d queries had data", asked)
}

// selectors are the series that a query asks for.
func selectors(expr string) []string {
	return regexp.MustCompile(`(?:reboot_operator_\w+|up)(?:\{[^}]*\})?`).FindAllString(expr, -1)
}
