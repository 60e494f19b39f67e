package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/web"
)

// A board keeps notes and serves them over HTTPS: two kinds that are made as
// the systems of the lab are, small enough to be sabotaged one line at a time.
type board struct {
	Host string `lab:"host,required,replace"`
}

type boardOut struct {
	URL string `lab:"url,id"`
}

type note struct {
	Board providers.Ref    `lab:"board,required,replace" ref:"board"`
	Title string           `lab:"title,required,replace"`
	Text  string           `lab:"text"`
	Tags  []string         `lab:"tags"`
	Code  providers.Secret `lab:"code,writeonly"`
}

type noteOut struct {
	Number string `lab:"number,id"`
	Path   string `lab:"path"`
	Token  string `lab:"token,sensitive"`
}

// stored is a note at rest and on the wire.
type stored struct {
	Title, Text, Number, Token, CodeHash string
	Tags                                 []string
}

// sabotage names the one thing that is done wrong.
type sabotage string

func boardKind(bad sabotage) providers.Type {
	return providers.Of(providers.Kind[board, boardOut]{
		Name:  "board",
		Key:   func(in board) string { return in.Host },
		Hosts: func(o providers.Object[board, boardOut]) []string { return []string{o.In.Host} },
		Create: func(_ context.Context, _ providers.Env, in board) (boardOut, error) {
			return boardOut{URL: "https://" + in.Host}, nil
		},
		Open: func(ctx context.Context, env providers.Env, o providers.Object[board, boardOut]) (providers.Service, error) {
			hosts := []string{o.In.Host}
			cert, err := web.Certificate(ctx, env, hosts)
			if err != nil {
				return nil, err
			}
			s := &boardServer{env: env, bad: bad, memory: map[string]stored{}}
			mux := http.NewServeMux()
			mux.HandleFunc("GET /notes/{title}", s.get)
			mux.HandleFunc("PUT /notes/{title}", s.put)
			mux.HandleFunc("DELETE /notes/{title}", s.delete)
			return web.Serve(ctx, env, hosts, cert, mux)
		},
	})
}

type boardServer struct {
	env    providers.Env
	bad    sabotage
	memory map[string]stored // only a saboteur writes here
}

func (s *boardServer) get(w http.ResponseWriter, r *http.Request) {
	title := r.PathValue("title")
	if n, ok := s.memory[title]; ok {
		web.WriteJSON(w, http.StatusOK, n)
		return
	}
	var raw []byte
	err := s.env.Section.View(func(rd providers.Reader) (err error) {
		raw, _, err = rd.Get("notes", title)
		return err
	})
	var n stored
	switch {
	case err != nil:
		panic(err)
	case raw == nil && s.bad == "finds what is not there":
		n.Number = "7"
	case raw == nil:
		http.NotFound(w, r)
		return
	default:
		if err := json.Unmarshal(raw, &n); err != nil {
			panic(err)
		}
	}
	if s.bad == "reading writes" {
		if err := s.env.Section.Update(r.Context(), func(w providers.Writer) error { return w.Put("read", title, nil) }); err != nil {
			panic(err)
		}
	}
	web.WriteJSON(w, http.StatusOK, n)
}

func (s *boardServer) put(w http.ResponseWriter, r *http.Request) {
	var n stored
	if err := web.ReadJSON(r, &n); err != nil {
		http.Error(w, err.Error(), web.Status(err))
		return
	}
	exists := false
	err := s.env.Section.Update(r.Context(), func(wr providers.Writer) error {
		raw, ok, err := wr.Get("notes", n.Title)
		if err != nil {
			return err
		}
		if exists = ok; ok && n.Number == "" && s.bad != "overwrites" {
			return nil
		}
		if n.Number == "" {
			sum := sha256.Sum256([]byte(n.Title + n.Token))
			n.Number = hex.EncodeToString(sum[:6])
			if s.bad == "one id for all" {
				n.Number = "7"
			}
			exists = false
		} else if ok {
			var was stored
			if err := json.Unmarshal(raw, &was); err != nil {
				return err
			}
			n.Token = was.Token
			exists = false
		}
		if s.bad == "keeps it in memory" {
			s.memory[n.Title] = n
			return nil
		}
		raw, err = json.Marshal(n)
		if err != nil {
			return err
		}
		return wr.Put("notes", n.Title, raw)
	})
	switch {
	case err != nil:
		panic(err)
	case exists:
		http.Error(w, "There is a note of that title.", http.StatusConflict)
	default:
		s.env.Emit.Emit(event.Event{At: s.env.Now(), Actor: event.Graph, Step: "note_put", Text: "A note is put up.", Correlation: web.Correlation(r.Context()), Message: s.message(n)})
		web.WriteJSON(w, http.StatusOK, n)
	}
}

func (s *boardServer) message(n stored) map[string]any {
	if s.bad == "tells the token" {
		return map[string]any{"token": n.Token}
	}
	return map[string]any{"title": n.Title}
}

func (s *boardServer) delete(w http.ResponseWriter, r *http.Request) {
	err := s.env.Section.Update(r.Context(), func(w providers.Writer) error {
		return w.Delete("notes", r.PathValue("title"))
	})
	if err != nil {
		panic(err)
	}
	w.WriteHeader(http.StatusNoContent)
}

type (
	noteObject = providers.Object[note, noteOut]
	noteClient struct {
		env providers.Env
		bad sabotage
	}
)

func noteKind(bad sabotage) providers.Type {
	at := func(env providers.Env) noteClient { return noteClient{env, bad} }
	k := providers.Kind[note, noteOut]{
		Name: "note",
		Key:  func(in note) string { return in.Title },
		Predict: func(in note) noteOut {
			if bad == "predicts wrong" {
				return noteOut{Path: "/" + in.Title}
			}
			return noteOut{Path: "/notes/" + in.Title}
		},
		Find: func(ctx context.Context, env providers.Env, key string) (noteObject, error) {
			rec, err := env.Objects.Lookup(env.Addr)
			if err != nil {
				return noteObject{}, err
			}
			in, err := providers.Decode[note](rec.In)
			if err != nil {
				return noteObject{}, err
			}
			return at(env).find(ctx, in.Board, key)
		},
		Create: func(ctx context.Context, env providers.Env, in note) (noteOut, error) { return at(env).create(ctx, in) },
		Read: func(ctx context.Context, env providers.Env, o noteObject) (noteObject, error) {
			now, err := at(env).find(ctx, o.In.Board, o.In.Title)
			if bad == "reads another text" {
				now.In.Text = "what?"
			}
			return now, err
		},
		Update: func(ctx context.Context, env providers.Env, o noteObject, in note) (noteOut, error) {
			out, err := at(env).put(ctx, in, o.ID)
			out.Token = o.Out.Token
			return out, err
		},
		Delete: func(ctx context.Context, env providers.Env, o noteObject) error {
			if bad == "deletes nothing" {
				return nil
			}
			_, err := at(env).send(ctx, http.MethodDelete, o.In.Board, o.In.Title, nil)
			return err
		},
		Due: func(ctx context.Context, env providers.Env, o noteObject) error { return at(env).archive(ctx, o) },
	}
	return providers.Of(k)
}

func (c noteClient) create(ctx context.Context, in note) (noteOut, error) {
	if c.bad == "reserves first" {
		err := c.env.Section.Update(ctx, func(w providers.Writer) error {
			if _, taken, _ := w.Get("reserved", in.Title); taken {
				return fmt.Errorf("%q is reserved", in.Title)
			}
			return w.Put("reserved", in.Title, nil)
		})
		if err != nil {
			return noteOut{}, err
		}
	}
	if c.bad == "logs the secret" {
		c.env.Log.Info("creating", "code", string(in.Code))
	}
	return c.put(ctx, in, "")
}

// archive is due once: in two writes, of which the second tells that it is done.
func (c noteClient) archive(ctx context.Context, o noteObject) error {
	begun, done := false, false
	err := c.env.Section.View(func(r providers.Reader) (err error) {
		if _, begun, err = r.Get("archive", "begun"); err == nil {
			_, done, err = r.Get("archive", "done")
		}
		return err
	})
	switch {
	case err != nil || done && c.bad != "always due":
		return err
	case begun && c.bad == "due once only":
		return fmt.Errorf("%s has already begun", o.Addr)
	}
	for _, step := range []string{"begun", "done"} {
		if err := c.env.Section.Update(ctx, func(w providers.Writer) error { return w.Put("archive", step, nil) }); err != nil {
			return err
		}
	}
	return nil
}

func (c noteClient) put(ctx context.Context, in note, number string) (noteOut, error) {
	hash := sha256.Sum256(in.Code)
	n := stored{Title: in.Title, Text: in.Text, Tags: in.Tags, Number: number, CodeHash: hex.EncodeToString(hash[:])}
	if c.bad == "keeps the secret" {
		n.CodeHash = hex.EncodeToString(in.Code)
	}
	token := make([]byte, 12)
	if _, err := c.env.Rand.Read(token); err != nil {
		return noteOut{}, err
	}
	n.Token = hex.EncodeToString(token)
	reply, err := c.send(ctx, http.MethodPut, in.Board, in.Title, n)
	if err != nil {
		return noteOut{}, err
	}
	if err := reply.JSON(&n); err != nil {
		return noteOut{}, err
	}
	return n.out(), nil
}

func (n stored) out() noteOut {
	return noteOut{Number: n.Number, Path: "/notes/" + n.Title, Token: n.Token}
}

func (c noteClient) find(ctx context.Context, at providers.Ref, title string) (noteObject, error) {
	if title == "" {
		return noteObject{}, providers.ErrGone
	}
	reply, err := c.send(ctx, http.MethodGet, at, title, nil)
	if err != nil {
		return noteObject{}, err
	}
	var n stored
	if err := reply.JSON(&n); err != nil {
		return noteObject{}, err
	}
	return noteObject{ID: n.Number, In: note{Board: at, Title: n.Title, Text: n.Text, Tags: n.Tags}, Out: n.out()}, nil
}

func (c noteClient) send(ctx context.Context, method string, at providers.Ref, title string, body any) (web.Reply, error) {
	b, err := providers.Resolve[board, boardOut](c.env, at)
	if err != nil {
		return web.Reply{}, err
	}
	client := web.Client(c.env)
	defer client.CloseIdleConnections()
	req, err := web.NewJSON(ctx, method, b.Out.URL+"/notes/"+url.PathEscape(title), body)
	if err != nil {
		return web.Reply{}, err
	}
	reply, err := web.Do(client, req)
	switch {
	case err != nil:
		return reply, err
	case reply.Status == http.StatusNotFound:
		return reply, providers.ErrGone
	case reply.Status >= 300:
		return reply, fmt.Errorf("the board answers %d: %s", reply.Status, reply.Body)
	}
	return reply, nil
}
