package crd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// silenceFields are all fields of silences. Those of a connection have rows in the table of gates.
var silenceFields = slices.Concat([]string{"name", "url", "matchers", "durationSeconds", "lingerSeconds"},
	slices.DeleteFunc(slices.Clone(connectionFields), func(field string) bool { return field == "onError" }))

func TestEveryFieldOfASilenceIsInATable(t *testing.T) {
	schema := readSchema(t, "reboot-operator.io_rebootpolicies.yaml").Properties["spec"].Properties["silences"]
	var got []string
	leaves(*schema.Items.Schema, "", &got)
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(silenceFields)), got); diff != "" {
		t.Errorf("fields in the table (-) and in the schema (+):\n%s", diff)
	}
	if schema.MaxItems == nil || *schema.MaxItems != 8 || !slices.Equal(schema.XListMapKeys, []string{"name"}) {
		t.Errorf("the list is not one of at most 8 by name: %v %v", schema.MaxItems, schema.XListMapKeys)
	}
}

func TestASilenceIsAcceptedOrRefusedWithAHint(t *testing.T) {
	const (
		everything  = "these matchers would silence nearly every alert: write at least one with matchType = or =~"
		placeholder = "a placeholder is {{ .Node }}, {{ .Zone }} or {{ .Policy }}: write one of these"
		badURL      = "url begins with http:// or https:// and ends before any query, such as http://"
		duration    = "must be a number of seconds from 120 to 3600: write 600 for 10m"
		linger      = "must be a number of seconds from 0 to 3600: write 120 for 2m"
		misplaced   = "write it where any text may stand, not behind a backslash, between brackets or behind"
		noRE        = "value is a regular expression (RE2) that matches whole values"
		node        = `matchers: [{name: node, value: "{{ .Node }}"}]`
	)
	matchers := func(matchers ...string) string { return "matchers: [" + strings.Join(matchers, ", ") + "]" }
	narrow := `{name: node, value: "{{ .Node }}"}`
	for name, test := range map[string]struct {
		silence string
		want    []string
	}{
		"a node":                      {silence: node},
		"a node, a zone and a policy": {silence: matchers(narrow, `{name: a, matchType: "=~", value: "{{.Zone}}|{{  .Policy  }}"}`)},
		"a node by an expression":     {silence: matchers(`{name: instance, matchType: "=~", value: '({{ .Node }})(:\d{2,5})?'}`)},
		"a node by text around it":    {silence: matchers(`{name: instance, value: "https://{{ .Node }}:9100/{}"}`)},
		"a node that may be missing":  {silence: matchers(`{name: pod, matchType: "=~", value: 'etcd(-{{ .Node }})?|\[{{ .Node }}{2}\]'}`)},
		"a domain and a node":         {silence: matchers(`{name: host, value: 'DOMAIN\{{ .Node }}'}`)},
		"some severities":             {silence: matchers(`{name: severity, matchType: "=~", value: "warning|info"}`)},
		"one alert":                   {silence: matchers(`{name: alertname, matchType: "=~", value: "Ceph.*"}`)},
		"all but some, of a node":     {silence: matchers(narrow, `{name: severity, matchType: "!=", value: critical}`, `{name: a, matchType: "!~", value: "b|c"}`)},
		"everything a user can say": {silence: node + ", durationSeconds: 120, lingerSeconds: 3600, timeoutSeconds: 60, " +
			"auth: {bearerToken: {key: t}}, tls: {ca: {key: ca}, serverName: am}"},

		"no matchers":             {"durationSeconds: 600", []string{"matchers: Required value"}},
		"an empty list":           {matchers(), []string{"should have at least 1 items"}},
		"an empty value":          {matchers("{name: node}"), []string{everything}},
		"everything":              {matchers(`{name: alertname, matchType: "=~", value: ".+"}`), []string{everything}},
		"everything long":         {matchers(`{name: alertname, matchType: "=~", value: ".{2,}"}`), []string{everything}},
		"everything or nothing":   {matchers(`{name: alertname, matchType: "=~", value: ".*"}`), []string{everything}},
		"everything in a group":   {matchers(`{name: alertname, matchType: "=~", value: "(a|.*)"}`), []string{everything}},
		"words":                   {matchers(`{name: alertname, matchType: "=~", value: '\w+'}`), []string{everything}},
		"names of alerts":         {matchers(`{name: alertname, matchType: "=~", value: "[A-Z].*"}`), []string{everything}},
		"names of anything":       {matchers(`{name: job, matchType: "=~", value: "[a-z][a-z-]*"}`), []string{everything}},
		"without tildes":          {matchers(`{name: alertname, matchType: "=~", value: "[^~]+"}`), []string{everything}},
		"any letter":              {matchers(`{name: alertname, matchType: "=~", value: "(?i)[a-z].*"}`), []string{everything}},
		"all severities":          {matchers(`{name: severity, matchType: "=~", value: "critical|warning|info"}`), []string{everything}},
		"all ports":               {matchers(`{name: instance, matchType: "=~", value: '.+:\d+'}`), []string{everything}},
		"behind a backslash":      {matchers(`{name: node, matchType: "=~", value: '\{{ .Node }}'}`), []string{misplaced}},
		"between brackets":        {matchers(`{name: node, matchType: "=~", value: '[{{ .Node }}]+'}`), []string{misplaced}},
		"in quoted text":          {matchers(narrow, `{name: a, matchType: "!~", value: '\Qa.{{ .Node }}\E'}`), []string{misplaced}},
		"all but one":             {matchers(`{name: alertname, matchType: "!=", value: Watchdog}`), []string{everything}},
		"all but some":            {matchers(`{name: alertname, matchType: "!~", value: "Watchdog|Info.*"}`), []string{everything}},
		"what is set":             {matchers(`{name: alertname, matchType: "!=", value: ""}`), []string{everything}},
		"no RE2":                  {matchers(narrow, `{name: a, matchType: "=~", value: "("}`), []string{noRE}},
		"half of a group":         {matchers(`{name: a, matchType: "=~", value: "a)|(b"}`), []string{noRE}},
		"another placeholder":     {matchers(`{name: node, value: "{{ .Namespace }}"}`), []string{placeholder}},
		"a placeholder of kured":  {matchers(`{name: node, value: "{{ .NodeName }}"}`), []string{placeholder}},
		"a function":              {matchers(`{name: node, value: "{{ .Node | quote }}"}`), []string{placeholder}},
		"a loop":                  {matchers(`{name: node, value: "{{ range . }}a{{ end }}"}`), []string{placeholder}},
		"an open placeholder":     {matchers(`{name: node, value: "a{{ .Node"}`), []string{placeholder}},
		"too many matchers":       {matchers(strings.TrimSuffix(strings.Repeat(narrow+",", 17), ",")), []string{"must have at most 16 items"}},
		"a label that is none":    {matchers(`{name: a-b, value: c}`), []string{"should match '^[a-zA-Z_][a-zA-Z0-9_]*$'"}},
		"too short":               {node + ", durationSeconds: 119", []string{duration}},
		"too long":                {node + ", durationSeconds: 3601", []string{duration}},
		"no number":               {node + ", durationSeconds: 10m", []string{duration}},
		"lingers too long":        {node + ", lingerSeconds: 3601", []string{linger}},
		"lingers before":          {node + ", lingerSeconds: -1", []string{linger}},
		"lingers 2m":              {node + ", lingerSeconds: 2m", []string{linger}},
		"a timeout of zero":       {node + ", timeoutSeconds: 0", []string{"must be a number of seconds from 1 to 60"}},
		"a url that is none":      {node + ", url: alertmanager", []string{badURL}},
		"a url with credentials":  {node + ", url: 'http://a:b@alertmanager'", []string{badURL}},
		"a name with a space":     {node + ", name: 'a b'", []string{"name consists of lowercase letters, digits and hyphens, and begins and ends with a letter or digit"}},
		"a name that begins so":   {node + ", name: '-a'", []string{"begins and ends with a letter or digit"}},
		"a long name":             {node + ", name: " + long(64), []string{"may not be more than 63"}},
		"tls without https":       {node + ", tls: {}", []string{"write a url that begins with https://, or remove tls"}},
		"a token, unverified":     {node + ", url: 'https://a', auth: {bearerToken: {key: t}}, tls: {verification: None}", []string{"verify the server with tls.ca"}},
		"that holds up a reboot":  {node + ", onError: Require", []string{"unknown field"}},
		"a token and a password":  {node + ", auth: {bearerToken: {key: t}, basic: {username: u, password: {key: p}}}", []string{"write either bearerToken or basic"}},
		"a matcher of many bytes": {matchers(narrow, "{name: a, value: "+long(1025)+"}"), []string{"may not be more than 1024"}},
	} {
		t.Run(name, func(t *testing.T) {
			silence := test.silence
			if !strings.Contains(silence, "url:") {
				url := "http://am:9093"
				if strings.Contains(silence, "ca:") {
					url = "https://am:9093"
				}
				silence += fmt.Sprintf(", url: '%s'", url)
			}
			if !strings.Contains(silence, "], name: ") {
				silence += ", name: node-alerts"
			}
			checkAnswer(t, tryCreate(t, policy(t, "silences", "{nodes: All, silences: [{"+silence+"}]}")), test.want)
		})
	}
	one := "{name: a, url: 'http://am', " + node + "}"
	refused := func(silences, want string) {
		t.Helper()
		checkAnswer(t, tryCreate(t, policy(t, "silences", "{nodes: All, silences: ["+silences+"]}")), []string{want})
	}
	refused(one+", "+one, "silences[1]: Duplicate value")
	var nine []string
	for i := range 9 {
		nine = append(nine, strings.Replace(one, "name: a", fmt.Sprintf("name: a%d", i), 1))
	}
	refused(strings.Join(nine, ", "), "must have at most 8 items")
}

func TestWhatIsStoredOfASilenceIsWhatWillHappen(t *testing.T) {
	stored := policy(t, "silences-defaults",
		`{nodes: All, silences: [{name: a, url: "http://am", matchers: [{name: node, value: "{{ .Node }}"}]}]}`)
	checkAnswer(t, tryCreate(t, stored), nil)
	silences, _, err := unstructured.NestedSlice(stored.Object, "spec", "silences")
	if err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{
		"name": "a", "url": "http://am", "durationSeconds": int64(600), "lingerSeconds": int64(0), "timeoutSeconds": int64(10),
		"matchers": []any{map[string]any{"name": "node", "matchType": "=", "value": "{{ .Node }}"}},
	}}
	if diff := cmp.Diff(want, silences); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}
