package docs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `# Title

` + "```sh" + `
# A comment.
kubectl get nodes   # who is there?
kubectl get \
  pods
kubectl apply -f - <<'EOF'
# a document
kind: Node

EOF
` + "```" + `

## Next one

- In a list:

  ` + "```console" + `
  $ kubectl reboots why a
  Node a waits.
    kubectl reboots now a
  $ true
  ` + "```" + `

` + "````text\n```sh\nno command\n```\n````" + `
`

func TestCommandsAreFoundAsTheyAreTyped(t *testing.T) {
	page, err := parse("docs/page.md", sample)
	if err != nil {
		t.Fatal(err)
	}
	type found struct{ Place, Heading, Text, Output, Bare, Program string }
	var got []found
	for i := range page.Blocks {
		commands, err := Commands(&page.Blocks[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			got = append(got, found{c.Place(), c.Block.Heading, c.Text, c.Output, c.Bare(), c.Program()})
		}
	}
	want := []found{
		{"docs/page.md:5", "Title", "kubectl get nodes   # who is there?", "", "kubectl get nodes", "kubectl"},
		{"docs/page.md:6", "Title", "kubectl get \\\n  pods", "", "kubectl get pods", "kubectl"},
		{
			"docs/page.md:8", "Title", "kubectl apply -f - <<'EOF'\n# a document\nkind: Node\n\nEOF", "", "kubectl apply -f - <<'EOF'",
			"kubectl",
		},
		{
			"docs/page.md:20", "Next one", "kubectl reboots why a", "Node a waits.\n  kubectl reboots now a\n", "kubectl reboots why a",
			"kubectl",
		},
		{"docs/page.md:23", "Next one", "true", "", "true", "true"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if len(page.Blocks) != 3 || page.Blocks[2].Text != "```sh\nno command\n```\n" {
		t.Errorf("blocks %+v", page.Blocks)
	}
}

func TestWhatNobodyCouldTypeIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		"```sh\ntrue\n":                    "docs/page.md:1: the block does not end",
		"```fish\ntrue\n```\n":             `whether a block of the language "fish" has commands`,
		"```sh\n$ true\n```\n":             "gets the prompt, too",
		"```sh\ntrue \\\n```\n":            "docs/page.md:2: the command does not end",
		"```sh\ncat <<EOF\n EOF x\n```\n":  "docs/page.md:2: the command does not end",
		"\n```bash\ncat <<-EOF\nE\n```\n":  "docs/page.md:3: the command does not end",
		"~~~sh\ntrue\n~~~\n```sh\nx \\\n ": "docs/page.md:4: the block does not end",
	} {
		page, err := parse("docs/page.md", text)
		for i := range page.Blocks {
			if err == nil {
				_, err = Commands(&page.Blocks[i])
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

func TestTheProgramIsWhatRunsFirst(t *testing.T) {
	for text, want := range map[string]string{
		"A=b": "", "A=b make x": "make", "kubectl get x | xargs -n1 helm": "kubectl", "sudo install x": "sudo",
	} {
		if got := (&Command{Text: text}).Program(); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
