package testbed

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	auditPolicyFile = "audit-policy.yaml"
	auditLog        = "audit.log"
)

// auditPolicy makes the API server record every write of the operator, and nothing else.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users:
  - system:serviceaccount:` + Namespace + `:` + managerName + `
  - system:serviceaccount:` + Namespace + `:` + helperName + `
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// Write is a request of the operator that changes something, as the API server recorded it.
type Write struct {
	At time.Time
	// Actor is the name of the ServiceAccount.
	Actor string
	// As is whom it impersonated, if anybody.
	As   string
	Verb string
	// Resource with its subresource, such as "nodes/status".
	Resource, Name string
	// Code of the answer.
	Code int
}

// Writes are all writes of the manager and the helpers so far, in the order in which they were answered.
func (c *Cluster) Writes() ([]Write, error) {
	file, err := os.Open(c.plane.path(auditLog))
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	var writes []Write
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		write, err := parseWrite(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		writes = append(writes, write)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return writes, nil
}

func parseWrite(line []byte) (Write, error) {
	var event struct {
		RequestReceivedTimestamp time.Time
		Verb                     string
		User                     struct{ Username string }
		ImpersonatedUser         struct{ Username string }
		ObjectRef                struct{ Resource, Subresource, Name string }
		ResponseStatus           struct{ Code int }
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return Write{}, fmt.Errorf("parse %q: %w", line, err)
	}
	resource := event.ObjectRef.Resource
	if event.ObjectRef.Subresource != "" {
		resource += "/" + event.ObjectRef.Subresource
	}
	return Write{
		At: event.RequestReceivedTimestamp, Actor: event.User.Username[strings.LastIndex(event.User.Username, ":")+1:],
		As: event.ImpersonatedUser.Username, Verb: event.Verb, Resource: resource, Name: event.ObjectRef.Name, Code: event.ResponseStatus.Code,
	}, nil
}
