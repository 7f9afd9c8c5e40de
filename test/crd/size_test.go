package crd

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// What a helper's token can store is bounded by the 16 names of its node's NodeReboots, times the largest report.
func TestTheLargestReportOfAHelperIsSmall(t *testing.T) {
	const limit = 64 << 10
	report := readSchema(t, "reboot-operator.io_nodereboots.yaml").Properties["status"].Properties["report"]
	if size := largest(t, report, "status.report"); size > limit {
		t.Errorf("a report takes up to %d bytes, want no more than %d", size, limit)
	} else {
		t.Logf("a report takes up to %d bytes", size)
	}
}

// largest is how many bytes the strings of a value may have: maxLength counts characters, which have up to four.
func largest(t *testing.T, schema apiextensionsv1.JSONSchemaProps, path string) int64 {
	t.Helper()
	var size int64
	for name, property := range schema.Properties {
		size += int64(len(name)) + largest(t, property, path+"."+name)
	}
	if schema.AdditionalProperties != nil {
		t.Errorf("%s may have any number of keys", path)
	}
	switch {
	case schema.Type == "array" && schema.MaxItems == nil:
		t.Errorf("%s may have any number of items", path)
	case schema.Type == "array":
		size += *schema.MaxItems * largest(t, *schema.Items.Schema, path+"[]")
	case schema.Type == "string" && schema.MaxLength != nil && schema.Pattern != "": // all patterns are of ASCII
		size += *schema.MaxLength
	case schema.Type == "string" && schema.MaxLength != nil:
		size += 4 * *schema.MaxLength
	case schema.Type == "string" && len(schema.Enum) == 0 && schema.Pattern == "":
		t.Errorf("%s may have any length", path)
	default:
		size += 32
	}
	return size
}
