package notifier

import (
	"net/url"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/signal"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ifttt"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushbullet"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const schemeMatrix = "matrix"

// targetsError says that a URL names another number of targets than one. A message would be sent again to all of them for as long as one of
// them does not take it.
type targetsError struct{ text string }

// Error implements error.
func (b targetsError) Error() string { return b.text }

// oneOf requires one target.
func oneOf(n int, one, many string) error {
	if n > 1 {
		return targetsError{"names " + model.Counted(n, one, many) + ": write one receiver and one URL for each, so that no receiver is " +
			"notified again because another one could not be notified"}
	}
	return nil
}

// targets requires one target of services that tell several one after the other. It is asked before they are initialized, and then again.
func (s *service) targets(parsed *url.URL) error {
	switch to := s.sender.(type) {
	case *matrix.Service:
		config := matrix.Config{} // to initialize it is to log in
		if err := config.SetURL(parsed); err != nil {
			return err //nolint:wrapcheck // it is not said
		}
		if len(config.Rooms) == 0 {
			return targetsError{"names no room, so messages would go to each room that the user is in: write one, such as ?rooms=!id:example.com"}
		}
		return oneOf(len(config.Rooms), "room", "rooms")
	case *ifttt.Service:
		if to.Config != nil {
			return oneOf(len(to.Config.Events), "event", "events")
		}
	case *pushbullet.Service:
		if to.Config != nil {
			return oneOf(len(to.Config.Targets), "target", "targets")
		}
	case *signal.Service:
		if to.Config != nil {
			return oneOf(len(to.Config.Recipients), "recipient", "recipients")
		}
	}
	return nil
}
