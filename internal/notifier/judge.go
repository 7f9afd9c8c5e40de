package notifier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// errEmpty, errPage and errDenied are answers with a good status that do not say that a message was taken.
var (
	errEmpty  = errors.New("the server's answer is empty")
	errPage   = errors.New("the server's answer is a web page")
	errDenied = errors.New("the server's answer says no")
)

// judging is a transport for services. Most of them go by the status alone, and so would take for a success what a proxy, a login page or
// another server answers in place of the service. Every service says something when it has taken a message, or answers 204, and none
// answers with a page.
type judging struct{ *transport }

// RoundTrip implements http.RoundTripper.
func (j judging) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := j.transport.RoundTrip(request)
	if err != nil || response.StatusCode == http.StatusNoContent {
		return response, err
	}
	body, broken := io.ReadAll(response.Body)
	if err := judge(body, broken); err != nil {
		return nil, closed(response, err)
	}
	response.Body = &readBody{Reader: io.MultiReader(bytes.NewReader(body), failingReader{broken}), Closer: response.Body}
	return response, nil
}

// judge says whether an answer says that a message was taken, as far as it could be read.
func judge(body []byte, broken error) error {
	text := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	switch {
	case len(text) == 0 && broken != nil:
		return broken
	case len(text) == 0:
		return errEmpty
	case text[0] == '<':
		return errPage
	}
	var says struct {
		OK      *bool `json:"ok"`
		Success *bool `json:"success"`
	}
	if json.Unmarshal(text, &says) == nil && (says.OK != nil && !*says.OK || says.Success != nil && !*says.Success) {
		return fmt.Errorf("%w: %s", errDenied, words.Find(text))
	}
	return nil
}

// readBody is a body that was read already.
type readBody struct {
	io.Reader
	io.Closer
}

// failingReader ends as the body ended.
type failingReader struct{ err error }

// Read implements io.Reader.
func (r failingReader) Read([]byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return 0, io.EOF
}
