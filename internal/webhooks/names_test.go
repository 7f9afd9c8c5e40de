package webhooks

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
)

func TestNamesAreFilledIn(t *testing.T) {
	type spec = map[string]any
	add := func(field, value string) jsonpatch.Operation {
		return jsonpatch.NewOperation("add", "/spec/"+field, value)
	}
	removeApprover := jsonpatch.NewOperation("remove", "/spec/approvedBy", nil)
	for name, test := range map[string]struct {
		before, after spec
		want          []jsonpatch.Operation
	}{
		"created":                          {nil, spec{"nodeName": "n1"}, []jsonpatch.Operation{add("requestedBy", "me")}},
		"created with a name":              {nil, spec{"requestedBy": "you"}, nil},
		"created with an empty name":       {nil, spec{"requestedBy": ""}, nil},
		"created and approved":             {nil, spec{"approval": "Given"}, []jsonpatch.Operation{add("requestedBy", "me"), add("approvedBy", "me")}},
		"created and approved, with names": {nil, spec{"requestedBy": "you", "approval": "Given", "approvedBy": "you"}, nil},
		"created with a name that approves nothing": {
			nil, spec{"requestedBy": "me", "approval": "NotGiven", "approvedBy": "me"}, []jsonpatch.Operation{removeApprover},
		},
		"approved":                    {spec{"requestedBy": "you"}, spec{"requestedBy": "you", "approval": "Given"}, []jsonpatch.Operation{add("approvedBy", "me")}},
		"approved by name":            {spec{}, spec{"approval": "Given", "approvedBy": "you"}, nil},
		"approved again":              {spec{"approval": "Given", "approvedBy": "you"}, spec{"approval": "Given"}, []jsonpatch.Operation{add("approvedBy", "me")}},
		"approved by nobody stays so": {spec{"approval": "Given"}, spec{"approval": "Given"}, nil},
		"approved stays so":           {spec{"approval": "Given", "approvedBy": "you"}, spec{"approval": "Given", "approvedBy": "you"}, nil},
		"withdrawn": {
			spec{"approval": "Given", "approvedBy": "you"}, spec{"approval": "NotGiven", "approvedBy": "you"}, []jsonpatch.Operation{removeApprover},
		},
		"withdrawn by leaving it out":     {spec{"approval": "Given", "approvedBy": "you"}, spec{}, nil},
		"written without the requester":   {spec{"requestedBy": "you"}, spec{}, []jsonpatch.Operation{add("requestedBy", "you")}},
		"there never was a requester":     {spec{}, spec{}, nil},
		"an approval that is no approval": {spec{}, spec{"approval": 7}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, fillIn("me", test.before, test.after)); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}
