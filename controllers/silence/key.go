package silence

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Creator is the author of the operator's silences.
const Creator = "reboot-operator"

// Key tells a silence of the operator from all others. It is in the silence's comment.
type Key struct {
	// Policy whose entry asks for the silence, its UID, and the name of the entry.
	Policy, PolicyUID, Entry string
	// Node that is under way, its NodeReboot and the number of the attempt.
	Node, Reboot, RebootUID string
	Attempt                 int32
	// Digest of the matchers, and Server of the Alertmanager and how it is reached: with others it is another silence.
	Digest, Server string
}

// Comment is the comment of the silence: for people, and in brackets for the operator.
func (k Key) Comment() string {
	return fmt.Sprintf("Node %s is rebooted by RebootPolicy %s (NodeReboot %s, attempt %d). The silence ends with the reboot, or expires "+
		"by itself. [%s %s %s %s %s]", k.Node, k.Policy, k.Reboot, k.Attempt, k.Entry, k.PolicyUID, k.RebootUID, k.Digest, k.Server)
}

var comments = regexp.MustCompile(`^Node (\S+) is rebooted by RebootPolicy (\S+) \(NodeReboot (\S+), attempt ([0-9]+)\)\. [^\[\]]* ` +
	`\[(\S+) (\S+) (\S+) ([0-9a-f]{16}) ([0-9a-f]{16})\]$`)

// Parse returns the key of a silence; false for one that the operator did not make, or whose matchers were changed since.
func Parse(createdBy, comment string, matchers []Matcher) (Key, bool) {
	if createdBy != Creator {
		return Key{}, false
	}
	found := comments.FindStringSubmatch(comment)
	if found == nil {
		return Key{}, false
	}
	attempt, err := strconv.ParseInt(found[4], 10, 32)
	key := Key{
		Node: found[1], Policy: found[2], Reboot: found[3], Attempt: int32(attempt),
		Entry: found[5], PolicyUID: found[6], RebootUID: found[7], Digest: found[8], Server: found[9],
	}
	return key, err == nil && key.Digest == digest(matchers)
}

// compare puts keys into an order.
func compare(a, b Key) int {
	return cmp.Or(
		strings.Compare(a.Node, b.Node), strings.Compare(a.RebootUID, b.RebootUID), cmp.Compare(a.Attempt, b.Attempt),
		strings.Compare(a.Entry, b.Entry), strings.Compare(a.PolicyUID, b.PolicyUID), strings.Compare(a.Digest, b.Digest),
		strings.Compare(a.Server, b.Server), strings.Compare(a.Policy, b.Policy), strings.Compare(a.Reboot, b.Reboot),
	)
}

// Matcher compares one label of an alert.
type Matcher struct {
	Name  string
	Type  v1alpha1.MatchType
	Value string
}

// quoted escapes what Alertmanager reads as escaped, and nothing else: it does not know the other escapes of Go.
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// String is the matcher in the notation of Prometheus.
func (m Matcher) String() string {
	return m.Name + string(m.Type) + `"` + quoted.Replace(m.Value) + `"`
}

// positive: the matcher says which values match, not which do not.
func (m Matcher) positive() bool {
	return m.Type == v1alpha1.MatchEqual || m.Type == v1alpha1.MatchRegexp
}

func (m Matcher) isRegexp() bool {
	return m.Type == v1alpha1.MatchRegexp || m.Type == v1alpha1.MatchNotRegexp
}

// digest is the same for the same matchers, in whatever order a server returns them.
func digest(matchers []Matcher) string {
	var sum uint64
	for _, m := range matchers {
		sum += hashOf(m.String())
	}
	return hexadecimal(sum)
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

func hexadecimal(sum uint64) string { return fmt.Sprintf("%016x", sum) }

// Server is the same for entries that name the same Alertmanager and reach it in the same way.
func Server(entry *v1alpha1.AlertSilence) string {
	parts := []string{entry.URL}
	if entry.Auth != nil {
		parts = append(parts, keyText(entry.Auth.BearerToken))
		if basic := entry.Auth.Basic; basic != nil {
			parts = append(parts, basic.Username, keyText(&basic.Password))
		}
	}
	if entry.TLS != nil {
		parts = append(parts, keyText(entry.TLS.CA), entry.TLS.ServerName, string(entry.TLS.Verification))
	}
	return hexadecimal(hashOf(fmt.Sprintf("%q", parts)))
}

func keyText(key *v1alpha1.SecretKey) string {
	if key == nil {
		return ""
	}
	return key.Secret + "/" + key.Key
}

// About says that an alert with these labels, which the silence of the key hides, is about the node that is rebooted: a label is its name,
// with or without a port, or a matcher ties a label to its name. Any other alert is hidden only because the matchers are wide.
func About(key Key, matchers []Matcher, labels map[string]string) bool {
	for _, value := range labels {
		if value == key.Node || strings.HasPrefix(value, key.Node+":") {
			return true
		}
	}
	return slices.ContainsFunc(matchers, func(m Matcher) bool { return m.ties(key.Node, labels[m.Name]) })
}

// ties says that the matcher ties a label with a value to a node. One that names a whole value may have the node's name behind a hyphen,
// such as etcd-node-1: that is the name of another node only by chance.
func (m Matcher) ties(node, value string) bool {
	switch m.Type {
	case v1alpha1.MatchEqual:
		return m.Value == value && hasWord(value, node, "_0123456789")
	case v1alpha1.MatchRegexp:
		return strings.Contains(m.Value, regexp.QuoteMeta(node)) && hasWord(value, node, "-_0123456789")
	}
	return false
}

// hasWord says that a text has a name in it that is no part of a longer one. Letters and the others are parts of names.
func hasWord(text, name, others string) bool {
	for rest := text; name != ""; {
		before, after, found := strings.Cut(rest, name)
		if !found {
			break
		}
		at := len(text) - len(rest) + len(before)
		if !inName(text[:at], at-1, others) && !inName(after, 0, others) {
			return true
		}
		rest = text[at+1:]
	}
	return false
}

// inName says that a text has a character at a place that may be part of a name.
func inName(text string, at int, others string) bool {
	if at < 0 || at >= len(text) {
		return false
	}
	c := text[at]
	return strings.IndexByte(others, c) >= 0 || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
