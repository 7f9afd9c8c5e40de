package cells_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

func TestATableThatIsTooWideIsMadeNarrower(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		evenly bool
		width  int
		want   []string
	}{
		"there is room":           {width: 60, want: []string{"A                  B", "a-long-first-cell  a-longer-second-cell"}},
		"the first one":           {width: 38, want: []string{"A                 B", "a-long-first-ce…  a-longer-second-cell"}},
		"the widest one":          {evenly: true, width: 38, want: []string{"A                  B", "a-long-first-cell  a-longer-second-ce…"}},
		"both":                    {evenly: true, width: 22, want: []string{"A           B", "a-long-fi…  a-longer-…"}},
		"no room for any of them": {evenly: true, width: 1, want: []string{"…", "…"}},
	} {
		table := cells.Table{Heading: []string{"A", "B"}, Rows: [][]string{{"a-long-first-cell", "a-longer-second-cell"}}, Evenly: test.evenly}
		if diff := cmp.Diff(test.want, table.Lines(test.width)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
