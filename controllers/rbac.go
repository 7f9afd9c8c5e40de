package controllers

// What the manager may do; config/rbac/role.yaml is generated from here. Left out on purpose: creating or deleting pods, evictions, exec,
// every Secret except those with the credentials of gates, with the URLs of notifications and with the certificate of the manager, and
// every ConfigMap but the one that fences slots, the one that remembers what was sent and the one with what to verify metrics by. Objects
// of gates are read as the ServiceAccount reboot-operator-gates, which an administrator gives rights to (config/rbac/gates.yaml).
//
// What is read from a cache needs list and watch, and no get. A story in test/e2e sees each right used, and names those that are not.
//
// Nodes are patched to taint, cordon and annotate them. Their status is patched to publish the lifecycle conditions of KEP-5683.
//
// +kubebuilder:rbac:groups="",resources=nodes,verbs=list;watch;patch
// +kubebuilder:rbac:groups="",resources=nodes/status,verbs=patch
//
// +kubebuilder:rbac:groups=reboot-operator.io,resources=rebootpolicies,verbs=list;watch
// +kubebuilder:rbac:groups=reboot-operator.io,resources=rebootpolicies/status,verbs=patch
// +kubebuilder:rbac:groups=reboot-operator.io,resources=nodereboots,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=reboot-operator.io,resources=nodereboots/status,verbs=patch;order
//
// The verb order is no verb of the API server. It is asked for by config/admission/status.yaml: who lacks it may set no order.
//
// Pods and workloads are read to know whether a node's helper is Ready, and what has to be ready again after a reboot.
//
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups=apps,resources=deployments;statefulsets,verbs=list;watch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=list;watch
//
// The DaemonSet of the helpers says on which nodes there should be one.
//
// +kubebuilder:rbac:groups=apps,namespace=reboot-operator-system,resources=daemonsets,verbs=list;watch
//
// VolumeAttachments are read to know when the volumes of a drained node are detached.
//
// +kubebuilder:rbac:groups=storage.k8s.io,resources=volumeattachments,verbs=list;watch
//
// gates.capacity counts what a scheduler counts. Only while a node waits for it, all pods, nodes and these are watched: labels of
// namespaces that terms of pods select, where the volumes of pods can be attached, and how many to a node.
//
// +kubebuilder:rbac:groups="",resources=namespaces;persistentvolumes;persistentvolumeclaims,verbs=list;watch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=csinodes,verbs=list;watch
//
// Maintenance by others is waited for: medik8s says so by NodeMaintenances, and CustomResourceDefinitions say when there are any to watch.
// It says so by Leases as well. Anyone who has those honored gives the right to watch them, in one namespace
// (config/components/medik8s-leases).
//
// +kubebuilder:rbac:groups=nodemaintenance.medik8s.io;nodemaintenance.kubevirt.io,resources=nodemaintenances,verbs=list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=list;watch
//
// Events about cluster-scoped objects go to the namespace default, so this cannot be confined to the manager's own.
//
// An event that repeats for the same version of an object is patched into a series.
//
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
//
// Leader election, whose standby watches for the release of the lease, and the object that fences slots. RBAC cannot confine create to a
// name.
//
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=reboot-operator-system,resources=leases,verbs=get;watch;create;update
// +kubebuilder:rbac:groups="",namespace=reboot-operator-system,resources=configmaps,verbs=create
// +kubebuilder:rbac:groups="",namespace=reboot-operator-system,resources=configmaps,resourceNames=reboot-operator-slots,verbs=get;update
//
// What was sent is remembered, so that the next leader does not send it again.
//
// +kubebuilder:rbac:groups="",namespace=reboot-operator-system,resources=configmaps,resourceNames=reboot-operator-notifications,verbs=get;update
//
// Credentials for Prometheus and Alertmanager. A policy that names another Secret needs a Role for it besides.
//
// +kubebuilder:rbac:groups="",namespace=reboot-operator-system,resources=secrets,resourceNames=reboot-operator-gates,verbs=get
//
// URLs of the receivers of notifications, which have tokens in them. A policy that names another Secret needs a Role for it besides.
//
// +kubebuilder:rbac:groups="",namespace=reboot-operator-system,resources=secrets,resourceNames=reboot-operator-notifications,verbs=get
//
// Objects of gates are read with the rights of this ServiceAccount, and with no other.
//
// +kubebuilder:rbac:groups="",namespace=reboot-operator-system,resources=serviceaccounts,resourceNames=reboot-operator-gates,verbs=impersonate
//
// Metrics are served to those who may get them: their tokens are looked up, and whether they may.
//
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
//
// The manager serves its webhooks and metrics with a certificate in a Secret. The API server learns what to verify it by from the
// configurations of the webhooks, and anyone who collects metrics from a ConfigMap. Each is listed and watched by its name, and created by
// the installation: RBAC cannot confine create to a name.
//
// +kubebuilder:rbac:groups="",namespace=reboot-operator-system,resources=secrets,resourceNames=reboot-operator-webhook,verbs=list;watch;update
// +kubebuilder:rbac:groups="",namespace=reboot-operator-system,resources=configmaps,resourceNames=reboot-operator-metrics-ca,verbs=list;watch;update
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=reboot-operator-evictions,verbs=list;watch;patch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations,resourceNames=reboot-operator-names,verbs=list;watch;patch
