package placement

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// apart is from pods of an app, by a label of nodes.
func apart(key, name, more string) func(*corev1.Pod) {
	return podTermOf("podAntiAffinity", key, name, more)
}

func near(key, name, more string) func(*corev1.Pod) { return podTermOf("podAffinity", key, name, more) }

func podTermOf(kind, key, name, more string) func(*corev1.Pod) {
	return spec(fmt.Sprintf(`{affinity: {%s: {requiredDuringSchedulingIgnoredDuringExecution: [
		{topologyKey: %s, labelSelector: {matchLabels: {app: %s}}%s}]}}}`, kind, key, name, more))
}

func spread(key string, maxSkew int, more string) func(*corev1.Pod) {
	return spec(fmt.Sprintf(`{topologySpreadConstraints: [
		{topologyKey: %s, maxSkew: %d, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}%s}]}`, key, maxSkew, more))
}

func inSpace(namespace string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Namespace = namespace }
}

const (
	host = "kubernetes.io/hostname"
	zone = "topology.kubernetes.io/zone"

	antiOnOne   = "its anti-affinity on 1 node"
	othersOnOne = "the anti-affinity of other pods on 1 node"
	nearOnOne   = "its pod affinity on 1 node"
	spreadOnOne = "its topology spread constraints on 1 node"
)

func space(name, team string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}}
}

func TestAntiAffinityKeepsPodsApart(t *testing.T) {
	t.Parallel()
	a, b := aNode("a", inZoneOf("1")), aNode("b", inZoneOf("1"))
	c := aNode("c", inZoneOf("2"))
	const ofBlue = ", namespaceSelector: {matchLabels: {team: blue}}"
	cases{
		"of the pod":               {objects: objects{a, b, aPod("web", "a", apart(host, "db", "")), aPod("db", "b", asks("1", "1"))}, want: noRoom(antiOnOne)},
		"of the other":             {objects: objects{a, b, aPod("web", "a"), aPod("db", "b", asks("1", "1"), apart(host, "web", ""))}, want: noRoom(othersOnOne)},
		"of neither":               {objects: objects{a, b, aPod("web", "a", apart(host, "x", "")), aPod("db", "b", asks("1", "1"), apart(host, "y", ""))}},
		"replicas":                 {objects: objects{a, b, aPod("web", "a", apart(host, "web", "")), aPod("web-2", "b", asks("1", "1"), app("web"), apart(host, "web", ""))}, want: noRoom(othersOnOne)},
		"in the zone":              {objects: objects{a, b, aNode("d", inZoneOf("1")), aPod("web", "a", apart(zone, "db", "")), aPod("db", "b")}, want: noRoom("its anti-affinity on 2 nodes")},
		"not in the other zone":    {objects: objects{a, b, c, aPod("web", "a", apart(zone, "db", "")), aPod("db", "b")}},
		"without the label":        {objects: objects{a, aNode("e"), aPod("web", "a", apart(zone, "db", "")), aPod("db", "e")}},
		"what goes as well":        {objects: objects{a, b, aPod("web", "a", apart(zone, "db", "")), aPod("db", "a", asks("1", "1"))}, want: "Pod apps/db of node a would find no room: " + othersOnOne + "."},
		"what is left behind":      {objects: objects{a, b, aPod("web", "a", apart(zone, "ds", "")), aPod("ds", "a", func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "DaemonSet" })}, want: noRoom(antiOnOne)},
		"of another namespace":     {objects: objects{a, b, aPod("web", "a", apart(host, "db", "")), aPod("db", "b", asks("1", "1"), inSpace("x"))}},
		"by name of the namespace": {objects: objects{a, b, aPod("web", "a", apart(host, "db", ", namespaces: [x]")), aPod("db", "b", asks("1", "1"), inSpace("x"))}, want: noRoom(antiOnOne)},
		"then not of its own":      {objects: objects{a, b, aPod("web", "a", apart(host, "db", ", namespaces: [x]")), aPod("db", "b", asks("1", "1"))}},
		"in all namespaces":        {objects: objects{a, b, aPod("web", "a", apart(host, "db", ", namespaceSelector: {}")), aPod("db", "b", asks("1", "1"), inSpace("x"))}, want: noRoom(antiOnOne)},
		"by label of the namespace": {
			objects: objects{a, b, space("x", "blue"), aPod("web", "a", apart(host, "db", ofBlue)), aPod("db", "b", asks("1", "1"), inSpace("x"))},
			want:    noRoom(antiOnOne),
		},
		"by another label of it": {objects: objects{a, b, space("x", "red"), aPod("web", "a", apart(host, "db", ", namespaceSelector: {matchLabels: {team: blue}}")), aPod("db", "b", asks("1", "1"), inSpace("x"))}},
		"of others by its label": {
			objects: objects{
				a, b, space("apps", "blue"), aPod("web", "a"), aPod("db", "b", asks("1", "1"), inSpace("x"), apart(host, "web", ofBlue)),
			},
			want: noRoom(othersOnOne),
		},
		"of one that terminates": {objects: objects{a, b, aPod("web", "a"), aPod("db", "b", asks("1", "1"), apart(host, "web", ""), func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} })}, want: noRoom(othersOnOne)},
	}.run(t)
}

func TestAffinityKeepsPodsTogether(t *testing.T) {
	t.Parallel()
	a, b, c := aNode("a", inZoneOf("1")), aNode("b", inZoneOf("1")), aNode("c", inZoneOf("2"))
	cases{
		"the other is there":         {objects: objects{a, b, aPod("web", "a", near(host, "db", "")), aPod("db", "b")}},
		"it is elsewhere":            {objects: objects{a, b, c, aPod("web", "a", near(zone, "db", "")), aPod("db", "c", asks("3", "1Gi"))}, want: noRoom("too little cpu (it needs 2) on 1 node, its pod affinity on 1")},
		"it is in the zone":          {objects: objects{a, b, c, aPod("web", "a", near(zone, "db", "")), aPod("db", "b", asks("1", "1"))}},
		"it is nowhere":              {objects: objects{a, b, aPod("web", "a", near(host, "db", ""))}, want: noRoom(nearOnOne)},
		"it comes along":             {objects: objects{a, b, aPod("web", "a", near(host, "db", "")), aPod("db", "a")}},
		"it comes along, by itself":  {objects: objects{a, b, aPod("web", "a", near(host, "web", ""))}},
		"by itself, without a label": {objects: objects{a, aNode("e"), aPod("web", "a", near(zone, "web", ""))}, want: noRoom(nearOnOne)},
		"by itself, with others":     {objects: objects{a, b, c, aPod("web", "a", near(zone, "web", "")), aPod("web-2", "c", app("web"), asks("4", "1Gi"))}, want: noRoom("too little cpu (it needs 2) on 1 node, its pod affinity on 1")},
		"of two terms, one is not met": {
			objects: objects{
				a, b, aPod("db", "b", asks("1", "1")),
				aPod("web", "a", near(host, "db", `}, {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: cache}}`)),
			}, want: noRoom(nearOnOne),
		},
	}.run(t)
}

func TestTopologySpreadIsKept(t *testing.T) {
	t.Parallel()
	a, b, c := aNode("a", inZoneOf("1")), aNode("b", inZoneOf("2")), aNode("c", inZoneOf("3"))
	web := func(more ...func(*corev1.Pod)) *corev1.Pod {
		return aPod("web", "a", append(more, asks("1", "1Gi"))...)
	}
	other := func(name, node string, more ...func(*corev1.Pod)) *corev1.Pod {
		return aPod(name, node, append(more, app("web"), asks("1", "1Gi"))...)
	}
	by := spread(zone, 1, "")
	one := objects{a, b, c, web(by), other("web-2", "b"), other("web-3", "c")}
	set := func(first objects, more ...*corev1.Pod) objects {
		all := append(objects{}, first...)
		for _, p := range more {
			all = append(all, p)
		}
		return all
	}
	ofTwo := noRoom("its topology spread constraints on 2 nodes")
	cases{
		"its zone is empty without it":      {objects: one, want: ofTwo},
		"the skew is large enough":          {objects: set(objects{a, b, c}, web(spread(zone, 2, "")), other("web-2", "b"), other("web-3", "c"))},
		"there is another node in the zone": {objects: set(objects{a, b, c, aNode("d", inZoneOf("1"))}, web(by), other("web-2", "b"), other("web-3", "c"))},
		"a zone has fewer":                  {objects: set(objects{a, b, c}, web(by), other("web-2", "b"))},
		"others do not count":               {objects: set(objects{a, b, c}, web(by), aPod("x", "b"), aPod("y", "c"))},
		"nor those of other namespaces":     {objects: set(objects{a, b, c}, web(by), other("web-2", "b", inSpace("x")), other("web-3", "c", inSpace("x")))},
		"nor those that terminate":          {objects: set(objects{a, b, c}, web(by), other("web-2", "b", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }), other("web-3", "c"))},
		"only if it must":                   {objects: set(objects{a, b, c}, web(spec(`{topologySpreadConstraints: [{topologyKey: topology.kubernetes.io/zone, maxSkew: 1, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: web}}}]}`)), other("web-2", "b"), other("web-3", "c"))},
		"too few zones":                     {objects: set(objects{a, aNode("a2", inZoneOf("1"))}, web(spread(zone, 1, ", minDomains: 2")), other("web-2", "a2")), want: noRoom(spreadOnOne)},
		"enough zones":                      {objects: set(objects{a, aNode("a2", inZoneOf("1"))}, web(spread(zone, 1, ", minDomains: 1")), other("web-2", "a2"))},
		"a node without the label":          {objects: set(objects{a, aNode("e")}, web(by)), want: noRoom(spreadOnOne)},
		"a node that it does not select is no zone": {
			objects: set(objects{a, b, aNode("d", inZoneOf("3"), labeled("disk", "hdd"))},
				web(by, spec(`{affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
					{matchExpressions: [{key: topology.kubernetes.io/zone, operator: In, values: ["2"]}]}]}}}}`)), other("web-2", "b")),
		},
		"unless it says so": {
			objects: set(objects{a, b, aNode("d", inZoneOf("3"), labeled("disk", "hdd"))},
				web(spread(zone, 1, ", nodeAffinityPolicy: Ignore"), spec(`{affinity: {nodeAffinity: {
					requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
					{matchExpressions: [{key: topology.kubernetes.io/zone, operator: In, values: ["2"]}]}]}}}}`)), other("web-2", "b")),
			want: noRoom("its node selector or affinity on 1 node, its topology spread constraints on 1"),
		},
		"a cordoned node is a zone": {objects: set(objects{aNode("a", inZoneOf("2")), b, aNode("d", inZoneOf("3"), cordoned)}, web(by), other("web-2", "b")), want: noRoom("a cordon, a reboot or no readiness on 1 node, its topology spread constraints on 1")},
		"unless taints are honored": {objects: set(objects{aNode("a", inZoneOf("2")), b, aNode("d", inZoneOf("3"), cordoned)},
			web(spread(zone, 1, ", nodeTaintsPolicy: Honor")), other("web-2", "b"))},
		"by the values of keys": {objects: set(objects{a, b, c}, web(spread(zone, 1, ", matchLabelKeys: [hash]"), func(p *corev1.Pod) { p.Labels["hash"] = "2" }), other("web-2", "b"), other("web-3", "c"))},
	}.run(t)
}

func TestSpreadAcrossHosts(t *testing.T) {
	t.Parallel()
	by := []func(*corev1.Pod){spread(host, 1, ""), asks("1", "1Gi"), app("web")}
	// Three replicas on three nodes: there is no fourth node, and the node that leaves counts as empty.
	full := objects{aNode("a"), aNode("b"), aNode("c"), aPod("web", "a", by...), aPod("web-2", "b", by...), aPod("web-3", "c", by...)}
	if got, want := lack(t, full), noRoom("its topology spread constraints on 2 nodes"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := lack(t, append(full, aNode("d"))); got != "" {
		t.Errorf("got %q, want room on node d", got)
	}
}
