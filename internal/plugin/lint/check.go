package lint

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/policycheck"
	"github.com/reboot-operator/reboot-operator/internal/plugin/schema"
)

const group = "reboot-operator.io"

// policyFile is a RebootPolicy of a file, as the API server would store it.
type policyFile struct {
	*document
	object v1alpha1.RebootPolicy
}

// rebootFile is a NodeReboot of a file.
type rebootFile struct {
	*document
	object v1alpha1.NodeReboot
}

// checker collects findings.
type checker struct {
	now      time.Time
	schemas  map[string]*schema.Kind
	report   Report
	policies []policyFile
	reboots  []rebootFile
}

func newChecker(now time.Time) (*checker, error) {
	known, err := schema.Kinds()
	if err != nil {
		return nil, err
	}
	return &checker{now: now, schemas: known, report: Report{Findings: []Finding{}}}, nil
}

// found something about an object.
func (c *checker) found(d *document, severity Severity, path, message string) {
	kind, _ := d.value["kind"].(string)
	metadata, _ := d.value["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	c.report.Findings = append(c.report.Findings, Finding{
		File: d.file, Line: d.line(path), Severity: severity, Object: strings.TrimSpace(kind + " " + name), Path: path, Message: message,
	})
}

// checkFile without a cluster.
func (c *checker) checkFile(ctx context.Context, name string, content []byte) {
	documents, found := parse(name, content)
	c.report.Findings = append(c.report.Findings, found...)
	for i := range documents {
		c.checkDocument(ctx, &documents[i])
	}
}

func (c *checker) checkDocument(ctx context.Context, d *document) {
	version, _ := d.value["apiVersion"].(string)
	kind, _ := d.value["kind"].(string)
	switch {
	case kind == "" || version == "":
		c.found(d, Error, "", "it has no apiVersion or no kind: write both, such as apiVersion: "+v1alpha1.GroupVersion.String()+" and "+
			"kind: RebootPolicy")
		return
	case version != v1alpha1.GroupVersion.String() && (strings.HasPrefix(version, group+"/") || version == group):
		c.found(d, Error, "apiVersion", fmt.Sprintf("%q is unknown: write %s", version, v1alpha1.GroupVersion))
		return
	case version != v1alpha1.GroupVersion.String():
		c.report.Skipped++
		return
	}
	known, is := c.schemas[kind]
	if !is {
		c.found(d, Error, "kind", fmt.Sprintf("%q is unknown: write RebootPolicy or NodeReboot", kind))
		return
	}
	problems := known.Check(ctx, d.value)
	for _, p := range problems {
		c.found(d, Error, p.Path, p.Message)
	}
	if kind == "NodeReboot" {
		c.report.NodeReboots++
		c.keepReboot(d)
		return
	}
	c.report.Policies++
	c.keepPolicy(d, len(problems) == 0)
}

// decode an object. There is no error: the object was JSON, and the kinds set aside what they cannot read.
func (d *document) decode(object any) {
	text, _ := json.Marshal(d.value)
	_ = json.Unmarshal(text, object)
}

func (c *checker) keepPolicy(d *document, valid bool) {
	p := policyFile{document: d}
	d.decode(&p.object)
	if !valid {
		return // Checks that follow would repeat what was found.
	}
	for _, unread := range p.object.Unreadable {
		c.found(d, Error, unread.Path, unread.Description)
	}
	if len(p.object.Unreadable) > 0 {
		return
	}
	findings := policycheck.Check(&p.object)
	for _, finding := range findings {
		c.found(d, Error, "spec."+finding.Path, finding.Message)
	}
	c.checkSchedule(&p)
	c.checkZero(&p)
	if len(findings) == 0 {
		c.policies = append(c.policies, p)
	}
}

// checkZero finds limits that are 0 whatever the cluster has.
func (c *checker) checkZero(p *policyFile) {
	rollout := &p.object.Spec.Rollout
	zero := func(path string, value *intstr.IntOrString) {
		if limit := value.String(); limit == "0" || limit == "0%" {
			c.found(p.document, Warning, path, "it is 0, so nothing ever starts: write 1 or more, or mode: Paused to say so")
		}
	}
	zero("spec.rollout.maxUnavailable", rollout.MaxUnavailable)
	zero("spec.rollout.zones.maxUnavailablePerZone", rollout.Zones.MaxUnavailablePerZone)
}

func (c *checker) keepReboot(d *document) {
	r := rebootFile{document: d}
	d.decode(&r.object)
	if owner, is := v1alpha1.SentinelRebootNode(r.object.Name); is && r.object.Spec.Trigger != v1alpha1.TriggerSentinel {
		c.found(d, Warning, "metadata.name", fmt.Sprintf(
			"names such as this one are reserved for the helper of node %s: write one that does not end in a dash and one hexadecimal digit", owner))
	}
	c.reboots = append(c.reboots, r)
}

// checkTogether compares the policies of the files with each other, without a cluster.
func (c *checker) checkTogether() {
	first := map[string]*document{}
	for i := range c.policies {
		p := &c.policies[i]
		if other, twice := first[p.object.Name]; twice && p.object.Name != "" {
			c.found(p.document, Warning, "metadata.name", fmt.Sprintf(
				"another RebootPolicy of this name is in %s, line %d: the one that is applied last stays", other.file, other.line("metadata.name")))
			continue
		}
		first[p.object.Name] = p.document
	}
}
