package act

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

// session is one run of a command.
type session struct {
	*options
	client client.WithWatch
	// user is who runs it; empty if the API server does not say.
	user string
	// answers are about one object each, in the order of the command line.
	answers []*answer
	// besides are lines about what was not acted on.
	besides []string
}

// answer is what a command did with one object.
type answer struct {
	// about names the object, for errors.
	about string
	// object as it is now; nil if there is none.
	object client.Object
	// did says what was done, or why nothing was.
	did string
	// next says what happens next, as far as that is known before the manager has looked.
	next []string
	// changed says that something was written.
	changed bool
	// await says whether the manager has looked; nil if it need not.
	await func(*world) bool
	// then says what happens next after that.
	then func(*world) []string
	err  error
}

// decision is what to do with one version of an object.
type decision struct {
	// patch is a JSON merge patch without metadata.resourceVersion; nil for none.
	patch map[string]any
	// remove deletes the object.
	remove bool
	answer
}

// nothing is a decision to leave the object as it is.
func nothing(format string, args ...any) decision {
	return decision{answer: answer{did: fmt.Sprintf(format, args...)}}
}

// refuse is a decision that what was asked for cannot be had.
func refuse(format string, args ...any) decision {
	return decision{answer: answer{err: fmt.Errorf(format, args...)}}
}

// connect begins a session.
func (o *options) connect() (*session, error) {
	c, err := o.Connect()
	if err != nil {
		return nil, err
	}
	return &session{options: o, client: c}, nil
}

// whoAmI asks the API server for the user's name. Where it does not answer, the manager's webhook fills in names, or admission says what to
// write.
func (s *session) whoAmI(ctx context.Context) {
	review := &authenticationv1.SelfSubjectReview{}
	if err := s.client.Create(ctx, review); err == nil {
		s.user = review.Status.UserInfo.Username
	}
}

// replaced is a decision about an object that has the right name but is not the one that was asked for.
func replaced() decision { return refuse("it was replaced in the meantime; look at it and try again") }

// edit does what decide says about an object. If someone changes the object in the meantime, decide is asked again.
func (s *session) edit(ctx context.Context, about string, object client.Object, decide func(client.Object) decision) *answer {
	var d decision
	fresh := true
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if !fresh {
			// What is not set now must not stay from before.
			now := reflect.New(reflect.TypeOf(object).Elem())
			if err := s.client.Get(ctx, client.ObjectKeyFromObject(object), now.Interface().(client.Object)); err != nil {
				return err
			}
			if now.Interface().(client.Object).GetUID() != object.GetUID() {
				d = replaced()
				return nil
			}
			reflect.ValueOf(object).Elem().Set(now.Elem())
		}
		fresh = false
		d = decide(object)
		return s.carryOut(ctx, object, &d)
	})
	d.about, d.object = about, object
	switch {
	case apierrors.IsNotFound(err) && d.remove:
		d.did, d.next, d.changed = about+" is already gone.", nil, false
	case err != nil:
		d.err = explain(err)
	}
	return &d.answer
}

// carryOut writes a decision, provided that the object has not changed since.
func (s *session) carryOut(ctx context.Context, object client.Object, d *decision) error {
	if d.patch == nil && !d.remove {
		return nil
	}
	d.changed = true
	if s.dryRun == dryRunClient {
		return apply(object, d.patch)
	}
	version := object.GetResourceVersion()
	if d.remove {
		uid := object.GetUID()
		options := []client.DeleteOption{client.Preconditions{ResourceVersion: &version, UID: &uid}}
		if s.dryRun == dryRunServer {
			options = append(options, client.DryRunAll)
		}
		return s.client.Delete(ctx, object, options...)
	}
	text, err := json.Marshal(merge(d.patch, map[string]any{"metadata": map[string]any{"resourceVersion": version}}))
	if err != nil {
		return err
	}
	options := []client.PatchOption{client.FieldOwner(FieldManager)}
	if s.dryRun == dryRunServer {
		options = append(options, client.DryRunAll)
	}
	return s.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, text), options...)
}

// create makes an object.
func (s *session) create(ctx context.Context, object client.Object) error {
	options := []client.CreateOption{client.FieldOwner(FieldManager)}
	switch s.dryRun {
	case dryRunClient:
		return nil
	case dryRunServer:
		options = append(options, client.DryRunAll)
	}
	return s.client.Create(ctx, object, options...)
}

// apply makes a merge patch of an object here, for a dry run.
func apply(object client.Object, patch map[string]any) error {
	all, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	reflect.ValueOf(object).Elem().SetZero()
	return runtime.DefaultUnstructuredConverter.FromUnstructured(withoutNulls(merge(all, patch)), object)
}

// withoutNulls removes what a merge patch sets to null.
func withoutNulls(object map[string]any) map[string]any {
	for key, value := range object {
		switch value := value.(type) {
		case nil:
			delete(object, key)
		case map[string]any:
			object[key] = withoutNulls(value)
		}
	}
	return object
}

// merge puts the second over the first; what is null in it stays so. Nothing is changed in place.
func merge(under, over map[string]any) map[string]any {
	merged := map[string]any{}
	for key, value := range under {
		merged[key] = value
	}
	for key, value := range over {
		inner, isMap := value.(map[string]any)
		below, _ := merged[key].(map[string]any)
		switch {
		case isMap:
			merged[key] = merge(below, inner)
		default:
			merged[key] = value
		}
	}
	return merged
}

// explain makes one line of an answer of the API server, with what to do about it.
func explain(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	switch {
	case apierrors.IsConflict(err):
		return fmt.Errorf("someone else keeps changing it; try again: %s", text)
	case apierrors.IsForbidden(err) && strings.Contains(text, "denied request"):
		_, after, _ := strings.Cut(text, "denied request: ")
		return fmt.Errorf("not allowed: %s", after)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s; docs/kubectl/act.md says which role has the right", text)
	}
	return fmt.Errorf("%s", text)
}

// report waits for the manager's answer, and prints everything.
func (s *session) report(ctx context.Context, none string) error {
	failed := false
	w := &world{}
	if s.format.People() && s.dryRun == dryRunNone {
		w = s.look(ctx, s.patience)
	}
	objects := []client.Object{}
	for _, a := range s.answers {
		if a.err != nil {
			failed = true
			s.printf(s.ErrOut, "error: %s: %v\n", a.about, a.err)
			continue
		}
		if a.object != nil {
			objects = append(objects, a.object)
		}
		if s.format.People() {
			s.tell(a, w)
		}
	}
	if !s.format.People() {
		if err := s.format.Objects(s.Out, objects...); err != nil {
			return err
		}
	} else if len(s.answers) == 0 {
		s.printf(s.Out, "%s\n", none)
	}
	s.tellBesides()
	if failed {
		return app.SilentError{Code: app.ExitFailed}
	}
	return nil
}

// tellBesides prints what was not acted on; where the output is for a program, with the errors.
func (s *session) tellBesides() {
	out := s.Out
	if !s.format.People() {
		out = s.ErrOut
	}
	for _, line := range s.besides {
		s.printf(out, "%s\n", line)
	}
}

// printf writes a line to the terminal; what others wrote in it is harmless there. It does not matter whether the terminal still exists:
// what was done was done.
func (*session) printf(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintln(w, cells.Line(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")))
}

// tell prints one answer.
func (s *session) tell(a *answer, w *world) {
	did := a.did
	if a.changed {
		did = strings.TrimSuffix(did, ".") + s.dry() + "."
	}
	s.printf(s.Out, "%s\n", did)
	next := a.next
	if a.then != nil && s.dryRun == dryRunNone {
		next = append(next, a.then(w)...)
	}
	for _, line := range next {
		s.printf(s.Out, "  %s\n", line)
	}
}
