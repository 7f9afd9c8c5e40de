package plan

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// FuzzNumbers: a limit is a number from zero to what it is a part of, or what cannot be read, which is zero and makes the policy invalid.
func FuzzNumbers(f *testing.F) {
	for _, seed := range []string{
		"0", "1", "10%", "100%", "0%", "101%", "-1", "-5%", "1.5%", "%", "", " 1", "1 %", "９%", "99999999999999999999%", "+3%", "1e1%",
	} {
		f.Add(seed, int32(7), uint16(30))
	}
	f.Fuzz(func(t *testing.T, text string, number int32, total uint16) {
		for _, value := range []intstr.IntOrString{intstr.FromString(text), intstr.FromInt32(number), intstr.Parse(text)} {
			policy := newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Rollout.MaxUnavailable, s.Failure.MaxFailures = &value, &value
				s.Rollout.Zones.MaxUnavailablePerZone = &value
			}))
			limit, err := scaled(&value, int(total))
			if findings := policies.Check(policy); (err != nil) != (len(findings) > 0) || err != nil && limit != 0 {
				t.Fatalf("%v of %d: %d nodes may go (%v), findings %v", value, total, limit, err, findings)
			}
			if more, err := scaled(&value, int(total)+1); err == nil && value.Type == intstr.String && more < limit {
				t.Fatalf("%v is %d of %d and %d of one more", value, limit, total, more)
			}
			if atLeast, err := scaledToOne(&value, int(total)); err == nil && (atLeast < limit || value.Type == intstr.String && atLeast < 1) {
				t.Fatalf("%v of %d is at least one: %d", value, total, atLeast)
			}
		}
	})
}

// FuzzReport: whatever a helper reports, a plan is made, it is the same when it is made again, and a node starts only if its sentinel is
// reported as required by a helper of this protocol.
func FuzzReport(f *testing.F) {
	for _, seed := range []string{
		`{"protocol":2,"bootID":"boot-1-of-a","sentinel":"Required","methods":[{"name":"Logind"}]}`, `{}`,
		`{"protocol":-1,"sentinel":"Required"}`,
		`{"protocol":2,"bootID":"boot-1-of-a","sentinel":"required","methods":[{"name":"Logind","kind":"Inhibited","obstacle":"x"}]}`,
		`{"protocol":2,"sentinel":"Required","order":{"sequence":9223372036854775807,"state":"Done"},"bootTime":"9999-12-31T23:59:59.000000Z"}`,
		`{"protocol":99,"bootID":"","sentinel":"Required","methods":[{"name":"","obstacle":""},{"name":"Logind"},{"name":"Logind"}]}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, underWay bool) {
		var report v1alpha1.HelperReport
		if json.Unmarshal(data, &report) != nil {
			return
		}
		reboot := newReboot("ra", "a")
		if underWay {
			reboot.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(-time.Minute)}
		}
		reboot.Status.Report = &report
		s := newSnapshot(newPolicy("p"), newNode("a", "z1"), newNode("b", "z1"), reboot)
		p := Compute(s, start)
		first, err := json.Marshal(p.Work)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		again, err := json.Marshal(Compute(s, start).Work)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("%s: another plan for the same state: %s and %s (%v)", data, first, again, err)
		}
		for i := range p.Work {
			if p.Work[i].Granted && !underWay && (report.Sentinel != v1alpha1.SentinelRequired || report.Protocol != v1alpha1.ProtocolLevel) {
				t.Fatalf("%s: the node starts", data)
			}
		}
	})
}
