package silence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) *metav1.MicroTime {
	return ptr.To(metav1.NewMicroTime(now.Add(time.Duration(seconds) * time.Second)))
}

func matcher(name string, matchType v1alpha1.MatchType, value string) v1alpha1.LabelMatcher {
	return v1alpha1.LabelMatcher{Name: name, MatchType: matchType, Value: &value}
}

func entry(matchers ...v1alpha1.LabelMatcher) v1alpha1.AlertSilence {
	return v1alpha1.AlertSilence{
		Name: "node-alerts", URL: "http://alertmanager:9093", Matchers: matchers, DurationSeconds: ptr.To[int32](600),
		LingerSeconds: ptr.To[int32](0),
	}
}

func policy(entries ...v1alpha1.AlertSilence) *v1alpha1.RebootPolicy {
	return &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "uid-p"}, Spec: v1alpha1.RebootPolicySpec{Silences: entries},
	}
}

// attempt is one of node-1 that is under way.
func attempt(changes ...func(*v1alpha1.NodeReboot)) Attempt {
	reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "r", UID: "uid-r"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "node-1"}}
	reboot.Status.Attempt = &v1alpha1.Attempt{Number: 1, PolicyName: "p", Zone: "z1", GrantedTime: *at(0)}
	for _, change := range changes {
		change(reboot)
	}
	return Attempt{Reboot: reboot, Status: &reboot.Status}
}

func proved(r *v1alpha1.NodeReboot) {
	r.Status.Attempt.EndedTime, r.Status.Attempt.Result = at(-30), v1alpha1.ReasonProved
	r.Status.CompletionTime, r.Status.Outcome = at(-30), v1alpha1.OutcomeSucceeded
}

func TestPlaceholdersStandForNamesAndNothingElse(t *testing.T) {
	of := names{node: "node-1.example.com", zone: "z1", policy: "p"}
	for name, tc := range map[string]struct {
		matchers []v1alpha1.LabelMatcher
		names    *names
		want     string
		problem  string
	}{
		"a node":              {matchers: []v1alpha1.LabelMatcher{matcher("node", "=", "{{ .Node }}")}, want: `[node="node-1.example.com"]`},
		"without spaces":      {matchers: []v1alpha1.LabelMatcher{matcher("node", "=", "{{.Node}}")}, want: `[node="node-1.example.com"]`},
		"no type is equality": {matchers: []v1alpha1.LabelMatcher{matcher("node", "", "a")}, want: `[node="a"]`},
		"zone and policy":     {matchers: []v1alpha1.LabelMatcher{matcher("a", "=", "{{ .Zone }}/{{ .Policy }}")}, want: `[a="z1/p"]`},
		"in an expression, dots are dots": {
			matchers: []v1alpha1.LabelMatcher{matcher("instance", "=~", `{{ .Node }}(:\d{2,5})?`)},
			want:     `[instance=~"(?:node-1\\.example\\.com)(:\\d{2,5})?"]`,
		},
		"several, one of them narrow": {
			matchers: []v1alpha1.LabelMatcher{matcher("severity", "!=", "critical"), matcher("node", "=", "{{ .Node }}"), matcher("x", "!~", "a|b")},
			want:     `[severity!="critical" node="node-1.example.com" x!~"a|b"]`,
		},
		"another placeholder": {
			matchers: []v1alpha1.LabelMatcher{matcher("a", "=", "{{ .Namespace }}")},
			problem:  "matcher a: a placeholder is {{ .Node }}, {{ .Zone }} or {{ .Policy }}: write one of these",
		},
		"a function": {matchers: []v1alpha1.LabelMatcher{matcher("a", "=", `{{ range . }}`)}, problem: "a placeholder is"},
		"a node without a zone": {
			matchers: []v1alpha1.LabelMatcher{matcher("zone", "=", "{{ .Zone }}")}, names: &names{node: "n"},
			problem: "matcher zone: {{ .Zone }} is empty, because node n is in no zone",
		},
		"a name between brackets": {
			matchers: []v1alpha1.LabelMatcher{matcher("a", "=~", "[{{ .Node }}]x")},
			names:    &names{node: "z-a"}, problem: "is not a regular expression",
		},
		"brackets of others": {matchers: []v1alpha1.LabelMatcher{matcher("a", "=~", ".+)|(?:b")}, problem: "is not a regular expression"},
		"no matcher":         {problem: "would silence nearly every alert"},
		"an empty value":     {matchers: []v1alpha1.LabelMatcher{matcher("a", "=", "")}, problem: "would silence nearly every alert"},
		"what is not":        {matchers: []v1alpha1.LabelMatcher{matcher("a", "!=", "b")}, problem: "would silence nearly every alert"},
		"what is set":        {matchers: []v1alpha1.LabelMatcher{matcher("a", "!=", "")}, problem: "would silence nearly every alert"},
		"everything":         {matchers: []v1alpha1.LabelMatcher{matcher("alertname", "=~", ".+")}, problem: "would silence nearly every alert"},
		"everything long":    {matchers: []v1alpha1.LabelMatcher{matcher("alertname", "=~", ".{2,}")}, problem: "would silence nearly every alert"},
		"a node named a":     {matchers: []v1alpha1.LabelMatcher{matcher("instance", "=~", ".*{{ .Node }}.*")}, names: &names{node: "a"}, want: `[instance=~".*(?:a).*"]`},
		"a name that may be missing": {
			matchers: []v1alpha1.LabelMatcher{matcher("a", "=~", "x{{ .Node }}?{{.Node}}{2}")}, names: &names{node: "n1"},
			want: `[a=~"x(?:n1)?(?:n1){2}"]`,
		},
		"a name behind a backslash":    {matchers: []v1alpha1.LabelMatcher{matcher("a", "=~", `\{{ .Node }}`)}, names: &names{node: "d1"}, problem: "is not a regular expression"},
		"a name in brackets":           {matchers: []v1alpha1.LabelMatcher{matcher("a", "=~", `[{{ .Node }}]+`)}, names: &names{node: "worker1"}, problem: "is not a regular expression"},
		"a name behind other brackets": {matchers: []v1alpha1.LabelMatcher{matcher("a", "=~", `\[{{ .Node }}\]|[a-z]{{ .Node }}`)}, names: &names{node: "n"}, want: `[a=~"\\[(?:n)\\]|[a-z](?:n)"]`},
		"a name in quoted text":        {matchers: []v1alpha1.LabelMatcher{matcher("a", "=~", `\Qa{{ .Node }}\E`)}, problem: "is not a regular expression"},
		"a backslash in a value":       {matchers: []v1alpha1.LabelMatcher{matcher("a", "=", `DOMAIN\{{ .Node }}`)}, names: &names{node: "n"}, want: `[a="DOMAIN\\n"]`},
		"what Go escapes otherwise":    {matchers: []v1alpha1.LabelMatcher{matcher("a", "=", "a\u00a0\tb\nc\"")}, want: "[a=\"a\u00a0\tb\\nc\\\"\"]"},
		"words":                        {matchers: []v1alpha1.LabelMatcher{matcher("alertname", "=~", `\w+`)}, problem: "would silence nearly every alert"},
		"names of alerts":              {matchers: []v1alpha1.LabelMatcher{matcher("alertname", "=~", "[A-Z].*")}, problem: "would silence nearly every alert"},
		"what begins with a letter":    {matchers: []v1alpha1.LabelMatcher{matcher("alertname", "=~", "(?i)[a-z].*")}, problem: "would silence nearly every alert"},
		"all severities":               {matchers: []v1alpha1.LabelMatcher{matcher("severity", "=~", "critical|warning|info")}, problem: "would silence nearly every alert"},
		"all ports":                    {matchers: []v1alpha1.LabelMatcher{matcher("instance", "=~", `.+:\d+`)}, problem: "would silence nearly every alert"},
		"some severities":              {matchers: []v1alpha1.LabelMatcher{matcher("severity", "=~", "warning|info")}, want: `[severity=~"warning|info"]`},
		"everything or nothing":        {matchers: []v1alpha1.LabelMatcher{matcher("alertname", "=~", "(a|.*)")}, problem: "would silence nearly every alert"},
		"by two, everything":           {matchers: []v1alpha1.LabelMatcher{matcher("a", "=~", ".*"), matcher("b", "!~", "c")}, problem: "would silence nearly every alert"},
		"a value that grows big":       {matchers: []v1alpha1.LabelMatcher{matcher("a", "=", strings.Repeat("{{.Node}}", 100))}, names: &names{node: strings.Repeat("n", 200)}, problem: "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			with := of
			if tc.names != nil {
				with = *tc.names
			}
			e := entry(tc.matchers...)
			matchers, problem := render(&e, with)
			if tc.problem != "" {
				if !strings.Contains(problem, tc.problem) {
					t.Errorf("problem %q, want %q", problem, tc.problem)
				}
				return
			}
			if got := fmt.Sprint(matchers); got != tc.want || problem != "" {
				t.Errorf("got %s %q, want %s", got, problem, tc.want)
			}
		})
	}
}

func TestAKeyIsFoundAgainInItsComment(t *testing.T) {
	matchers := []Matcher{{"node", "=", "node-1"}, {"severity", "!~", "none|info"}}
	key := Key{
		Policy: "p", PolicyUID: "uid-p", Entry: "node-alerts", Node: "node-1", Reboot: "r", RebootUID: "uid-r", Attempt: 3,
		Digest: digest(matchers), Server: "0123456789abcdef",
	}
	reversed := []Matcher{matchers[1], matchers[0]}
	if got, ours := Parse(Creator, key.Comment(), reversed); !ours || got != key {
		t.Errorf("got %+v %t, want %+v", got, ours, key)
	}
	for name, other := range map[string]struct {
		creator, comment string
		matchers         []Matcher
	}{
		"another author":      {"alice", key.Comment(), matchers},
		"another comment":     {Creator, "Node node-1 is rebooted by hand.", matchers},
		"a comment with more": {Creator, key.Comment() + " Extended by alice.", matchers},
		"other matchers":      {Creator, key.Comment(), matchers[:1]},
		"another type":        {Creator, key.Comment(), []Matcher{matchers[0], {"severity", "=~", "none|info"}}},
		"an absurd number":    {Creator, strings.Replace(key.Comment(), "attempt 3", "attempt 99999999999", 1), matchers},
	} {
		if got, ours := Parse(other.creator, other.comment, other.matchers); ours {
			t.Errorf("%s: taken for %+v", name, got)
		}
	}
}

func TestAnAlertIsAboutTheNodeIfALabelOrAMatcherSaysSo(t *testing.T) {
	narrow := []Matcher{{"instance", "=~", `node-1(\.example\.com)?:.*`}}
	wide := []Matcher{{"alertname", "=", "CephOSDDown"}, {"host", "!=", "node-1"}}
	for name, tc := range map[string]struct {
		matchers []Matcher
		labels   map[string]string
		want     bool
	}{
		"its name":                          {wide, map[string]string{"node": "node-1"}, true},
		"its name and port":                 {wide, map[string]string{"instance": "node-1:9100"}, true},
		"another node":                      {wide, map[string]string{"node": "node-2"}, false},
		"a node whose name begins the same": {wide, map[string]string{"node": "node-10", "pod": "web-node-1", "a": "node-1.rack"}, false},
		"no node":                           {wide, map[string]string{"alertname": "CephOSDDown"}, false},
		"tied by a matcher":                 {narrow, map[string]string{"instance": "node-1.example.com:9100"}, true},
		"tied, at the end":                  {narrow, map[string]string{"instance": "https://node-1"}, true},
		"in a longer name, then alone":      {narrow, map[string]string{"instance": "node-10/node-1"}, true},
		"in a longer name":                  {narrow, map[string]string{"instance": "node-10.example.com"}, false},
		"not by a matcher of what is not":   {wide, map[string]string{"host": "x.node-1.example.com"}, false},
		"another label":                     {narrow, map[string]string{"job": "node-1.example.com"}, false},
		"its static pod":                    {[]Matcher{{"pod", "=", "etcd-node-1"}}, map[string]string{"pod": "etcd-node-1"}, true},
		"another static pod":                {[]Matcher{{"pod", "=", "etcd-node-1"}}, map[string]string{"pod": "etcd-node-2"}, false},
		"a pod of a longer name":            {[]Matcher{{"pod", "=", "etcd-node-10"}}, map[string]string{"pod": "etcd-node-10"}, false},
	} {
		if got := About(Key{Node: "node-1"}, tc.matchers, tc.labels); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
	if About(Key{}, []Matcher{{"a", "=", ""}}, map[string]string{"a": "b"}) {
		t.Error("an alert is about no node")
	}
}

func TestASilenceIsWishedForFromTheGrantToTheProof(t *testing.T) {
	e := entry(matcher("node", "=", "{{ .Node }}"))
	lingering := e
	lingering.LingerSeconds = ptr.To[int32](120)
	deleted := policy(e)
	deleted.DeletionTimestamp = ptr.To(metav1.NewTime(now))
	for name, tc := range map[string]struct {
		policy  *v1alpha1.RebootPolicy
		attempt Attempt
		want    string
	}{
		"granted":     {policy(e), attempt(), "node-1 0"},
		"back":        {policy(e), attempt(func(r *v1alpha1.NodeReboot) { r.Status.Attempt.BackTime = at(0) }), "node-1 0"},
		"rolled back": {policy(e), attempt(func(r *v1alpha1.NodeReboot) { r.Status.Attempt.RolledBackTime = at(0) }), "node-1 2"},
		"back late": {policy(e), attempt(func(r *v1alpha1.NodeReboot) {
			r.Status.Attempt.InterruptedTime, r.Status.Attempt.BackTime = at(-60), at(0)
		}), "node-1 2"},
		"back late, and proved": {policy(lingering), attempt(proved, func(r *v1alpha1.NodeReboot) { r.Status.Attempt.InterruptedTime = at(-60) }), ""},
		"stalled":               {policy(e), attempt(func(r *v1alpha1.NodeReboot) { r.Status.Attempt.StalledTime = at(0) }), "node-1 2"},
		"being deleted":         {policy(e), attempt(func(r *v1alpha1.NodeReboot) { r.DeletionTimestamp = ptr.To(metav1.NewTime(now)) }), "node-1 2"},
		"failed": {policy(lingering), attempt(func(r *v1alpha1.NodeReboot) {
			r.Status.Attempt.EndedTime, r.Status.Attempt.Result = at(-1), v1alpha1.ReasonSentinelStillPresent
		}), ""},
		"given up": {policy(lingering), attempt(proved, func(r *v1alpha1.NodeReboot) { r.Status.Outcome = v1alpha1.OutcomeFailed }), ""},
		"rolled back, and rebooted for another reason": {
			policy(lingering), attempt(proved, func(r *v1alpha1.NodeReboot) { r.Status.Attempt.RolledBackTime = at(-60) }), "",
		},
		"proved":                         {policy(e), attempt(proved), ""},
		"proved a moment ago":            {policy(lingering), attempt(proved), "node-1 1 12:01:30"},
		"of another policy":              {policy(e), attempt(func(r *v1alpha1.NodeReboot) { r.Status.Attempt.PolicyName = "q" }), ""},
		"of a policy that goes":          {deleted, attempt(), ""},
		"of a policy that asks for none": {policy(), attempt(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, w := range Wishes([]*v1alpha1.RebootPolicy{tc.policy}, []Attempt{tc.attempt}, now) {
				for _, s := range w.Silences {
					got += fmt.Sprintf("%s %d", s.Node, s.State)
					if !s.Until.IsZero() {
						got += s.Until.Format(" 15:04:05")
					}
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWhatEndedLongAgoDoesNotMatter(t *testing.T) {
	for name, tc := range map[string]struct {
		attempt Attempt
		want    bool
	}{
		"under way":         {attempt(), true},
		"ended":             {attempt(proved), true},
		"ended an hour ago": {attempt(proved, func(r *v1alpha1.NodeReboot) { r.Status.Attempt.EndedTime = at(-3600) }), false},
		"none":              {attempt(func(r *v1alpha1.NodeReboot) { r.Status.Attempt = nil }), false},
	} {
		if got := Matters(tc.attempt.Status, now); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
	none := attempt(func(r *v1alpha1.NodeReboot) { r.Status.Attempt = nil })
	if w := Wishes([]*v1alpha1.RebootPolicy{policy(entry(matcher("a", "=", "b")))}, []Attempt{none}, now); w[0].Silences != nil {
		t.Errorf("got %+v without an attempt", w)
	}
}

func TestAProblemWithOneNodeLeavesTheOthersSilenced(t *testing.T) {
	nowhere := attempt(func(r *v1alpha1.NodeReboot) { r.Spec.NodeName, r.UID, r.Status.Attempt.Zone = "node-2", "uid-2", "" })
	wishes := Wishes([]*v1alpha1.RebootPolicy{policy(entry(matcher("zone", "=", "{{ .Zone }}")))}, []Attempt{nowhere, attempt()}, now)
	if len(wishes) != 1 || len(wishes[0].Silences) != 1 || wishes[0].Silences[0].Node != "node-1" {
		t.Fatalf("got %+v", wishes)
	}
	if want := "matcher zone: {{ .Zone }} is empty, because node node-2 is in no zone"; wishes[0].Problem != want {
		t.Errorf("problem %q, want %q", wishes[0].Problem, want)
	}
	bad := policy(entry(matcher("a", "=~", ".*")))
	if w := Wishes([]*v1alpha1.RebootPolicy{bad}, []Attempt{attempt()}, now)[0]; w.Problem == "" || w.Silences != nil {
		t.Errorf("got %+v of matchers that silence everything", w)
	}
	if found := Check(bad); len(found) != 1 || found[0].Path != "silences[node-alerts].matchers" {
		t.Errorf("findings %v", found)
	}
	if !Asks([]*v1alpha1.RebootPolicy{policy(), bad}) || Asks([]*v1alpha1.RebootPolicy{policy()}) {
		t.Error("whether any policy asks for silences is not known")
	}
}

func TestMatchersOrAnotherAttemptMakeAnotherSilence(t *testing.T) {
	of := func(a Attempt, m ...v1alpha1.LabelMatcher) Key {
		return Wishes([]*v1alpha1.RebootPolicy{policy(entry(m...))}, []Attempt{a}, now)[0].Silences[0].Key
	}
	one := of(attempt(), matcher("node", "=", "{{ .Node }}"))
	if same := of(attempt(), matcher("node", "=", "{{.Node}}")); same != one {
		t.Errorf("%+v is not %+v", same, one)
	}
	if other := of(attempt(), matcher("instance", "=", "{{ .Node }}")); other == one {
		t.Error("other matchers are the same silence")
	}
	if other := of(attempt(func(r *v1alpha1.NodeReboot) { r.Status.Attempt.Number = 2 }), matcher("node", "=", "{{ .Node }}")); other == one {
		t.Error("another attempt is the same silence")
	}
}
