package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// hmacKey is what the webhook of these stories is signed with.
const hmacKey = "0123456789abcdef0123456789abcdef"

var _ = Describe("Receivers of a policy's notifications", func() {
	It("get one message at the start of a rollout and one at its end, by chat, mail and webhook, while another one hangs", func() {
		chat, webhook := newInbox(), newInbox()
		mail := newMailbox()
		createForStory(&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: testbed.Namespace, Name: v1alpha1.NotificationsSecret,
				Annotations: map[string]string{v1alpha1.AllowedPoliciesAnnotation: "told"},
			},
			StringData: map[string]string{
				"chat":    "mattermost://reboots@" + chat.address + "/token?disabletls=yes",
				"mail":    "smtp://" + mail.address + "/?from=reboots@example.com&to=ops@example.com&auth=None&usestarttls=no",
				"webhook": "http://" + webhook.address + "/hook",
				"hmac":    "whsec_" + base64.StdEncoding.EncodeToString([]byte(hmacKey)),
				"hangs":   "generic+http://" + hanging() + "/",
			},
		})
		p := newPool("told", "a", "a", "a")
		p.applyPolicy(func(s *v1alpha1.RebootPolicySpec) {
			s.Notifications = []v1alpha1.Notification{
				{Name: "hangs", URL: notificationKey("hangs")},
				{Name: "chat", URL: notificationKey("chat")},
				{Name: "mail", URL: notificationKey("mail"), Events: []v1alpha1.NotificationEvent{v1alpha1.EventRolloutFinished}},
				{Name: "webhook", Webhook: &v1alpha1.NotificationWebhook{URL: *notificationKey("webhook"), HMACKey: notificationKey("hmac")}},
			}
		})
		requireAll(p.hosts)
		eventuallyProved(waitLimit, p.hosts...)

		By("reading what each of them got")
		Eventually(chat.bodies).Should(HaveLen(2))
		Eventually(mail.bodies).Should(HaveLen(1))
		Eventually(webhook.bodies).Should(HaveLen(2))
		Expect(chat.bodies()[0]).To(ContainSubstring("RebootPolicy told: rollout started"))
		Expect(chat.bodies()[1]).To(ContainSubstring("RebootPolicy told: rollout finished, 3 nodes rebooted in "))
		Expect(mail.bodies()[0]).To(And(
			ContainSubstring("Subject: RebootPolicy told: rollout finished, 3 nodes rebooted in "), ContainSubstring("Slowest: told-a"),
		))
		var started, finished received
		Expect(json.Unmarshal([]byte(webhook.bodies()[0]), &started)).To(Succeed())
		Expect(json.Unmarshal([]byte(webhook.bodies()[1]), &finished)).To(Succeed())
		Expect(finished.Event).To(Equal(v1alpha1.EventRolloutFinished))
		Expect(finished.Rollout).To(And(HaveField("ID", started.Rollout.ID), HaveField("Rebooted", 3), HaveField("Remaining", 0)))
		GinkgoWriter.Printf("CHAT\n%s\nMAIL\n%s\nWEBHOOK\n%s\n",
			strings.Join(chat.bodies(), "\n"), mail.bodies()[0], strings.Join(webhook.bodies(), "\n"))

		By("saying which receiver is not told, and nothing of its URL")
		Eventually(func(g Gomega) {
			policy := &v1alpha1.RebootPolicy{}
			g.Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: p.name}, policy)).To(Succeed())
			g.Expect(policy.Status.Conditions).To(ContainElement(And(
				HaveField("Type", v1alpha1.ConditionNotificationsFailing), HaveField("Status", metav1.ConditionTrue),
				HaveField("Message", And(HavePrefix("Receiver hangs has not accepted notifications since"), Not(ContainSubstring("http")))),
			)))
		}).Should(Succeed())

		By("remembering it")
		Eventually(func(g Gomega) {
			stored := &corev1.ConfigMap{}
			key := client.ObjectKey{Namespace: testbed.Namespace, Name: v1alpha1.NotificationsName}
			g.Expect(cluster.Client().Get(ctx, key, stored)).To(Succeed())
			g.Expect(stored.Data).To(HaveKeyWithValue(p.name, ContainSubstring(`"finished":"`+finished.Rollout.ID)))
		}).Should(Succeed())
	})
})

// received is what the stories read of a webhook.
type received struct {
	Event   v1alpha1.NotificationEvent
	Rollout *struct {
		ID                  string
		Rebooted, Remaining int
	}
}

func notificationKey(key string) *v1alpha1.NotificationKey {
	return &v1alpha1.NotificationKey{Secret: v1alpha1.NotificationsSecret, Key: key}
}

// inbox is a server that keeps what it is sent.
type inbox struct {
	address string
	mu      sync.Mutex
	got     []string
}

func newInbox() *inbox {
	i := &inbox{}
	server := httptest.NewServer(i)
	DeferCleanup(server.Close)
	i.address = strings.TrimPrefix(server.URL, "http://")
	return i
}

// ServeHTTP implements http.Handler. Requests to the hook must be signed.
func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte(hmacKey))
	mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	signature := r.Header.Get("webhook-signature")
	signed := r.URL.Path == "/hook"
	if err != nil || signed && !hmac.Equal([]byte(want), []byte(signature)) || !signed && signature != "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.keep(string(body))
	if !signed {
		// An empty answer is not that of Mattermost, and the message would be sent again.
		_, _ = io.WriteString(w, "ok")
	}
}

func (i *inbox) keep(body string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, body)
}

func (i *inbox) bodies() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.got...)
}

// newMailbox is a mail server that keeps what it is sent.
func newMailbox() *inbox {
	GinkgoHelper()
	i := &inbox{}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{inbox: i}, nil }))
	server.Domain = "mail.example.com"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	i.address = listener.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	DeferCleanup(func() {
		Expect(server.Close()).To(Succeed())
		<-ended
	})
	return i
}

type mailSession struct{ *inbox }

func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *mailSession) Reset()                               {}
func (s *mailSession) Logout() error                        { return nil }

func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.keep(string(text))
	return err
}

// hanging is the address of a server that takes connections and says nothing.
func hanging() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(listener.Close()).To(Succeed()) })
	return listener.Addr().String()
}
