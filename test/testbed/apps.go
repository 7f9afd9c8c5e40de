package testbed

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// AppKind is the kind of object that makes an application's pods.
type AppKind string

const (
	// Deployment is the default.
	Deployment AppKind = "Deployment"
	// StatefulSet makes its pods all at once.
	StatefulSet AppKind = "StatefulSet"

	appLabel     = "app"
	minimumGrace = 30 * time.Second
)

// App describes an application.
type App struct {
	Name string
	// Namespace is created if it does not exist. Empty means "default".
	Namespace string
	Kind      AppKind
	Replicas  int32
	// ReadyAfter is the time from the start of a pod until it is ready.
	ReadyAfter time.Duration
	// TerminateAfter is the time that a pod takes to end.
	TerminateAfter time.Duration
	// AntiAffinity never lets two replicas run on one node.
	AntiAffinity bool
	// SpreadZones spreads the replicas evenly over zones, as far as possible.
	SpreadZones bool
	// MinAvailable or MaxUnavailable, if set, make a PodDisruptionBudget of the app's name.
	MinAvailable   *int
	MaxUnavailable *int
}

func (a App) withDefaults() App {
	if a.Namespace == "" {
		a.Namespace = metav1.NamespaceDefault
	}
	if a.Kind == "" {
		a.Kind = Deployment
	}
	return a
}

// CreateApp creates an application and, if it has one, its PodDisruptionBudget. It does not wait for the pods.
func (c *Cluster) CreateApp(ctx context.Context, app App) error {
	app = app.withDefaults()
	if err := c.ensureNamespace(ctx, app.Namespace); err != nil {
		return err
	}
	for _, object := range app.objects() {
		if err := c.client.Create(ctx, object); err != nil {
			return fmt.Errorf("create %T %s/%s: %w", object, app.Namespace, app.Name, err)
		}
	}
	return nil
}

// WaitReady waits until every replica of the application is ready.
func (c *Cluster) WaitReady(ctx context.Context, app App) error {
	app = app.withDefaults()
	apps := c.kubernetes.AppsV1().RESTClient()
	if app.Kind == StatefulSet {
		return waitForObject(ctx, apps, "statefulsets", app.Namespace, app.Name, func(set *appsv1.StatefulSet) bool {
			return set.Status.ObservedGeneration >= set.Generation && set.Status.ReadyReplicas == app.Replicas
		})
	}
	return waitForObject(ctx, apps, "deployments", app.Namespace, app.Name, func(deployment *appsv1.Deployment) bool {
		return deployment.Status.ObservedGeneration >= deployment.Generation && deployment.Status.ReadyReplicas == app.Replicas
	})
}

func (c *Cluster) ensureNamespace(ctx context.Context, name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := c.client.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	return c.waitForServiceAccount(ctx, name)
}

func (a App) objects() []client.Object {
	meta := metav1.ObjectMeta{Namespace: a.Namespace, Name: a.Name, Labels: a.labels()}
	selector := &metav1.LabelSelector{MatchLabels: a.labels()}
	var objects []client.Object
	if budget := a.budget(meta, selector); budget != nil {
		objects = append(objects, budget) // first, so that no pod is ever without it
	}
	if a.Kind == StatefulSet {
		return append(objects, &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
			Replicas: &a.Replicas, Selector: selector, Template: a.template(), ServiceName: a.Name,
			PodManagementPolicy: appsv1.ParallelPodManagement,
		}})
	}
	return append(objects, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
		Replicas: &a.Replicas, Selector: selector, Template: a.template(),
	}})
}

func (a App) labels() map[string]string { return map[string]string{appLabel: a.Name} }

func (a App) budget(meta metav1.ObjectMeta, selector *metav1.LabelSelector) *policyv1.PodDisruptionBudget {
	if a.MinAvailable == nil && a.MaxUnavailable == nil {
		return nil
	}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: meta, Spec: policyv1.PodDisruptionBudgetSpec{Selector: selector}}
	if a.MinAvailable != nil {
		budget.Spec.MinAvailable = new(intstr.FromInt(*a.MinAvailable))
	}
	if a.MaxUnavailable != nil {
		budget.Spec.MaxUnavailable = new(intstr.FromInt(*a.MaxUnavailable))
	}
	return budget
}

func (a App) template() corev1.PodTemplateSpec {
	grace := int64(max(minimumGrace, a.TerminateAfter+time.Second) / time.Second)
	noToken := false
	spec := corev1.PodSpec{
		Containers:                    []corev1.Container{{Name: "app", Image: "app"}},
		TerminationGracePeriodSeconds: &grace,
		AutomountServiceAccountToken:  &noToken,
	}
	selector := &metav1.LabelSelector{MatchLabels: a.labels()}
	if a.AntiAffinity {
		spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
				{LabelSelector: selector, TopologyKey: corev1.LabelHostname},
			},
		}}
	}
	if a.SpreadZones {
		spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: selector,
		}}
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: a.labels(), Annotations: map[string]string{
			ReadyAfterAnnotation: a.ReadyAfter.String(), TerminateAfterAnnotation: a.TerminateAfter.String(),
		}},
		Spec: spec,
	}
}
