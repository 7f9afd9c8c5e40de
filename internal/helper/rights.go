package helper

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/version"
)

// Impersonation says as whom a helper lists and evicts pods.
type Impersonation string

const (
	// ImpersonateAuto is as its node where the API server lets it (constrained impersonation, KEP-5284, Kubernetes 1.36), else as itself.
	ImpersonateAuto Impersonation = "Auto"
	// ImpersonateAlways is as its node.
	ImpersonateAlways Impersonation = "Always"
	// ImpersonateNever is as itself.
	ImpersonateNever Impersonation = "Never"
)

// ParseImpersonation refuses anything else.
func ParseImpersonation(text string) (Impersonation, error) {
	switch value := Impersonation(text); value {
	case ImpersonateAuto, ImpersonateAlways, ImpersonateNever:
		return value, nil
	}
	return "", fmt.Errorf("write Auto, Always or Never, not %q", text)
}

// evictionsWebhook is the manager's own, which confines helpers to their nodes; see config/webhook/evictions.yaml.
const evictionsWebhook = "evictions.reboot-operator.io"

// rightTo is what an answer says about the right to ask for something.
type rightTo int

const (
	// rightUnknown: the answer says nothing, such as that of an API server that is overloaded.
	rightUnknown rightTo = iota
	rightGranted
	rightDenied
)

// rightToList judges the answer to a list of the node's pods.
func rightToList(err error) rightTo {
	switch {
	case err == nil:
		return rightGranted
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return rightDenied
	}
	return rightUnknown
}

// rightToEvict judges the answer to the eviction of the helper's own pod. A helper that is refused only because of this pod, for example by
// a PodDisruptionBudget or another admission webhook, has the right.
func rightToEvict(err error) rightTo {
	if err == nil {
		return rightGranted
	}
	by := refuser(err.Error())
	_, budget := apierrors.StatusCause(err, policyv1.DisruptionBudgetCause)
	switch {
	case by == webhookRefuser(evictionsWebhook):
		return rightDenied
	case by != byServer, budget, apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return rightGranted
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return rightDenied
	}
	return rightUnknown
}

// refusedIdentity is why one identity does not do.
type refusedIdentity struct {
	// node says that it was the node's.
	node bool
	err  error
}

// firstImpersonating is the first minor version of Kubernetes 1 that has constrained impersonation.
const firstImpersonating = 36

// whoAsked is the ServiceAccount in an answer of the authorizer.
var whoAsked = regexp.MustCompile(`[Uu]ser "system:serviceaccount:([^:"]+):([^:"]+)"`)

// obstacle says why no identity may drain the node, and what to do about it.
func obstacle(server *version.Info, refused []refusedIdentity) string {
	var asNode, asItself error
	for _, r := range refused {
		if refuser(r.err.Error()) == webhookRefuser(evictionsWebhook) {
			return truncate("the manager's webhook does not let the helper evict anything: "+r.err.Error(), maxObstacle)
		}
		if r.node {
			asNode = r.err
		} else {
			asItself = r.err
		}
	}
	account := "the helper"
	if match := whoAsked.FindStringSubmatch(errors.Join(asNode, asItself).Error()); match != nil {
		account = "ServiceAccount " + match[1] + "/" + match[2]
	}
	minor, err := 0, error(nil)
	if server != nil {
		minor, err = strconv.Atoi(strings.TrimSuffix(server.Minor, "+"))
	}
	switch {
	case server != nil && err == nil && server.Major == "1" && minor < firstImpersonating:
		return truncate(fmt.Sprintf("this API server, %s.%s, has no constrained impersonation, and %s may not list and evict pods: apply "+
			"config/components/before-1.36/role.yaml", server.Major, server.Minor, account), maxObstacle)
	case asNode != nil:
		return truncate(fmt.Sprintf("%s may not act as its node: apply config/rbac/helper.yaml: %v", account, asNode), maxObstacle)
	}
	return truncate(fmt.Sprintf("%s may not list and evict pods: apply config/components/before-1.36/role.yaml: %v",
		account, asItself), maxObstacle)
}

// Find looks for an identity that may list and evict the pods of the node, and has everything that follows done by it. It returns why
// there is none. With an error nothing is known, and everything stays as it is.
func (c *podClient) Find(ctx context.Context) (string, error) {
	var refused []refusedIdentity
	for _, candidate := range c.identities {
		right, err := c.try(ctx, candidate)
		switch right {
		case rightGranted:
			c.current.Store(candidate)
			return "", nil
		case rightDenied:
			refused = append(refused, refusedIdentity{node: candidate.node, err: err})
		default:
			return "", fmt.Errorf("find out whether the helper may evict: %w", err)
		}
	}
	return obstacle(c.serverVersion(ctx), refused), nil
}

// Check asks the API server once whether the identity that was found may still evict, and looks for another one if it may not. It returns
// why there is none; empty also if nothing is known.
func (c *podClient) Check(ctx context.Context) string {
	if uid := c.uid.Load(); uid != nil {
		right := rightToEvict(c.evictOwn(ctx, c.current.Load(), *uid))
		if right != rightDenied {
			return ""
		}
		c.noteRefused()
	}
	found, err := c.Find(ctx)
	if err != nil {
		return ""
	}
	return found
}

// Refused has a value when the API server refused something for want of a right.
func (c *podClient) Refused() <-chan struct{} { return c.refused }

func (c *podClient) noteRefused() {
	select {
	case c.refused <- struct{}{}:
	default:
	}
}

// try finds out whether an identity may list the pods of the node, and evict one: the helper's own, which is not evicted. A helper that
// does not know its own pod learns less.
func (c *podClient) try(ctx context.Context, candidate *identity) (rightTo, error) {
	uid, err := c.findOwn(ctx, candidate)
	if right := rightToList(err); right != rightGranted || uid == "" {
		return right, err
	}
	c.uid.Store(&uid)
	err = c.evictOwn(ctx, candidate, uid)
	return rightToEvict(err), err
}

// serverVersion is that of the API server; nil if it does not say.
func (c *podClient) serverVersion(ctx context.Context) *version.Info {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := c.own.Get().AbsPath("/version").DoRaw(ctx)
	info := &version.Info{}
	if cmp.Or(err, json.Unmarshal(answer, info)) != nil {
		return nil
	}
	return info
}
