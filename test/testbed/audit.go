package testbed

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	auditPolicyFile = "audit-policy.yaml"
	auditLog        = "audit.log"
)

// auditPolicy makes the API server record every request of the operator in a namespace, and nothing else.
func auditPolicy(options *Options) string {
	level, namespace := "Metadata", options.Namespace
	if options.AuditBodies {
		level = "Request"
	}
	return `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: ` + level + `
  users:
  - system:serviceaccount:` + namespace + `:` + managerName + `
  - system:serviceaccount:` + namespace + `:` + helperName + `
- level: None
`
}

// Request is one of the operator, as the API server recorded it.
type Request struct {
	At time.Time
	// Actor is the name of the ServiceAccount.
	Actor string
	// As is whom it impersonated, if anybody.
	As   string
	Verb string
	// Group of the resource, empty for the core.
	Group string
	// Resource with its subresource, such as "nodes/status".
	Resource, Namespace, Name string
	// URI that was asked for.
	URI string
	// Code of the answer.
	Code int
	// Began says that the request is a watch that began. There is another Request when it has ended.
	Began bool
	// Body is what was sent, as JSON, if Options.AuditBodies is set. It is missing for an apply patch.
	Body string
}

// Writes are all requests of the manager and the helpers so far that change something, in the order in which they were answered.
func (c *Cluster) Writes() ([]Request, error) {
	requests, err := c.Requests()
	return slices.DeleteFunc(requests, func(r Request) bool { return slices.Contains([]string{"get", "list", "watch"}, r.Verb) }), err
}

// Requests are all requests of the manager and the helpers so far, in the order in which they were answered. A watch is there twice: when
// it began and when it ended.
func (c *Cluster) Requests() ([]Request, error) {
	file, err := os.Open(c.plane.path(auditLog))
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	var requests []Request
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		request, err := parseRequest(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		requests = append(requests, request)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return requests, nil
}

func parseRequest(line []byte) (Request, error) {
	var event struct {
		RequestReceivedTimestamp time.Time
		Stage, Verb, RequestURI  string
		User                     struct{ Username string }
		ImpersonatedUser         struct{ Username string }
		ObjectRef                struct{ APIGroup, Resource, Subresource, Namespace, Name string }
		ResponseStatus           struct{ Code int }
		RequestObject            json.RawMessage
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return Request{}, fmt.Errorf("parse %q: %w", line, err)
	}
	resource := event.ObjectRef.Resource
	if event.ObjectRef.Subresource != "" {
		resource += "/" + event.ObjectRef.Subresource
	}
	return Request{
		At: event.RequestReceivedTimestamp, Actor: event.User.Username[strings.LastIndex(event.User.Username, ":")+1:],
		As: event.ImpersonatedUser.Username, Verb: event.Verb, URI: event.RequestURI, Code: event.ResponseStatus.Code,
		Group: event.ObjectRef.APIGroup, Resource: resource, Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name,
		Began: event.Stage == "ResponseStarted", Body: string(event.RequestObject),
	}, nil
}
