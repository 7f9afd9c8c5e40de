package notifier

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/reboot-operator/reboot-operator/internal/outbound"
)

// problem is why a notification could not be delivered. It is made of fixed sentences, words of the policy, and names of Secrets and keys:
// errors of libraries have URLs in them, and URLs have tokens.
type problem struct {
	// invalid says that a person has to change something: trying again does not help.
	invalid bool
	text    string
	// after is for how long the receiver asks to be left alone.
	after time.Duration
	// ofChange says that a message which shows a rollout could not be changed. New messages may be taken.
	ofChange bool
	// ofAll says that after is about every request, and not only about those of this kind.
	ofAll bool
}

// said is a problem that is known already, on its way through a service.
type said struct{ *problem }

// Error implements error.
func (s said) Error() string { return saysNotTaken }

func invalid(format string, args ...any) *problem {
	return &problem{invalid: true, text: fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) *problem { return &problem{text: fmt.Sprintf(format, args...)} }

const (
	saysLocal     = "its address is a loopback, link-local or metadata address, which the manager does not send to; see --notify-allowed-cidrs"
	saysRedirect  = "it redirects, which is not followed: write the URL that it redirects to"
	saysTimeout   = "it does not answer in time"
	saysRefused   = "the connection is refused"
	saysNoHost    = "its name is not known"
	saysNoTLS     = "its certificate cannot be verified"
	saysReset     = "it ends the connection"
	saysTooLong   = "its answer is too long"
	saysNotTaken  = "the service does not accept it"
	saysEmpty     = "its answer is empty, as if it were not the service: check the URL, and the proxy if there is one"
	saysPage      = "it answers with a web page, as a login or a proxy does: check the URL, and the proxy if there is one"
	saysUnreached = "it cannot be reached"
)

var errRedirects, errTooLong = errors.New("the server redirects"), errors.New("the server's answer is too long")

// hints are words in an error, in lower case, and what is said in place of all of it. The first that is found counts.
var hints = []struct{ has, says string }{
	{outbound.ErrLocal.Error(), saysLocal},
	{errRedirects.Error(), saysRedirect},
	{errTooLong.Error(), saysTooLong},
	{errEmpty.Error(), saysEmpty},
	{errPage.Error(), saysPage},
	{"x509: ", saysNoTLS},
	{"tls: ", saysNoTLS},
	{"context deadline exceeded", saysTimeout},
	{"i/o timeout", saysTimeout},
	{"client.timeout", saysTimeout},
	{"connection refused", saysRefused},
	{"no such host", saysNoHost},
	{"server misbehaving", saysNoHost},
	{"connection reset", saysReset},
	{": eof", saysReset},
	{"network is unreachable", saysUnreached},
	{"no route to host", saysUnreached},
}

// words are those of well-known services for what is wrong with a token or a channel.
var words = regexp.MustCompile(`\b(invalid_auth|invalid_token|token_revoked|account_inactive|not_in_channel|channel_not_found|` +
	`channel_is_archived|no_service|no_team|action_prohibited|chat not found|bot was blocked|` + saysSame + `)\b`)

// saysSame is what Telegram says about a message that is shown as it is already.
const saysSame = "message is not modified"

// refusals finds a refusal in the text of an error.
var refusals = regexp.MustCompile(`refusal ([45][0-9]{2}) after ([0-9]{1,4})s word "([a-z_ ]*)"`)

// tell says what an error means, by fixed sentences only.
func tell(err error) *problem {
	var known said
	if errors.As(err, &known) {
		return known.problem
	}
	text := err.Error()
	if found := refusals.FindStringSubmatch(text); found != nil {
		return refused(found[1], found[2], found[3])
	}
	lower := strings.ToLower(text)
	for _, hint := range hints {
		if strings.Contains(lower, hint.has) {
			return failed("%s", hint.says)
		}
	}
	if word := words.FindString(text); word != "" {
		return failed("the service says %s", word)
	}
	return failed("%s", saysNotTaken)
}

// refused is what a refusal says.
func refused(status, seconds, word string) *problem {
	code, err := strconv.Atoi(status)
	after, parsing := strconv.Atoi(seconds)
	if err != nil || parsing != nil {
		return failed("%s", saysNotTaken)
	}
	p := answered(code)
	if word != "" {
		p.text += ": " + word
	}
	p.after = time.Duration(after) * time.Second
	return p
}

// answered is an answer with a status that says that the message was not taken.
func answered(code int) *problem {
	if text := http.StatusText(code); text != "" {
		return failed("it answers %d (%s)", code, text)
	}
	return failed("it answers %d", code)
}

// tellMail says what an error of a mail server means.
func tellMail(err error) *problem {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return failed("the mail server answers %d", answer.Code)
	}
	var sent *mail.SendError
	if errors.As(err, &sent) && sent.ErrorCode() != 0 {
		return failed("the mail server answers %d", sent.ErrorCode())
	}
	return tell(err)
}
