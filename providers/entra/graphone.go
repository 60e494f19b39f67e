package entra

import (
	"net/http"

	"hellolab/providers"
	"hellolab/providers/wire/web"
)

// graphOne is one object of the directory, T, that a request names, and the
// body, In, that changes it.
type graphOne[T, In any] struct {
	kind, text string // in events: "policy", "a conditional access policy"
	find       func(providers.Reader) (*T, error)
	show       func(*T) any
	tell       func(*T) map[string]any
	patch      func(providers.Writer, *T, *In) error
	drop       func(providers.Writer, *T) error
}

// answerOne reads, changes or deletes the object, as the method says.
func answerOne[T, In any](s *server, w http.ResponseWriter, q graphRequest, o graphOne[T, In]) error {
	var found *T
	look := func(r providers.Reader) (err error) {
		found, err = o.find(r)
		return orGraphNotFound(err, q.path[len(q.path)-1])
	}
	var change func(providers.Writer) error
	step, text := o.kind+"_updated", "The administrator changes "+o.text+"."
	switch q.Method {
	case http.MethodGet:
		if err := s.env.Section.View(look); err != nil {
			return err
		}
		web.WriteJSON(w, http.StatusOK, o.show(found))
		return nil
	case http.MethodPatch:
		in, err := readGraph[In](q)
		if err != nil {
			return err
		}
		change = func(w providers.Writer) error { return o.patch(w, found, in) }
	case http.MethodDelete:
		step, text = o.kind+"_deleted", "The administrator deletes "+o.text+"."
		change = func(w providers.Writer) error { return o.drop(w, found) }
	default:
		return graphBad("The method is not supported here.")
	}
	err := s.env.Section.Update(q.Context(), func(w providers.Writer) error {
		if err := look(w); err != nil {
			return err
		}
		return change(w)
	})
	if err != nil {
		return err
	}
	s.changed(q, step, text, o.tell(found))
	noContent(w)
	return nil
}
