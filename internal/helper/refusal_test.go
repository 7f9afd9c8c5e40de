package helper

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// byBudget is the answer for a budget, in these words.
func byBudget(message string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause, Message: message}}
	return err
}

func answer(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
}

// The messages are those of the API server, version 1.36.
func TestARefusedPodSaysWhatRefusedItAndWhy(t *testing.T) {
	const (
		twoBudgets = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
		webhook    = `admission webhook "drain-cleaner.strimzi.io" denied the request: the pod will be rolled by the operator`
		noWebhook  = `failed calling webhook "guard.example.com": failed to call webhook: Post "https://guard:443/": connection refused`
		policy     = "ValidatingAdmissionPolicy 'no-kafka' with binding 'all' denied request: kafka is moved by hand"
		forbidden  = `User "system:node:n1" cannot create resource "pods/eviction" in API group "" in the namespace "default"`
	)
	pods := corev1.Resource("pods/eviction")
	for name, test := range map[string]struct {
		err error
		// by and message are what is expected; no message is that of the error.
		by, message string
	}{
		"a budget": {byBudget("The disruption budget web needs 3 healthy pods and has 3 currently"),
			"PodDisruptionBudget web", "The disruption budget web needs 3 healthy pods and has 3 currently"},
		"a budget that is being worked on": {byBudget("The disruption budget web-a.b is still being processed by the server."),
			"PodDisruptionBudget web-a.b", "The disruption budget web-a.b is still being processed by the server."},
		"a budget, in words of a later version": {byBudget("No."), "PodDisruptionBudget", "No."},
		"a budget without words": {byBudget(""), "PodDisruptionBudget",
			"Cannot evict pod as it would violate the pod's disruption budget."},
		"two budgets":              {err: answer(http.StatusInternalServerError, "", twoBudgets), by: "more than one PodDisruptionBudget"},
		"a webhook":                {err: answer(http.StatusForbidden, metav1.StatusReasonForbidden, webhook), by: `admission webhook "drain-cleaner.strimzi.io"`},
		"a webhook that is down":   {err: apierrors.NewInternalError(errors.New(noWebhook)), by: `admission webhook "guard.example.com"`},
		"a policy":                 {err: apierrors.NewForbidden(pods, "a", errors.New(policy)), by: `ValidatingAdmissionPolicy "no-kafka"`},
		"authorization":            {err: apierrors.NewForbidden(pods, "a", errors.New(forbidden)), by: "The API server"},
		"priority and fairness":    {err: apierrors.NewTooManyRequestsError("too many requests, please try again later"), by: "The API server"},
		"an answer without words":  {answer(http.StatusInternalServerError, "", ""), "The API server", "no reason was given"},
		"no answer":                {err: errors.New("dial tcp 10.0.0.1:443: connect: connection refused"), by: "The API server"},
		"text that is no UTF-8":    {errors.New("bad \xff text"), "The API server", "bad ? text"},
		"a webhook with quotation": {err: errors.New(`admission webhook "a" denied the request: admission webhook "b" did`), by: `admission webhook "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			want := &v1alpha1.RefusedPod{Namespace: "default", Name: "a", By: test.by, Message: test.message}
			if want.Message == "" {
				want.Message = test.err.Error()
			}
			if diff := cmp.Diff(want, refusal(newPod("a"), test.err)); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARefusalIsShortWhateverTheAnswer(t *testing.T) {
	long := strings.Repeat("ä", 2000)
	for name, err := range map[string]error{
		"a budget":  byBudget("The disruption budget " + long + " needs 3 healthy pods"),
		"a webhook": errors.New(`admission webhook "` + long + `" denied the request: ` + long),
		"a policy":  errors.New(`ValidatingAdmissionPolicy '` + long + `' with binding`),
		"anything":  errors.New(long),
	} {
		t.Run(name, func(t *testing.T) {
			got := refusal(newPod("a"), err)
			by, message := utf8.RuneCountInString(got.By), utf8.RuneCountInString(got.Message)
			if by > maxRefuser || by == 0 || message > maxAnswer {
				t.Errorf("by has %d characters, message has %d", by, message)
			}
		})
	}
}
