package gates

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// They become part of a status, and whoever may raise an alert chooses its name.
func TestNamesOfAlertsAreInOneLineAndBounded(t *testing.T) {
	var alerts []map[string]string
	for _, name := range []string{"Node\nDown\x1b[31m", "NodeDown", "NodeDown", "", strings.Repeat("x", 200)} {
		alerts = append(alerts, map[string]string{"alertname": name, "node": "a"})
	}
	got := alertNames(alerts)
	if diff := cmp.Diff([]string{"NodeDown", "NodeDown[31m", "an alert without a name"}, got[:3]); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if len(got) != 4 || len(got[3]) > 110 || !strings.HasPrefix(got[3], "xxx") {
		t.Errorf("there are %d names, the last one is %q", len(got), got[len(got)-1])
	}
}
