package webhooks

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const helperName = "system:serviceaccount:any-name:reboot-operator-helper"

// A request to delete brings the pod, so nothing has to be read.
func TestDeletionsAreAnsweredByTheVeryPod(t *testing.T) {
	for name, test := range map[string]struct {
		pod, want string
	}{
		"of a pod on its node":        {pod: `{"metadata":{"name":"app","uid":"u1"},"spec":{"nodeName":"n1"}}`},
		"of a pod on another node":    {`{"metadata":{"name":"app","uid":"u1"},"spec":{"nodeName":"n2"}}`, "pod default/app is not on node n1"},
		"of a pod on no node":         {`{"metadata":{"name":"app","uid":"u1"}}`, "pod default/app is not on node n1"},
		"of several pods at once":     {`{"spec":{"nodeName":"n1"}}`, "one pod at a time"},
		"of something that is no pod": {`[]`, "read the Pod"},
	} {
		t.Run(name, func(t *testing.T) {
			request := admission.Request{AdmissionRequest: *evictionBy(helperName)}
			request.Operation, request.SubResource, request.Name = admissionv1.Delete, "", ""
			request.Object.Raw, request.OldObject.Raw = nil, []byte(test.pod)
			live := &pods{}
			response := (&removals{live: live}).Handle(t.Context(), request)
			if response.Allowed != (test.want == "") || !strings.Contains(response.Result.Message, test.want) {
				t.Errorf("allowed: %t, %+v, want %q", response.Allowed, response.Result, test.want)
			}
			if len(live.selected) > 0 {
				t.Errorf("it asked for %q", live.selected)
			}
		})
	}
}

func TestAnEvictionThatDoesNotSayWhichPodIsRefused(t *testing.T) {
	for _, options := range []string{`null`, `{}`, `{"preconditions":{}}`, `{"preconditions":{"uid":""}}`} {
		request := admission.Request{AdmissionRequest: *evictionBy(helperName)}
		request.Object.Raw = []byte(`{"deleteOptions":` + options + `}`)
		response := (&removals{live: &pods{uid: "u1"}}).Handle(t.Context(), request)
		if response.Allowed || !strings.Contains(response.Result.Message, "which pod it means") {
			t.Errorf("%s: allowed: %t, %+v", options, response.Allowed, response.Result)
		}
	}
}

// What cannot be read is the fault of the request, and what cannot be found out is not.
func TestWhoseFaultItIsThatThereIsNoAnswer(t *testing.T) {
	request := admission.Request{AdmissionRequest: *evictionBy(helperName)}
	for want, change := range map[int32]func(){
		http.StatusServiceUnavailable: func() {},
		http.StatusBadRequest:         func() { request.Object.Raw = []byte(`[]`) },
	} {
		request.Object.Raw = []byte(`{"deleteOptions":{"preconditions":{"uid":"u1"}}}`)
		change()
		response := (&removals{live: &pods{err: http.ErrServerClosed}}).Handle(t.Context(), request)
		if response.Allowed || response.Result.Code != want {
			t.Errorf("allowed: %t, %+v, want %d", response.Allowed, response.Result, want)
		}
	}
}

func TestNamesAreFilledIntoWhatTheAPIServerSends(t *testing.T) {
	const byJoe = `{"spec":{"requestedBy":"joe"}}`
	again := jsonpatch.NewOperation("add", "/spec/requestedBy", "joe")
	requested := jsonpatch.NewOperation("add", "/spec/requestedBy", "jane")
	approved := jsonpatch.NewOperation("add", "/spec/approvedBy", "jane")
	for name, test := range map[string]struct {
		before, after string // before is empty for one that is created
		want          []jsonpatch.Operation
		wrong         bool
	}{
		"created":                                  {after: `{"spec":{"nodeName":"n1"}}`, want: []jsonpatch.Operation{requested}},
		"created and approved":                     {after: `{"spec":{"approval":"Given"}}`, want: []jsonpatch.Operation{requested, approved}},
		"created with a name":                      {after: byJoe},
		"created with a name that is no text":      {after: `{"spec":{"requestedBy":7}}`},
		"created with a name that is nothing":      {after: `{"spec":{"requestedBy":null}}`},
		"created with an approval that is no text": {after: `{"spec":{"approval":["Given"]}}`, want: []jsonpatch.Operation{requested}},
		"created without a spec":                   {after: `{}`},
		"created with a spec that is no object":    {after: `{"spec":"x"}`},
		"created as something that is no object":   {after: `[]`, wrong: true},
		"approved later": {
			before: byJoe, after: `{"spec":{"requestedBy":"joe","approval":"Given"}}`, want: []jsonpatch.Operation{approved},
		},
		"changed by someone who did not request it": {before: byJoe, after: `{"spec":{}}`, want: []jsonpatch.Operation{again}},
		"changed, and nobody requested it":          {before: `{"spec":{}}`, after: `{"spec":{"nodeName":"n1"}}`},
		"changed from one without a spec":           {before: `{}`, after: `{"spec":{"nodeName":"n1"}}`},
		"changed from something that is no object":  {before: `[]`, after: `{"spec":{}}`, wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			var request admission.Request
			request.Operation, request.UserInfo.Username = admissionv1.Create, "jane"
			request.Object.Raw = []byte(test.after)
			if test.before != "" {
				request.Operation, request.OldObject.Raw = admissionv1.Update, []byte(test.before)
			}
			response := names{}.Handle(t.Context(), request)
			if response.Allowed == test.wrong || test.wrong && response.Result.Code != http.StatusBadRequest {
				t.Fatalf("allowed: %t, %+v", response.Allowed, response.Result)
			}
			if diff := cmp.Diff(inJSON(t, test.want), inJSON(t, response.Patches)); diff != "" {
				t.Errorf("what is written (-want +got):\n%s", diff)
			}
		})
	}
}

func inJSON(t *testing.T, operations []jsonpatch.Operation) []string {
	t.Helper()
	var texts []string
	for i := range operations {
		text, err := json.Marshal(operations[i])
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}
