package crd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// gateFields are all fields of gates. Each has a row in the table below.
var gateFields = map[string][]string{
	"gates.pods": slices.Concat([]string{"name", "namespaces"}, podSelectorFields("selector")),
	"gates.prometheus": slices.Concat(
		[]string{"name", "url", "query", "alerts.ignore", "alerts.match", "alerts.only", "alerts.matchers", "alerts.state"}, connectionFields),
	"gates.alertmanager": slices.Concat([]string{"name", "url", "matchers"}, connectionFields),
	"gates.objects":      objectFields,
	"recovery.objects":   objectFields,
}

var (
	connectionFields = []string{
		"timeoutSeconds", "onError", "auth.bearerToken.secret", "auth.bearerToken.key", "auth.basic.username", "auth.basic.password.secret",
		"auth.basic.password.key", "tls.ca.secret", "tls.ca.key", "tls.serverName", "tls.verification",
	}
	objectFields = []string{
		"name", "apiVersion", "kind", "namespace", "objectName", "selector.matchExpressions", "selector.matchLabels", "expect", "expression",
		"timeoutSeconds", "onError",
	}
)

func TestEveryFieldOfAGateIsInATable(t *testing.T) {
	for path, want := range gateFields {
		t.Run(path, func(t *testing.T) {
			schema := readSchema(t, "reboot-operator.io_rebootpolicies.yaml").Properties["spec"]
			for name := range strings.SplitSeq(path, ".") {
				schema = schema.Properties[name]
			}
			var got []string
			leaves(*schema.Items.Schema, "", &got)
			slices.Sort(got)
			if diff := cmp.Diff(slices.Sorted(slices.Values(want)), got); diff != "" {
				t.Errorf("fields in the table (-) and in the schema (+):\n%s", diff)
			}
			checkListOfNamed(t, schema)
		})
	}
}

func checkListOfNamed(t *testing.T, schema apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	if schema.MaxItems == nil || *schema.MaxItems != 16 || schema.XListType == nil || *schema.XListType != "map" ||
		!slices.Equal(schema.XListMapKeys, []string{"name"}) {
		t.Errorf("the list is not one of at most 16 by name: %v %v %v", schema.MaxItems, schema.XListType, schema.XListMapKeys)
	}
}

func TestAGateIsAcceptedOrRefusedWithAHint(t *testing.T) {
	const (
		everyPod = "every pod would block its node forever: write a selector with matchLabels, matchExpressions or matchAnnotations, " +
			"or namespaces"
		eitherOr   = "write either query or alerts: a gate asks for one thing; write 'alerts: {}' for every alert that fires"
		badURL     = "url begins with http:// or https:// and ends before any query, such as http://"
		oneAuth    = "write either bearerToken or basic: a request carries one of them"
		unverified = "credentials would go to any server that answers in its place: verify the server with tls.ca instead of " +
			"'verification: None', or leave auth out"
		allOrNone = "write an expression that is true for every object in the state that you require, such as object.status.health == 'Green', " +
			"or 'expect: None' if there must be no such object"
		noSecrets  = "gates do not read Secrets"
		noHTTPS    = "tls is about the certificate of a server that speaks https: write a url that begins with https://, or remove tls"
		nameOrMore = "write either objectName or selector: one object by its name, or all that have the labels"
	)
	pods := func(gate string) string { return "{nodes: All, gates: {pods: [" + gate + "]}}" }
	prometheus := func(rest string) string {
		return "{nodes: All, gates: {prometheus: [{name: g, url: 'http://p:9090', " + rest + "}]}}"
	}
	prometheusURL := func(url string) string {
		return "{nodes: All, gates: {prometheus: [{name: g, query: up == 0, url: '" + url + "'}]}}"
	}
	alertmanager := func(rest string) string {
		return "{nodes: All, gates: {alertmanager: [{name: g, url: 'https://a', " + rest + "}]}}"
	}
	objects := func(rest string) string {
		return "{nodes: All, gates: {objects: [{name: g, apiVersion: apps/v1, kind: StatefulSet, " + rest + "}]}}"
	}
	for name, test := range map[string]struct {
		spec string
		want []string
	}{
		"pods with a label":            {spec: pods("{name: ci, selector: {matchLabels: {app: runner}}}")},
		"pods by an expression":        {spec: pods("{name: ci, selector: {matchExpressions: [{key: job, operator: Exists}]}}")},
		"pods of a namespace":          {spec: pods("{name: ci, namespaces: [ci]}")},
		"pods by an annotation":        {spec: pods(`{name: ci, selector: {matchAnnotations: {karpenter.sh/do-not-disrupt: "true"}}}`)},
		"all pods":                     {pods("{name: ci}"), []string{everyPod}},
		"all pods, by empty labels":    {pods("{name: ci, selector: {matchLabels: {}}, namespaces: [a]}"), []string{"selector", "an empty selector does not say which pods are meant"}},
		"pods without a name":          {pods("{namespaces: [ci]}"), []string{"spec.gates.pods[0].name: Required value"}},
		"pods with an empty name":      {pods(`{name: "", namespaces: [ci]}`), []string{"at least 1 chars long"}},
		"pods with a long name":        {pods("{name: " + long(64) + ", namespaces: [ci]}"), []string{"may not be more than 63"}},
		"two gates of one name":        {pods("{name: ci, namespaces: [a]}, {name: ci, namespaces: [b]}"), []string{"spec.gates.pods[1]: Duplicate value"}},
		"a namespace twice":            {pods("{name: ci, namespaces: [a, a]}"), []string{"namespaces[1]: Duplicate value"}},
		"a namespace without a name":   {pods(`{name: ci, namespaces: [""]}`), []string{"at least 1 chars long"}},
		"a namespace with a long name": {pods("{name: ci, namespaces: [" + long(64) + "]}"), []string{"may not be more than 63"}},
		"too many namespaces":          {pods("{name: ci, namespaces: [" + zones(17) + "]}"), []string{"must have at most 16 items"}},
		"too many gates":               {pods(strings.TrimSuffix(strings.Repeat("{name: X, namespaces: [a]}, ", 17), ", ")), []string{"must have at most 16 items"}},

		"a query":                    {spec: prometheus("query: up == 0")},
		"every alert":                {spec: prometheus("alerts: {}")},
		"some alerts":                {spec: prometheus(`alerts: {ignore: "Watchdog|Info.*", only: ".*", state: FiringOrPending, matchers: [{name: severity, matchType: "=~", value: "critical|page"}]}`)},
		"neither query nor alerts":   {prometheus("onError: Require"), []string{eitherOr}},
		"query and alerts":           {prometheus("query: up == 0, alerts: {}"), []string{eitherOr}},
		"an empty query":             {prometheus(`query: ""`), []string{"at least 1 chars long"}},
		"too long a query":           {prometheus("query: " + long(4097)), []string{"may not be more than 4096"}},
		"names by a part":            {spec: prometheus(`alerts: {ignore: "dog$", match: Anywhere}`)},
		"another way to match":       {prometheus(`alerts: {ignore: "dog$", match: Whole}`), []string{"alerts.match", `supported values: "Anywhere", "WholeName"`}},
		"names that are no RE2":      {prometheus(`alerts: {ignore: "("}`), []string{"error parsing regexp", "ignore is a regular expression (RE2) that matches whole names"}},
		"other names that are none":  {prometheus(`alerts: {only: "*"}`), []string{"only is a regular expression (RE2) that matches whole names"}},
		"empty names":                {prometheus(`alerts: {ignore: ""}`), []string{"at least 1 chars long"}},
		"other empty names":          {prometheus(`alerts: {only: ""}`), []string{"at least 1 chars long"}},
		"too long names":             {prometheus("alerts: {ignore: " + long(1025) + "}"), []string{"may not be more than 1024"}},
		"other too long names":       {prometheus("alerts: {only: " + long(1025) + "}"), []string{"may not be more than 1024"}},
		"a state that is none":       {prometheus("alerts: {state: Inactive}"), []string{`supported values: "Firing", "FiringOrPending"`}},
		"a matcher":                  {spec: prometheus("alerts: {matchers: [{name: a, value: b}]}")},
		"a matcher for no value":     {spec: prometheus("alerts: {matchers: [{name: a}]}")},
		"a matcher without a name":   {prometheus("alerts: {matchers: [{value: b}]}"), []string{"name: Required value"}},
		"a matcher with a bad name":  {prometheus("alerts: {matchers: [{name: a-b, value: b}]}"), []string{"should match '^[a-zA-Z_][a-zA-Z0-9_]*$'"}},
		"a matcher of another type":  {prometheus(`alerts: {matchers: [{name: a, matchType: "==", value: b}]}`), []string{`supported values: "!=", "!~", "=", "=~"`}},
		"a matcher that is no RE2":   {prometheus(`alerts: {matchers: [{name: a, matchType: "!~", value: "("}]}`), []string{"matchers[0]", "value is a regular expression (RE2) that matches whole values"}},
		"a matcher that need not be": {spec: prometheus(`alerts: {matchers: [{name: a, matchType: "!=", value: "("}]}`)},
		"a matcher too long":         {prometheus("alerts: {matchers: [{name: a, value: " + long(1025) + "}]}"), []string{"may not be more than 1024"}},
		"a label too long":           {prometheus("alerts: {matchers: [{name: " + long(129) + "}]}"), []string{"may not be more than 128"}},
		"too many matchers":          {prometheus("alerts: {matchers: [" + strings.Repeat("{name: a},", 17) + "]}"), []string{"must have at most 16 items"}},

		"a URL with a path":            {spec: prometheusURL("https://monitoring.example.com/prometheus")},
		"a URL with an address":        {spec: prometheusURL("http://[::1]:9090/")},
		"a URL without a scheme":       {prometheusURL("prometheus:9090"), []string{"spec.gates.prometheus[0].url", badURL}},
		"a URL that is a name":         {prometheusURL("prometheus"), []string{badURL}},
		"a URL of another scheme":      {prometheusURL("ftp://prometheus"), []string{badURL}},
		"a URL that is a file":         {prometheusURL("file:///etc/passwd"), []string{badURL}},
		"a URL without a host":         {prometheusURL("http://"), []string{badURL}},
		"a URL with a password":        {prometheusURL("http://user:secret@prometheus"), []string{badURL}},
		"a URL with a query":           {prometheusURL("http://prometheus/?a=b"), []string{badURL}},
		"a URL with a space":           {prometheusURL("http://prometheus a"), []string{badURL}},
		"an empty URL":                 {prometheusURL(""), []string{"at least 1 chars long"}},
		"too long a URL":               {prometheusURL("http://" + long(1024)), []string{"may not be more than 1024"}},
		"no URL":                       {"{nodes: All, gates: {prometheus: [{name: g, query: up}]}}", []string{"url: Required value"}},
		"an Alertmanager with no URL":  {"{nodes: All, gates: {alertmanager: [{name: g}]}}", []string{"url: Required value"}},
		"an Alertmanager with bad URL": {"{nodes: All, gates: {alertmanager: [{name: g, url: alertmanager}]}}", []string{badURL}},

		"an Alertmanager":               {spec: alertmanager("matchers: [{name: severity, value: critical}]")},
		"an Alertmanager that is no RE": {alertmanager(`matchers: [{name: a, matchType: "=~", value: "("}]`), []string{"matchers[0]", "value is a regular expression (RE2) that matches whole values"}},
		"a timeout of zero":             {alertmanager("timeoutSeconds: 0"), []string{"must be a number of seconds from "}},
		"a timeout of a minute":         {spec: alertmanager("timeoutSeconds: 60")},
		"a longer timeout":              {alertmanager("timeoutSeconds: 61"), []string{"must be a number of seconds from "}},
		"errors that are ignored":       {spec: alertmanager("onError: Ignore")},
		"errors that are something":     {alertmanager("onError: Allow"), []string{"write Require or Ignore (Block is now Require)"}},
		"a token":                       {spec: alertmanager("auth: {bearerToken: {key: token}}")},
		"a token of another Secret":     {spec: alertmanager("auth: {bearerToken: {secret: mine, key: token}}")},
		"a password":                    {spec: alertmanager("auth: {basic: {username: u, password: {key: p}}}")},
		"a token and a password":        {alertmanager("auth: {bearerToken: {key: t}, basic: {username: u, password: {key: p}}}"), []string{oneAuth}},
		"neither":                       {alertmanager("auth: {}"), []string{oneAuth}},
		"a token itself":                {alertmanager("auth: {bearerToken: abc}"), []string{"must be of type object"}},
		"a token without a key":         {alertmanager("auth: {bearerToken: {secret: s}}"), []string{"key: Required value"}},
		"a token with an empty key":     {alertmanager(`auth: {bearerToken: {key: ""}}`), []string{"at least 1 chars long"}},
		"a token with a long key":       {alertmanager("auth: {bearerToken: {key: " + long(254) + "}}"), []string{"may not be more than 253"}},
		"a Secret without a name":       {alertmanager(`auth: {bearerToken: {secret: "", key: a}}`), []string{"at least 1 chars long"}},
		"a Secret with a long name":     {alertmanager("auth: {bearerToken: {secret: " + long(254) + ", key: a}}"), []string{"may not be more than 253"}},
		"a Secret of a namespace":       {alertmanager("auth: {bearerToken: {namespace: kube-system, key: a}}"), []string{"unknown field"}},
		"a password without a name":     {alertmanager("auth: {basic: {password: {key: p}}}"), []string{"username: Required value"}},
		"an empty name":                 {alertmanager(`auth: {basic: {username: "", password: {key: p}}}`), []string{"at least 1 chars long"}},
		"a long name":                   {alertmanager("auth: {basic: {username: " + long(254) + ", password: {key: p}}}"), []string{"may not be more than 253"}},
		"a name without a password":     {alertmanager("auth: {basic: {username: u}}"), []string{"password: Required value"}},
		"an authority":                  {spec: alertmanager("tls: {ca: {key: ca.crt}, serverName: a.example.com, verification: Full}")},
		"an authority for no https":     {prometheus("query: up, tls: {ca: {key: ca.crt}}"), []string{"spec.gates.prometheus[0].tls", noHTTPS}},
		"nor of an Alertmanager": {
			"{nodes: All, gates: {alertmanager: [{name: g, url: 'http://a', tls: {}}]}}", []string{"spec.gates.alertmanager[0].tls", noHTTPS},
		},
		"an authority for nothing": {alertmanager("tls: {verification: None, ca: {key: a}}"), []string{"tls.ca", "verification None looks at no authority: remove ca, or write 'verification: Full'"}},
		"no verification":          {spec: alertmanager("tls: {verification: None}")},
		"another verification":     {alertmanager("tls: {verification: Some}"), []string{`supported values: "Full", "None"`}},
		"an empty server name":     {alertmanager(`tls: {serverName: ""}`), []string{"at least 1 chars long"}},
		"a long server name":       {alertmanager("tls: {serverName: " + long(254) + "}"), []string{"may not be more than 253"}},
		"a token, unverified":      {alertmanager("auth: {bearerToken: {key: t}}, tls: {verification: None}"), []string{unverified}},
		"a password, unverified":   {alertmanager("auth: {basic: {username: u, password: {key: p}}}, tls: {verification: None}"), []string{unverified}},
		"a token, verified":        {spec: alertmanager("auth: {bearerToken: {key: t}}, tls: {ca: {key: ca}}")},

		"all objects of a kind":       {spec: objects("expression: 'true'")},
		"one object":                  {spec: objects("namespace: a, objectName: b, expression: 'true'")},
		"objects with labels":         {spec: objects("selector: {matchLabels: {a: b}}, expression: 'true'")},
		"one object with labels":      {objects("objectName: b, selector: {matchLabels: {a: b}}, expression: 'true'"), []string{nameOrMore}},
		"objects without a condition": {objects("namespace: a"), []string{allOrNone}},
		"objects with an empty one":   {objects(`expression: ""`), []string{"at least 1 chars long"}},
		"objects with a long one":     {objects("expression: " + long(4097)), []string{"may not be more than 4096"}},
		"an empty namespace":          {objects(`namespace: "", expression: 'true'`), []string{"at least 1 chars long"}},
		"a long namespace":            {objects("namespace: " + long(64) + ", expression: 'true'"), []string{"may not be more than 63"}},
		"an object without a name":    {objects(`objectName: "", expression: 'true'`), []string{"at least 1 chars long"}},
		"an object with a long name":  {objects("objectName: " + long(254) + ", expression: 'true'"), []string{"may not be more than 253"}},
		"objects with a timeout":      {objects("timeoutSeconds: 61, expression: 'true'"), []string{"must be a number of seconds from "}},
		"objects with no timeout":     {objects("timeoutSeconds: 0, expression: 'true'"), []string{"must be a number of seconds from "}},
		"objects that may be missing": {spec: objects("onError: Ignore, expression: 'true'")},
		"all without a condition":     {objects("expect: All"), []string{allOrNone}},
		"all with a condition":        {spec: objects("expect: All, expression: 'true'")},
		"no object":                   {spec: objects("expect: None")},
		"no object with a condition":  {spec: objects("expect: None, expression: object.status.phase == 'Running'")},
		"no object, an empty one":     {objects(`expect: None, expression: ""`), []string{"at least 1 chars long"}},
		"some objects":                {objects("expect: Any, expression: 'true'"), []string{`supported values: "All", "None"`}},
		"Secrets":                     {"{nodes: All, gates: {objects: [{name: g, apiVersion: v1, kind: Secret, expression: 'true'}]}}", []string{noSecrets}},
		"no Secret":                   {"{nodes: All, recovery: {objects: [{name: g, apiVersion: v1, kind: Secret, expect: None}]}}", []string{noSecrets}},
		"another kind of Secret":      {spec: "{nodes: All, gates: {objects: [{name: g, apiVersion: example.com/v1, kind: Secret, expect: None}]}}"},
		"no object after a reboot":    {spec: "{nodes: All, recovery: {objects: [{name: g, apiVersion: v1, kind: Pod, expect: None}]}}"},
		"no kind":                     {"{nodes: All, gates: {objects: [{name: g, apiVersion: v1, expression: 'true'}]}}", []string{"kind: Required value"}},
		"no version":                  {"{nodes: All, gates: {objects: [{name: g, kind: Pod, expression: 'true'}]}}", []string{"apiVersion: Required value"}},
		"a long kind":                 {"{nodes: All, gates: {objects: [{name: g, apiVersion: v1, kind: " + long(64) + ", expression: 'true'}]}}", []string{"may not be more than 63"}},
		"a long version":              {"{nodes: All, gates: {objects: [{name: g, apiVersion: " + long(254) + ", kind: Pod, expression: 'true'}]}}", []string{"may not be more than 253"}},
		"objects after a reboot":      {spec: "{nodes: All, recovery: {objects: [{name: g, apiVersion: v1, kind: Pod, expression: 'true'}]}}"},
		"one with labels after one":   {"{nodes: All, recovery: {objects: [{name: g, apiVersion: v1, kind: Pod, objectName: a, selector: {}, expression: 'true'}]}}", []string{nameOrMore}},
	} {
		t.Run(name, func(t *testing.T) {
			for i := strings.Count(test.spec, "{name: X,"); i > 0; i-- {
				test.spec = strings.Replace(test.spec, "{name: X,", fmt.Sprintf("{name: x%d,", i), 1)
			}
			checkAnswer(t, tryCreate(t, policy(t, "gates", test.spec)), test.want)
		})
	}
}

func TestWhatIsStoredOfAGateIsWhatWillHappen(t *testing.T) {
	stored := policy(t, "gates-defaults", `{nodes: All, gates: {
		prometheus: [{name: a, url: "https://p", alerts: {matchers: [{name: x}]}, auth: {bearerToken: {key: t}}, tls: {}}],
		objects: [{name: o, apiVersion: v1, kind: Pod, expression: "true"}]}}`)
	checkAnswer(t, tryCreate(t, stored), nil)
	gates, _, err := unstructured.NestedMap(stored.Object, "spec", "gates")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"capacity": "Ignore",
		"prometheus": []any{map[string]any{
			"name": "a", "url": "https://p", "timeoutSeconds": int64(10), "onError": "Require",
			"alerts": map[string]any{
				"match": "WholeName", "state": "Firing", "matchers": []any{map[string]any{"name": "x", "matchType": "=", "value": ""}},
			},
			"auth": map[string]any{"bearerToken": map[string]any{"secret": "reboot-operator-gates", "key": "t"}},
			"tls":  map[string]any{"verification": "Full"},
		}},
		"objects": []any{map[string]any{
			"name": "o", "apiVersion": "v1", "kind": "Pod", "expect": "All", "expression": "true", "timeoutSeconds": int64(10), "onError": "Require",
		}},
	}
	if diff := cmp.Diff(want, gates); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}
