// Package webhooks answers the API server's questions about admission: whether a helper may remove a pod, and whose name belongs into a
// NodeReboot. It also keeps the certificate that the API server knows the manager by.
//
// Nothing here depends on leadership, and the controller does not depend on anything here: a manager without a certificate, or without a
// free port, still reconciles.
package webhooks
