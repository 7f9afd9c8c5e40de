// Package webhooks answers the API server's questions about admission: whether a helper may remove a pod, and whose name belongs into a
// NodeReboot.
//
// Nothing here depends on leadership, and the controller does not depend on anything here: a manager without a free port still reconciles.
package webhooks
