package admission

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// ask asks for everything in the table, with the token and the headers, and returns the answers as rows of it.
func ask(t *testing.T, token string, header http.Header) map[string]string {
	t.Helper()
	prepareMatrix(t)
	var mu sync.Mutex
	var rows sync.WaitGroup
	answers := map[string]string{}
	config := rest.AnonymousClientConfig(adminConfig)
	config.BearerToken, config.QPS = token, -1
	doer, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	doer.Timeout = await.Limit
	for name, row := range targets(t) {
		rows.Go(func() {
			cells := make([]string, 0, len(verbs))
			for _, verb := range verbs {
				cell, err := row.ask(t.Context(), doer, verb, header)
				if err != nil {
					t.Errorf("%s %s: %v", verb, name, err)
				}
				cells = append(cells, cell)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[name] = strings.Join(cells, " ")
		})
	}
	rows.Wait()
	return answers
}

// ask is the answer to one verb.
func (o *target) ask(ctx context.Context, doer *http.Client, verb string, header http.Header) (string, error) {
	ofCollection := slices.Contains([]string{"list", "watch", "deletecollection"}, verb)
	if o.only != "" && !slices.Contains(strings.Fields(o.only), verb) || o.subresource != "" && ofCollection {
		return ".", nil
	}
	request, err := o.request(ctx, verb, ofCollection)
	if err != nil {
		return "", err
	}
	for key, values := range header {
		request.Header[key] = values
	}
	response, err := doer.Do(request)
	if err != nil {
		return "", err
	}
	if err := response.Body.Close(); err != nil {
		return "", err
	}
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return "yes", nil
	case code == http.StatusForbidden:
		return "no", nil
	default:
		return strconv.Itoa(code), nil
	}
}

var methods = map[string]string{
	"get": http.MethodGet, "list": http.MethodGet, "watch": http.MethodGet, "create": http.MethodPost, "update": http.MethodPut,
	"patch": http.MethodPatch, "delete": http.MethodDelete, "deletecollection": http.MethodDelete,
}

func (o *target) request(ctx context.Context, verb string, ofCollection bool) (*http.Request, error) {
	path := o.collection
	if !ofCollection && (verb != "create" || o.subresource != "") && o.object != "" {
		path = strings.TrimSuffix(path+"/"+o.object+"/"+o.subresource, "/")
	}
	query := url.Values{}
	body := ""
	switch verb {
	case "watch":
		query.Set("watch", "true")
		query.Set("timeoutSeconds", "1")
	case "create":
		body = cmpOr(o.create, "{}")
	case "patch":
		body = cmpOr(o.patch, "{}")
	case "update":
		current, err := currentObject(ctx, path)
		if err != nil {
			return nil, err
		}
		body = current
	}
	if methods[verb] != http.MethodGet {
		query.Set("dryRun", "All")
	}
	if ofCollection && o.selector != "" {
		query.Set("fieldSelector", o.selector)
	}
	request, err := http.NewRequestWithContext(ctx, methods[verb], base()+path+"?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if verb == "patch" {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	return request, nil
}

// base is the API server's address.
func base() string { return strings.TrimSuffix(adminConfig.Host, "/") }

// currentObject is what the administrator gets there: anyone who may update it may write the same again.
func currentObject(ctx context.Context, path string) (string, error) {
	doer, err := rest.HTTPClientFor(adminConfig)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base()+path, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := doer.Do(request)
	if err != nil {
		return "", err
	}
	var body bytes.Buffer
	_, err = io.Copy(&body, response.Body)
	return body.String(), errors.Join(err, response.Body.Close())
}

func cmpOr(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// tokenOf is a token of the ServiceAccount, bound to the pod unless that is empty.
func tokenOf(t *testing.T, namespace, serviceAccount, pod string) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{}
	if pod != "" {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serviceAccount}}
	if err := admin.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatalf("ask for a token of %s: %v", serviceAccount, err)
	}
	return request.Status.Token
}

// prepareMatrix makes the objects that the rows name and that the installation has not, if they are not there yet.
func prepareMatrix(t *testing.T) {
	t.Helper()
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "matrix"}}
	policy.Spec.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"none": "none"}}
	selector := metav1.LabelSelector{MatchLabels: map[string]string{"app": "matrix"}}
	template := newPod("", "", "", "")
	template.Labels = selector.MatchLabels
	for _, object := range []client.Object{
		newReboot(v1alpha1.SentinelRebootName("n1", "matrix"), "n1"), newReboot(v1alpha1.SentinelRebootName("n2", "matrix"), "n2"), policy,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reboot-operator-slots"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reboot-operator-gates"}},
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reboot-operator"}},
		&corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "matrix"}, Type: "Normal", Reason: "Matrix", Action: "Ask",
			InvolvedObject: corev1.ObjectReference{Namespace: "default"}, EventTime: metav1.NowMicro(),
			ReportingController: "example.com/c", ReportingInstance: "i",
		},
		&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "matrix"}, Spec: appsv1.StatefulSetSpec{
			Selector: &selector, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels}, Spec: template.Spec},
		}},
	} {
		if err := admin.Create(t.Context(), object); client.IgnoreAlreadyExists(err) != nil {
			t.Fatalf("create %T %s: %v", object, object.GetName(), err)
		}
	}
}
