package decode_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/decode"
)

type inline struct {
	Inline string `json:"inline,omitempty"`
}

type thing struct {
	inline  `json:",inline"`
	Name    string              `json:"name,omitempty"`
	Hidden  string              `json:"-"`
	Count   int32               `json:"count,omitempty"`
	Time    *metav1.Time        `json:"time,omitempty"`
	Micro   *metav1.MicroTime   `json:"micro,omitempty"`
	Percent *intstr.IntOrString `json:"percent,omitempty"`
	Below   *thing              `json:"below,omitempty"`
	List    []thing             `json:"list,omitempty"`
	Labels  map[string]int64    `json:"labels,omitempty"`
}

func TestWhatCanBeReadIsReadAndTheRestNamed(t *testing.T) {
	t.Parallel()
	zero := &metav1.Time{}
	tests := map[string]struct {
		text string
		want thing
		// paths of what cannot be read, and what is said about the first.
		paths []string
		says  string
	}{
		"nothing":                   {text: `{}`},
		"all":                       {text: `{"name":"a","inline":"b","count":100,"other":{}}`, want: thing{Name: "a", inline: inline{"b"}, Count: 100}},
		"names are case-sensitive":  {text: `{"Name":"a"}`},
		"a time in lower case":      {text: `{"name":"a","time":"2026-01-01t00:00:00z"}`, want: thing{Name: "a", Time: zero}, paths: []string{"time"}, says: `"2026-01-01t00:00:00z" is not a time that can be read: write it like 2026-01-31T22:05:00Z`},
		"a time without fractions":  {text: `{"micro":"2026-01-01T00:00:00Z"}`, want: thing{Micro: &metav1.MicroTime{}}, paths: []string{"micro"}, says: "write it like 2026-01-31T22:05:00.000000Z"},
		"a number that is a word":   {text: `{"name":"a","count":"1"}`, want: thing{Name: "a"}, paths: []string{"count"}},
		"a number that is too long": {text: `{"count":2147483648}`, paths: []string{"count"}},
		"a word that is a number":   {text: `{"name":1,"inline":[],"Hidden":"x"}`, paths: []string{"inline", "name"}},
		"a percentage":              {text: `{"percent":[]}`, want: thing{Percent: &intstr.IntOrString{}}, paths: []string{"percent"}},
		"below":                     {text: `{"below":{"name":"b","count":{}}}`, want: thing{Below: &thing{Name: "b"}}, paths: []string{"below.count"}},
		"all of what is below":      {text: `{"below":"b"}`, want: thing{Below: &thing{}}, paths: []string{"below"}},
		"an item":                   {text: `{"list":[{"name":"a"},{"name":"b","count":""},3]}`, want: thing{List: []thing{{Name: "a"}, {Name: "b"}, {}}}, paths: []string{"list[1].count", "list[2]"}},
		"a list":                    {text: `{"list":{}}`, paths: []string{"list"}},
		"a value":                   {text: `{"labels":{"a":1,"b":"2"}}`, want: thing{Labels: map[string]int64{"a": 1, "b": 0}}, paths: []string{"labels[b]"}},
		"nulls":                     {text: `{"below":null,"list":[null],"time":null,"count":"x"}`, want: thing{List: []thing{{}}}, paths: []string{"count"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := thing{Name: "before"}
			if len(test.paths) == 0 {
				got = thing{}
			}
			problems, err := decode.Object([]byte(test.text), &got)
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, p := range problems {
				paths = append(paths, p.Path)
			}
			if diff := cmp.Diff(test.paths, paths); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(thing{})); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if len(problems) > 0 && !strings.Contains(problems[0].Description, test.says) {
				t.Errorf("it says %q, want %q", problems[0].Description, test.says)
			}
		})
	}
}

func TestWhatIsNoObjectIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "[]", `"x"`, "{", `{"name":}`, "\x00"} {
		if _, err := decode.Object([]byte(text), &thing{}); err == nil {
			t.Errorf("%q is decoded", text)
		}
	}
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	items := make([]string, 1000)
	for i := range items {
		items[i] = fmt.Sprintf(`{"name":%d}`, i)
	}
	problems, err := decode.Object([]byte(`{"list":[`+strings.Join(items, ",")+`],"time":"`+strings.Repeat("ä", 1000)+`"}`), &thing{})
	if err != nil {
		t.Fatal(err)
	}
	last := problems[len(problems)-1]
	if len(problems) > 256 || last.Path != "" || !last.Covers("anything") || last.Below("anything") {
		t.Errorf("there are %d problems, the last one is %v", len(problems), last)
	}
	problems, _ = decode.Object([]byte(`{"time":"`+strings.Repeat("ä", 1000)+`"}`), &thing{})
	if text := problems[0].String(); len(text) > 600 {
		t.Errorf("a problem is %d bytes long", len(text))
	}
}

func TestAProblemIsAboutItsPath(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		problem, path string
		below, covers bool
	}{
		{"spec.nodes", "spec.nodes", true, true},
		{"spec.nodeSelector", "spec.nodes", false, false},
		{"spec.nodes.a", "spec.nodes", true, true},
		{"spec.list[1].a", "spec.list", true, true},
		{"spec", "spec.nodes", false, true},
		{"", "spec.nodes", false, true},
		{"status", "spec.nodes", false, false},
	} {
		p := decode.Problem{Path: test.problem}
		if p.Below(test.path) != test.below || p.Covers(test.path) != test.covers {
			t.Errorf("%q is below %q: %t, covers it: %t", test.problem, test.path, p.Below(test.path), p.Covers(test.path))
		}
	}
}

// FuzzObject: what is valid JSON and an object is always decoded, and what has no problem is what encoding/json reads.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"list":[{"time":"x"}]}`, `{"labels":{"a":1e99}}`, `{"below":{"below":{"below":7}}}`, `{"name":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got thing
		problems, err := decode.Object(data, &got)
		var fields map[string]any
		isObject := json.Unmarshal(data, &fields) == nil && fields != nil
		if isObject && err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if !isObject && len(problems) > 0 {
			t.Fatalf("%q is no object, and has problems %v", data, problems)
		}
	})
}
