package act

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// each does something with every NodeReboot that was asked for and qualifies. A name without such a NodeReboot gets an answer, too.
func (s *session) each(
	ctx context.Context, args []string, qualifies func(*v1alpha1.NodeReboot) bool, none string, decide func(client.Object) decision,
) error {
	groups, err := s.groups(ctx, args)
	if err != nil {
		return err
	}
	for i := range groups {
		g := &groups[i]
		if g.err != nil {
			s.answers = append(s.answers, &answer{about: g.about, err: g.err})
			continue
		}
		done := false
		for _, r := range g.reboots {
			if qualifies(r) {
				done = true
				s.answers = append(s.answers, s.edit(ctx, called(r), r, decide))
			}
		}
		if !done && s.named(args) {
			s.answers = append(s.answers, &answer{about: g.about, did: fmt.Sprintf("%s %s", g.about, none)})
		}
	}
	return nil
}
