package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"hellolab/providers"
	"hellolab/providers/conformance"
)

// A shop has customers: two kinds that meet on the wire. A shop answers each
// line with the number of its customer, and makes one at first sight.
type shop struct {
	Host string        `lab:"host,required,replace"`
	Life time.Duration `lab:"life" default:"1h"`
}

type shopOut struct {
	Opened string `lab:"opened,id"`
}

type customer struct {
	Name string           `lab:"name,required,replace"`
	Shop providers.Ref    `lab:"shop,required,replace" ref:"shop"`
	Nick string           `lab:"nick"`
	Code providers.Secret `lab:"code,writeonly"`
	VIP  bool             `lab:"vip" default:"true"`
}

type customerOut struct {
	Number string `lab:"number,id"`
}

func shopKind() providers.Type {
	return providers.Of(providers.Kind[shop, shopOut]{
		Name:  "shop",
		Key:   func(in shop) string { return in.Host },
		Hosts: func(o providers.Object[shop, shopOut]) []string { return []string{o.In.Host} },
		Create: func(_ context.Context, env providers.Env, in shop) (shopOut, error) {
			return shopOut{Opened: env.Now().Format(time.RFC3339)}, nil
		},
		Open: func(_ context.Context, env providers.Env, o providers.Object[shop, shopOut]) (providers.Service, error) {
			l, err := env.Network.Listen(o.In.Host, 7)
			if err != nil {
				return nil, err
			}
			go serve(env, l)
			return l, nil
		},
	})
}

func serve(env providers.Env, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			b := make([]byte, 100)
			n, err := c.Read(b)
			if err != nil {
				return
			}
			number, err := register(env, string(b[:n]))
			if err != nil {
				return // the customer hears nothing
			}
			io.WriteString(c, number)
		}()
	}
}

func register(env providers.Env, name string) (number string, err error) {
	err = env.Section.Update(context.Background(), func(w providers.Writer) error {
		if v, ok, err := w.Get("customers", name); ok || err != nil {
			number = string(v)
			return err
		}
		n := 0
		if err := w.Scan("customers", "", func(string, []byte) error { n++; return nil }); err != nil {
			return err
		}
		number = fmt.Sprintf("c%d", n+1)
		return w.Put("customers", name, []byte(number))
	})
	return number, err
}

func customerKind() providers.Type {
	return providers.Of(providers.Kind[customer, customerOut]{
		Name: "customer",
		Key:  func(in customer) string { return in.Name },
		Create: func(ctx context.Context, env providers.Env, in customer) (customerOut, error) {
			at, err := providers.Resolve[shop, shopOut](env, in.Shop)
			if err != nil {
				return customerOut{}, err
			}
			c, err := env.Network.Dial(ctx, at.In.Host, 7)
			if err != nil {
				return customerOut{}, err
			}
			defer c.Close()
			if _, err := io.WriteString(c, in.Name); err != nil {
				return customerOut{}, err
			}
			number, err := io.ReadAll(c)
			if err != nil || len(number) == 0 {
				return customerOut{}, errors.Join(io.ErrUnexpectedEOF, err)
			}
			return customerOut{Number: string(number)}, nil
		},
	})
}

func TestKindsMeetOnTheNetwork(t *testing.T) {
	env := conformance.NewEnv(t, shopKind(), customerKind())
	env.Create("shop.one", shop{Host: "Shop.example."})
	env.Create("shop.two", shop{Host: "two.example"})
	a := env.Create("customer.a", customer{Name: "ann", Shop: "shop.one", Code: providers.Secret("1234")})
	b := env.Create("customer.b", customer{Name: "bo", Shop: "shop.one"})
	if a.ID != "c1" || b.ID != "c2" {
		t.Errorf("numbers are %s and %s, want c1 and c2", a.ID, b.ID)
	}
	if !a.In.GetAttr("code").IsNull() || !a.In.GetAttr("vip").True() {
		t.Errorf("record holds %#v, want the default and no secret", a.In)
	}
	env.Restart()
	env.Create("customer.c", env.With("customer", customer{Name: "cy", Shop: "shop.one"}, "vip", cty.False))
	if got := conformance.Get[customer, customerOut](env, "customer.c"); got.Out.Number != "c3" || got.In.VIP {
		t.Errorf("after a restart: %+v, want number c3 and no VIP", got)
	}
	if one, two := env.Revision("shop.one"), env.Revision("shop.two"); one != 3 || two != 0 {
		t.Errorf("revisions are %d and %d, want 3 and 0", one, two)
	}

	if _, err := env.For("customer.a").Network.Dial(t.Context(), "nowhere.example", 7); err == nil {
		t.Error("a host of nobody answers")
	}
	if _, err := env.For("customer.a").Network.Dial(t.Context(), "shop.example", 8); err == nil {
		t.Error("a port nobody listens on answers")
	}
	env.Delete("shop.one")
	if _, err := env.For("customer.a").Network.Dial(t.Context(), "shop.example", 7); err == nil {
		t.Error("a deleted shop answers")
	}
}

func TestHostsHaveAddresses(t *testing.T) {
	env := conformance.NewEnv(t, shopKind())
	env.Create("shop.one", shop{Host: "Shop.example."})
	env.Create("shop.two", shop{Host: "two.example"})
	of := env.For("shop.two").Address
	one, err := of(t.Context(), "SHOP.example")
	if err != nil || !one.IsLoopback() {
		t.Errorf("%v, %v", one, err)
	}
	if two, err := of(t.Context(), "two.example"); err != nil || two == one {
		t.Errorf("%v, %v", two, err)
	}
	if again, err := of(t.Context(), "shop.example."); err != nil || again != one {
		t.Errorf("%v, %v; was %v", again, err, one)
	}
	if got, err := of(t.Context(), "three.example"); !errors.Is(err, providers.ErrNoHost) {
		t.Errorf("a host of nobody has %v, %v", got, err)
	}
	if _, err := env.For("shop.one").Network.ListenPacket("three.example", 53); err != nil {
		t.Fatal(err)
	}
	if got, err := of(t.Context(), "three.example"); err != nil || got == one {
		t.Errorf("one that listens has %v, %v", got, err)
	}
}

// The network is down from a kill on, for datagrams as for streams.
func TestKillTakesTheNetworkDown(t *testing.T) {
	env := conformance.NewEnv(t, shopKind(), customerKind())
	env.Create("shop.one", shop{Host: "one.example"})
	n := env.For("shop.one").Network
	s, err := n.ListenPacket("one.example", 53)
	if err != nil {
		t.Fatal(err)
	}
	c, err := n.DialPacket(t.Context(), "one.example", 53)
	if err != nil {
		t.Fatal(err)
	}
	killed := env.KillAt(t.Context(), 1, func(ctx context.Context) {
		_ = env.For("shop.one").Section.Record(ctx, func(providers.Writer) error { return nil })
		if _, err := n.Dial(t.Context(), "one.example", 7); !errors.Is(err, conformance.ErrKilled) {
			t.Errorf("dial: %v", err)
		}
		if _, err := n.DialPacket(t.Context(), "one.example", 53); !errors.Is(err, conformance.ErrKilled) {
			t.Errorf("dial for datagrams: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, conformance.ErrKilled) {
			t.Errorf("write: %v", err)
		}
		if _, err := s.WriteTo([]byte("x"), c.LocalAddr()); !errors.Is(err, conformance.ErrKilled) {
			t.Errorf("answer: %v", err)
		}
	})
	if _, err := c.Write([]byte("x")); !killed || err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

func TestClockMovesByAdvanceOnly(t *testing.T) {
	env := conformance.NewEnv(t, shopKind())
	now := env.For("shop.a").Now
	if !now().Equal(conformance.Began) {
		t.Errorf("lab begins at %s", now())
	}
	env.Advance(36 * time.Hour)
	if got := now().Sub(conformance.Began); got != 36*time.Hour {
		t.Errorf("clock moved by %s", got)
	}
}

func TestKillLeavesWhatWasDurable(t *testing.T) {
	for n := 1; ; n++ {
		env := conformance.NewEnv(t, shopKind(), customerKind())
		env.Create("shop.one", shop{Host: "one.example"})
		var err error
		killed := env.KillAt(t.Context(), n, func(ctx context.Context) {
			_, err = env.TryCreate(ctx, "customer.a", customer{Name: "ann", Shop: "shop.one"})
		})
		if !killed {
			if err != nil {
				t.Fatalf("without a kill: %v", err)
			}
			if n != 4 {
				t.Errorf("%d kill points, want 3: around the shop's commit, and before the record", n-1)
			}
			return
		}
		if err == nil {
			t.Errorf("kill at %d: Create succeeded", n)
		}
		if got, want := env.Revision("shop.one"), uint64(min(n-1, 1)); got != want {
			t.Errorf("kill at %d: revision %d, want %d", n, got, want)
		}
		if rec := env.Create("customer.a", customer{Name: "ann", Shop: "shop.one"}); rec.ID != "c1" {
			t.Errorf("kill at %d: number %s after a second Create, want c1", n, rec.ID)
		}
	}
}

func TestSection(t *testing.T) {
	env := conformance.NewEnv(t)
	s := env.For("shop.one").Section
	ctx := t.Context()
	failed := errors.New("no")
	err := s.Update(ctx, func(w providers.Writer) error {
		w.Put("t", "a", []byte("1"))
		return failed
	})
	if !errors.Is(err, failed) || env.Revision("shop.one") != 0 {
		t.Errorf("failed update: %v, revision %d", err, env.Revision("shop.one"))
	}
	value := []byte("1")
	err = s.Record(ctx, func(w providers.Writer) error {
		for _, k := range []string{"b", "a", "aa"} {
			if err := w.Put("t", k, value); err != nil {
				return err
			}
		}
		return w.Delete("t", "b")
	})
	if err != nil || env.Revision("shop.one") != 0 {
		t.Errorf("record: %v, revision %d", err, env.Revision("shop.one"))
	}
	value[0] = 'x' // the writer's bytes are not the store's
	var keys []string
	err = s.View(func(r providers.Reader) error {
		// A commit meanwhile does not show in this view, nor wait for it.
		if err := s.Update(ctx, func(w providers.Writer) error { return w.Put("t", "ab", nil) }); err != nil {
			return err
		}
		return r.Scan("t", "a", func(k string, v []byte) error {
			keys = append(keys, k+"="+string(v))
			return nil
		})
	})
	if err != nil || fmt.Sprint(keys) != "[a=1 aa=1]" || env.Revision("shop.one") != 1 {
		t.Errorf("view sees %v, %v, revision %d", keys, err, env.Revision("shop.one"))
	}
	other := env.For("shop.two").Section
	if err := other.View(func(r providers.Reader) error {
		if _, ok, _ := r.Get("t", "a"); ok {
			t.Error("a section sees another's table")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Update(cancelled, func(providers.Writer) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("update of a cancelled caller: %v", err)
	}
}
