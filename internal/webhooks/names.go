package webhooks

import (
	"gomodules.xyz/jsonpatch/v2"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// fillIn says what is written into the spec of a NodeReboot: who created it, and who approved it, so that people do not have to write their
// user names. What they do write is left alone: config/admission/approval.yaml checks it. before is nil for a NodeReboot that is created.
func fillIn(user string, before, after map[string]any) []jsonpatch.Operation {
	var patch []jsonpatch.Operation
	requester, _ := before["requestedBy"].(string)
	if before == nil {
		requester = user
	}
	if !has(after, "requestedBy") && requester != "" {
		patch = append(patch, jsonpatch.NewOperation("add", "/spec/requestedBy", requester))
	}
	switch approved := isApproved(after); {
	// An approval that existed before without a name belongs to no one: an update of something else must not attribute it to the user who
	// updates.
	case approved && !has(after, "approvedBy") && (!isApproved(before) || has(before, "approvedBy")):
		patch = append(patch, jsonpatch.NewOperation("add", "/spec/approvedBy", user))
	case !approved && has(after, "approvedBy"):
		patch = append(patch, jsonpatch.NewOperation("remove", "/spec/approvedBy", nil))
	}
	return patch
}

func isApproved(spec map[string]any) bool { return spec["approval"] == string(v1alpha1.ApprovalGiven) }

func has(spec map[string]any, field string) bool {
	_, has := spec[field]
	return has
}
