package timeline_test

import (
	"os"
	"strings"
	"testing"
)

// The page shows golden files. After a change, copy them into it.
func TestThePageShowsWhatTheCommandWrites(t *testing.T) {
	t.Parallel()
	read := func(file string) string {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	page := read("../../../docs/kubectl/timeline.md")
	for _, file := range []string{"middle-80.txt", "node-80.txt"} {
		if !strings.Contains(page, "\n"+read("testdata/"+file)+"```\n") {
			t.Errorf("docs/kubectl/timeline.md does not have what is in testdata/%s", file)
		}
	}
	if read("../../../docs/kubectl/timeline.svg") != read("testdata/picture.svg") {
		t.Error("docs/kubectl/timeline.svg is not testdata/picture.svg")
	}
}
