package helper

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// maxRefuser is the most characters that the name of what refused an eviction takes.
	maxRefuser = 256
	// maxAnswer is the most characters that the message of a refused pod takes.
	maxAnswer = 256
)

// byServer stands for whatever refused an eviction if the answer does not tell.
const byServer = "The API server"

// twoBudgets is part of the API server's answer if more than one budget covers a pod, and also the name of what is in the way.
const twoBudgets = "more than one PodDisruptionBudget"

// Only the message of the API server's answer names what refused an eviction.
var (
	// kubernetes/pkg/registry/core/pod/storage/eviction.go
	budgetName = regexp.MustCompile(`^The disruption budget (\S+) `)
	// apiserver/pkg/admission/plugin/webhook/errors/statuserror.go and apiserver/pkg/util/webhook/error.go
	webhookName = regexp.MustCompile(`^(?:Internal error occurred: )?(?:admission webhook|failed calling webhook) "([^"]+)"`)
	// apiserver/pkg/admission/plugin/policy/validating/dispatcher.go
	policyName = regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)' with binding`)
)

// refusal says what refused an eviction, and with which words. Both are always there.
func refusal(pod *corev1.Pod, err error) *v1alpha1.RefusedPod {
	by, message := "", err.Error()
	if cause, ok := apierrors.StatusCause(err, policyv1.DisruptionBudgetCause); ok {
		by = strings.TrimSpace(v1alpha1.RefusedByBudget + submatch(budgetName, cause.Message))
		if cause.Message != "" {
			message = cause.Message
		}
	}
	if by == "" {
		by = refuser(message)
	}
	if message == "" {
		message = "no reason was given"
	}
	return &v1alpha1.RefusedPod{
		Namespace: pod.Namespace, Name: pod.Name, By: truncate(by, maxRefuser), Message: truncate(message, maxAnswer),
	}
}

// refuser names what is not a budget.
func refuser(message string) string {
	if strings.Contains(message, twoBudgets) {
		return twoBudgets
	}
	if name := submatch(webhookName, message); name != "" {
		return webhookRefuser(name)
	}
	if name := submatch(policyName, message); name != "" {
		return `ValidatingAdmissionPolicy "` + name + `"`
	}
	return byServer
}

func webhookRefuser(name string) string { return `admission webhook "` + name + `"` }

// submatch returns what the first group of the pattern matches, or nothing.
func submatch(pattern *regexp.Regexp, text string) string {
	if match := pattern.FindStringSubmatch(text); match != nil {
		return match[1]
	}
	return ""
}
