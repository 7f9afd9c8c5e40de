package notifier

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/controllers/notify"
	"github.com/reboot-operator/reboot-operator/internal/outbound"
	"github.com/reboot-operator/reboot-operator/internal/version"
)

// Headers of a webhook, as https://www.standardwebhooks.com has them.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// keyPrefix is how keys begin that are base64.
const keyPrefix = "whsec_"

// webhook is a server that takes JSON.
type webhook struct {
	url    string
	key    []byte
	client *http.Client
}

func newWebhook(raw, where, key, ca string, guard outbound.Guard) (*webhook, *problem) {
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Hostname() == "" {
		return nil, invalid("%s has no URL that begins with https:// or http://", where)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return nil, invalid("the key of webhook.ca has no certificate in PEM")
		}
	}
	w := &webhook{url: raw, key: []byte(key), client: &http.Client{
		Transport: newTransport(guard, config), CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirects },
	}}
	if encoded, is := strings.CutPrefix(key, keyPrefix); is {
		if w.key, err = base64.StdEncoding.DecodeString(encoded); err != nil || len(w.key) == 0 {
			return nil, invalid("the key of webhook.hmacKey begins with %s, but is not base64 after that", keyPrefix)
		}
	}
	return w, nil
}

// send posts an event. The signature is over the ID, the time and the body, so that none of them can be taken from another message.
func (w *webhook) send(ctx context.Context, e *notify.Event, now time.Time) *problem {
	body, err := json.Marshal(e)
	if err != nil {
		return failed("the event cannot be written as JSON")
	}
	ctx, stop := context.WithTimeout(ctx, sendTimeout)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return invalid("the URL of the webhook cannot be used")
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "reboot-operator/"+version.Get())
	request.Header.Set(headerID, e.ID)
	request.Header.Set(headerTimestamp, timestamp)
	if len(w.key) > 0 {
		request.Header.Set(headerSignature, sign(w.key, e.ID, timestamp, body))
	}
	return ask(w.client, request)
}

// sign is the signature of a body.
func sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
