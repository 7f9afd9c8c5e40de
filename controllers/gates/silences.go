package gates

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/silence"
)

// maxSilences bounds what is read of all silences of an Alertmanager, in bytes: it lists those of the last five days, too. They are read
// one by one, and only the operator's are kept.
const maxSilences = 64 << 20

// maxSilence bounds one of them, in bytes.
const maxSilence = 1 << 20

// Silences are those of the operator at the Alertmanager that an entry of a policy names. Its errors can be read by everyone who may read
// the policy. Its methods can be used at the same time.
type Silences struct {
	asker *Asker
	entry *v1alpha1.AlertSilence
}

// Silences returns those of an entry. The same rules hold for where requests and credentials may go as for gates.
func (a *Asker) Silences(entry *v1alpha1.AlertSilence) *Silences {
	return &Silences{asker: a, entry: entry}
}

// ErrNotListed is that Alertmanager does not know a silence which is to end.
var ErrNotListed = errors.New("the silence is not in the list")

// Lasting is a silence that is in force, and for how long it is.
type Lasting struct {
	silence.Silence
	For time.Duration
}

// maxListed bounds how many are listed: more nodes are not under way at once.
const maxListed = 50_000

// List returns all silences of the operator that are in force, whatever they are for.
func (s *Silences) List(ctx context.Context) (list []Lasting, err error) {
	err = s.within(ctx, func(ctx context.Context, am *alertmanagerAPI) error {
		return am.each(ctx, nil, func(s *wireSilence) error {
			if len(list) == maxListed {
				return atServer(am.url, errTooLong)
			}
			if key, ours := s.ours(); ours && s.inForce() {
				list = append(list, Lasting{Silence: silence.Silence{Key: key, Matchers: s.matchers()}, For: s.EndsAt.Sub(am.now)})
			}
			return nil
		})
	})
	return list, err
}

// Keep makes a silence, or changes when it ends, so that it lasts for so long from now. There is one write.
func (s *Silences) Keep(ctx context.Context, kept *silence.Silence, lasts time.Duration) error {
	return s.within(ctx, func(ctx context.Context, am *alertmanagerAPI) error {
		found, err := am.silences(ctx, kept)
		if err != nil {
			return err
		}
		next := wireSilence{
			StartsAt: am.now, EndsAt: am.now.Add(lasts), CreatedBy: silence.Creator, Comment: kept.Comment(), Matchers: wireMatchers(kept.Matchers),
		}
		for i := range found {
			// The same silence continues if it began at the same time, and has the same matchers.
			if found[i].inForce() && (next.ID == "" || found[i].ID < next.ID) {
				next.ID, next.StartsAt, next.Matchers = found[i].ID, found[i].StartsAt, found[i].Matchers
			}
		}
		created := next.ID == ""
		id, err := am.set(ctx, &next)
		if err != nil || !created || !slices.ContainsFunc(next.Matchers, negative) {
			return err
		}
		return am.checkNegative(ctx, id)
	})
}

// End ends a silence at once; also where two managers made one each. One that Alertmanager does not know is an error: of several that tell
// each other, this one may not have heard of it yet. The error is ErrNotListed. Since is how long ago it was last made or renewed: what had
// ended before that is another one. Zero is that this is not known.
func (s *Silences) End(ctx context.Context, ended *silence.Silence, since time.Duration) error {
	return s.within(ctx, func(ctx context.Context, am *alertmanagerAPI) error {
		found, err := am.silences(ctx, ended)
		if err != nil {
			return err
		}
		kept := am.now.Add(-since - time.Second)
		known := slices.ContainsFunc(found, func(s wireSilence) bool { return s.inForce() || since == 0 || s.EndsAt.After(kept) })
		if !known {
			return say(ErrNotListed, "%s: it accepted a silence that is now to be ended, and does not list it", am.url)
		}
		for i := range found {
			if !found[i].inForce() {
				continue
			}
			if err := am.expire(ctx, found[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// within has requests made, in the time that the entry says, and returns an error that can be read.
func (s *Silences) within(ctx context.Context, requests func(context.Context, *alertmanagerAPI) error) error {
	timeout := timeoutOf(s.entry.TimeoutSeconds)
	limited, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	server, err := s.asker.serverOf(limited, s.entry.URL, &v1alpha1.GateConnection{Auth: s.entry.Auth, TLS: s.entry.TLS})
	if err == nil {
		server.most = maxSilences
		err = requests(limited, &alertmanagerAPI{target: server, now: s.asker.options.Clock.Now(), hints: true})
	}
	if err == nil {
		return nil
	}
	s.asker.options.Log.V(1).Info("silences cannot be kept", "url", s.entry.URL, "silence", s.entry.Name, "reason", detail(err))
	cause := err
	if server == nil || server.status == 0 || limited.Err() != nil {
		cause = Unanswered(err)
	}
	return say(cause, "%s", failure(limited, err, timeout))
}

// Answered says that an Alertmanager has answered, although with an error.
func Answered(err error) bool { return !errors.Is(err, errUnanswered) }

// Unanswered marks an error as one without an answer.
func Unanswered(err error) error { return errors.Join(err, errUnanswered) }

var errUnanswered = errors.New("there was no answer")

// Readable is what may be said about an error, as a sentence.
func Readable(err error) string {
	var readable *said
	if errors.As(err, &readable) {
		return sentence(readable.text)
	}
	return sentence(unspoken)
}

// alertmanagerAPI is the API of an Alertmanager, for a few requests.
type alertmanagerAPI struct {
	*target
	// now is the time by its clock, as of its last answer. It judges by that when a silence ends.
	now time.Time
	// hints: what is said about an answer that says no tells what silences need.
	hints bool
}

// wireSilence is a silence in API v2.
type wireSilence struct {
	ID       string        `json:"id,omitempty"`
	Matchers []wireMatcher `json:"matchers"`
	StartsAt time.Time     `json:"startsAt"`
	EndsAt   time.Time     `json:"endsAt"`
	Status   *wireStatus   `json:"status,omitempty"`

	CreatedBy string `json:"createdBy"`
	Comment   string `json:"comment"`
}

type wireStatus struct {
	State string `json:"state"`
}

type wireMatcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	// IsEqual is missing in answers of versions that know no other matchers.
	IsEqual *bool `json:"isEqual,omitempty"`
}

func negative(m wireMatcher) bool { return m.IsEqual != nil && !*m.IsEqual }

func wireMatchers(matchers []silence.Matcher) []wireMatcher {
	wire := make([]wireMatcher, 0, len(matchers))
	for _, m := range matchers {
		equal := m.Type == v1alpha1.MatchEqual || m.Type == v1alpha1.MatchRegexp
		wire = append(wire, wireMatcher{
			Name: m.Name, Value: m.Value, IsEqual: &equal, IsRegex: m.Type == v1alpha1.MatchRegexp || m.Type == v1alpha1.MatchNotRegexp,
		})
	}
	return wire
}

func (s *wireSilence) matchers() []silence.Matcher {
	matchers := make([]silence.Matcher, 0, len(s.Matchers))
	for _, m := range s.Matchers {
		matchType := v1alpha1.MatchEqual
		switch {
		case m.IsRegex && negative(m):
			matchType = v1alpha1.MatchNotRegexp
		case m.IsRegex:
			matchType = v1alpha1.MatchRegexp
		case negative(m):
			matchType = v1alpha1.MatchNotEqual
		}
		matchers = append(matchers, silence.Matcher{Name: m.Name, Type: matchType, Value: m.Value})
	}
	return matchers
}

// ours reports whether the operator made the silence, and what for.
func (s *wireSilence) ours() (silence.Key, bool) {
	return silence.Parse(s.CreatedBy, s.Comment, s.matchers())
}

func (s *wireSilence) inForce() bool { return s.Status == nil || s.Status.State != "expired" }

// silences returns those of the operator that are the same as one, also those that have expired.
func (am *alertmanagerAPI) silences(ctx context.Context, same *silence.Silence) ([]wireSilence, error) {
	query := url.Values{}
	for _, m := range same.Matchers {
		// With other types, versions differ in whether a filter is compared with a matcher, or with its text.
		if m.Type == v1alpha1.MatchEqual {
			query.Add("filter", m.String())
		}
	}
	var found []wireSilence
	err := am.each(ctx, query, func(s *wireSilence) error {
		if key, ours := s.ours(); ours && key == same.Key {
			found = append(found, *s)
		}
		return nil
	})
	return found, err
}

const allSilences = "/api/v2/silences"

// each reads silences one by one.
func (am *alertmanagerAPI) each(ctx context.Context, query url.Values, use func(*wireSilence) error) error {
	path := allSilences
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	body, err := am.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	one := &boundedBody{ReadCloser: body, left: maxSilence}
	decoder := json.NewDecoder(one)
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('[') {
		return am.unreadable(err)
	}
	for decoder.More() {
		one.left = maxSilence
		var s wireSilence
		if err := decoder.Decode(&s); err != nil {
			return am.unreadable(err)
		}
		if err := use(&s); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return am.unreadable(err)
	}
	return nil
}

// set writes a silence, and returns its ID.
func (am *alertmanagerAPI) set(ctx context.Context, s *wireSilence) (id string, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	body, err := am.request(ctx, http.MethodPost, "/api/v2/silences", text)
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	var answer struct {
		ID string `json:"silenceID"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil || answer.ID == "" {
		return "", am.unreadable(err)
	}
	return answer.ID, nil
}

// checkNegative finds out whether Alertmanager understood that the matchers of a silence are negative. Versions before 0.22 ignore that,
// and would hide alerts that must be seen.
func (am *alertmanagerAPI) checkNegative(ctx context.Context, id string) error {
	s, err := am.silence(ctx, id)
	if err == nil && slices.ContainsFunc(s.Matchers, negative) {
		return nil
	}
	// For whatever reason it cannot be read, it may hide anything. The time for that is not the time that is over.
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	if endError := am.expire(ending, id); err == nil {
		err = endError
	}
	if err != nil {
		return err
	}
	return say(nil, "%s: it does not support matchers with != and !~: use Alertmanager 0.22 or later, or write = and =~", am.url)
}

// silence returns one by its ID.
func (am *alertmanagerAPI) silence(ctx context.Context, id string) (*wireSilence, error) {
	body, err := am.request(ctx, http.MethodGet, "/api/v2/silence/"+url.PathEscape(id), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	s := &wireSilence{}
	if err := json.NewDecoder(body).Decode(s); err != nil {
		return nil, am.unreadable(err)
	}
	return s, nil
}

// expire ends a silence.
func (am *alertmanagerAPI) expire(ctx context.Context, id string) error {
	body, err := am.request(ctx, http.MethodDelete, "/api/v2/silence/"+url.PathEscape(id), nil)
	if err != nil {
		return err
	}
	return body.Close()
}

// request returns the body of an answer that says yes.
func (am *alertmanagerAPI) request(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(am.url, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, say(err, "its url is not a valid URL")
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := am.client().Do(request)
	if err != nil {
		return nil, atServer(am.url, err)
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		am.now = date
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer func() { _ = response.Body.Close() }()
	hint := ""
	switch {
	case !am.hints:
	case response.StatusCode == http.StatusNotFound && method == http.MethodGet && strings.HasPrefix(path, allSilences):
		hint = ": silences need the API v2 of an Alertmanager, 0.22 or later, below the url"
	case response.StatusCode == http.StatusBadRequest:
		hint = ": it rejects the silence; the manager's log has its answer, with --log-level=Debug"
	}
	return nil, say(complaint(response), "%s: %s%s", am.url, statusProblem(response.StatusCode), hint)
}

// unreadable says that an answer cannot be used.
func (am *alertmanagerAPI) unreadable(err error) error {
	if errors.Is(err, errTooLong) {
		return atServer(am.url, err)
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var when *time.ParseError
	if err == nil || errors.As(err, &syntax) || errors.As(err, &kind) || errors.As(err, &when) || errors.Is(err, io.EOF) {
		return say(err, "%s: it does not answer as Alertmanager does", am.url)
	}
	return atServer(am.url, err)
}
