package app

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Named is an argument that names an object, as node/NAME does.
type Named struct {
	// Kind is empty if the argument is a name alone.
	Kind schema.GroupVersionKind
	Name string
	// Unknown is what is before the name, with its slash, if that is no kind that commands know.
	Unknown string
}

// kindWords are the words before the slash, as kubectl takes them. The first of each kind is the one that commands write and offer.
var kindWords = []struct {
	kind  schema.GroupVersionKind
	words []string
}{
	{NodeKind, []string{"node", "nodes", "no"}},
	{PolicyKind, []string{"policy", "policies", "rebootpolicy", "rebootpolicies", "rbp"}},
	{RebootKind, []string{"nodereboot", "nodereboots", "nrb"}},
}

// ParseName takes an argument apart. A kind may have its group, as "kubectl get -o name" writes it.
func ParseName(arg string) Named {
	word, name, typed := strings.Cut(arg, "/")
	if !typed {
		return Named{Name: arg}
	}
	bare, group, _ := strings.Cut(strings.ToLower(word), ".")
	for _, known := range kindWords {
		for _, one := range known.words {
			if one == bare && (group == "" || group == known.kind.Group) {
				return Named{Kind: known.kind, Name: name}
			}
		}
	}
	return Named{Name: name, Unknown: word + "/"}
}

// KindWord is the word that commands write before the name of an object of a kind.
func KindWord(kind schema.GroupVersionKind) string {
	for _, known := range kindWords {
		if known.kind == kind {
			return known.words[0]
		}
	}
	return strings.ToLower(kind.Kind)
}
