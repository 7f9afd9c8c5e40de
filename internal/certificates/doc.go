// Package certificates keeps the certificate that the manager serves its webhooks and its metrics with, and tells the API server and those
// who collect metrics what to verify it by.
//
// Nothing here depends on leadership, and the controller does not depend on anything here: a manager without a certificate still
// reconciles.
package certificates
