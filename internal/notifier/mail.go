package notifier

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/wneessen/go-mail"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// shoutrrrSubject is the subject that shoutrrr gives to messages whose URL has none.
const shoutrrrSubject = "Shoutrrr Notification"

// implicitTLSPort is the port at which mail servers speak TLS from the start.
const implicitTLSPort = 465

const schemeMail = "smtp"

// mailServer sends email as a URL of shoutrrr says. shoutrrr's own way has no bound on how long a server may take to answer, and writes a
// subject into the header as it is.
type mailServer struct {
	config *smtp.Config
	guard  outbound.Guard
}

func (s *mailServer) send(ctx context.Context, m message) *problem {
	config := s.config.Clone()
	config.FixEmailTags()
	msg := mail.NewMsg()
	from := msg.From(config.FromAddress)
	if config.FromName != "" {
		from = msg.FromFormat(config.FromName, config.FromAddress)
	}
	if from != nil || msg.To(config.ToAddresses...) != nil {
		return invalid("the URL of the mail server has no valid fromAddress and toAddresses")
	}
	subject := config.Subject
	if subject == "" || subject == shoutrrrSubject {
		subject = m.title
	}
	msg.Subject(subject)
	msg.SetDate()
	msg.SetMessageID()
	body := m.text
	if config.UseHTML {
		msg.SetBodyString(mail.TypeTextHTML, body)
	} else {
		msg.SetBodyString(mail.TypeTextPlain, body)
	}
	options, bad := mailOptions(&config, s.guard)
	if bad != nil {
		return bad
	}
	client, err := mail.NewClient(config.Host, options...)
	if err != nil {
		return invalid("the URL of the mail server cannot be used: see docs/notifications.md for its parts")
	}
	ctx, stop := context.WithTimeout(ctx, sendTimeout)
	defer stop()
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return tellMail(err)
	}
	return nil
}

func mailOptions(config *smtp.Config, guard outbound.Guard) ([]mail.Option, *problem) {
	dialer := guard.Dialer()
	dialer.Timeout = connectTimeout
	dial := bounded(dialer)
	secured := &tls.Config{ServerName: config.Host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: config.SkipTLSVerify}
	options := []mail.Option{
		mail.WithPort(int(config.Port)), mail.WithTimeout(min(max(config.Timeout, time.Second), sendTimeout)),
		mail.WithHELO(config.ClientHost), mail.WithTLSConfig(secured), mail.WithoutNoop(),
	}
	implicit := config.Encryption == smtp.EncMethods.ImplicitTLS || config.Encryption == smtp.EncMethods.Auto && config.Port == implicitTLSPort
	switch {
	case implicit:
		options = append(options, mail.WithSSL(), mail.WithDialContextFunc((&tlsDialer{dial: dial, config: secured}).dialContext))
	case config.RequireStartTLS, config.Encryption == smtp.EncMethods.ExplicitTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithDialContextFunc(dial))
	case config.UseStartTLS && config.Encryption != smtp.EncMethods.None:
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic), mail.WithDialContextFunc(dial))
	default:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS), mail.WithDialContextFunc(dial))
	}
	switch config.Auth {
	case smtp.AuthTypes.None:
		return options, nil
	case smtp.AuthTypes.Plain:
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthPlain))
	case smtp.AuthTypes.CRAMMD5:
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthCramMD5))
	case smtp.AuthTypes.OAuth2:
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthXOAUTH2))
	default:
		return nil, invalid("the URL of the mail server has an unknown auth: write None, Plain, CRAMMD5 or OAuth2")
	}
	return append(options, mail.WithUsername(config.Username), mail.WithPassword(config.Password)), nil
}
