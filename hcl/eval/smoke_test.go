package eval

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"hellolab/hcl/config"
	"hellolab/providers"
	"hellolab/providers/spec"
)

func testRegistry() *providers.Registry {
	ctxErr := fmt.Errorf("not in this test")
	return providers.NewRegistry(
		fake[spec.Tenant, spec.TenantOut]("tenant", ctxErr), fake[spec.Group, spec.GroupOut]("group", ctxErr),
		fake[spec.User, spec.UserOut]("user", ctxErr), fake[spec.Device, spec.DeviceOut]("device", ctxErr),
		fake[spec.Policy, spec.PolicyOut]("policy", ctxErr), fake[spec.Enrollment, spec.EnrollmentOut]("enrollment", ctxErr),
		fake[spec.Value, spec.ValueOut]("value", ctxErr),
	)
}

func fake[In, Out any](name string, err error) providers.Type {
	return providers.Of(providers.Kind[In, Out]{
		Name: name,
		Key:  func(In) string { return "" },
		Find: func(context.Context, providers.Env, string) (providers.Object[In, Out], error) {
			return providers.Object[In, Out]{}, err
		},
		Create: func(context.Context, providers.Env, In) (Out, error) { var o Out; return o, err },
	})
}

func gen(shape string, n int) string {
	var b strings.Builder
	switch shape {
	case "graph":
		for i := range n {
			if i < 2 {
				fmt.Fprintf(&b, "value \"r%d\" {\n  input = \"seed\"\n}\n", i)
			} else {
				fmt.Fprintf(&b, "value \"r%d\" {\n  input = [value.r%d.id, value.r%d.id, \"x%d\"]\n}\n", i, i-1, i/2, i)
			}
		}
	case "chain":
		for i := range n {
			if i == 0 {
				b.WriteString("value \"r0\" {\n  input = \"seed\"\n}\n")
			} else {
				fmt.Fprintf(&b, "value \"r%d\" {\n  input = value.r%d.id\n}\n", i, i-1)
			}
		}
	case "foreach":
		fmt.Fprintf(&b, "value \"r\" {\n  for_each = { for i in range(%d) : \"k${i}\" => \"v${i}\" }\n  input = \"${each.key}-${each.value}\"\n}\n", n)
	case "foreach2":
		fmt.Fprintf(&b, "value \"r\" {\n  for_each = { for i in range(%d) : \"k${i}\" => \"v${i}\" }\n  input = \"${each.key}-${each.value}\"\n}\nvalue \"s\" {\n  for_each = value.r\n  input = [each.value.id, value.r[each.key].id]\n}\n", n/2)
	}
	return b.String()
}

func TestSmoke(t *testing.T) {
	for _, shape := range []string{"graph", "chain", "foreach", "foreach2"} {
		for _, n := range []int{1000, 10000} {
			src := gen(shape, n)
			t0 := time.Now()
			c, diags := config.FromSources(map[string][]byte{"main.lab.hcl": []byte(src)})
			fail(t, c, diags)
			t1 := time.Now()
			e, diags := New(c, testRegistry(), nil, Options{})
			fail(t, c, diags)
			t2 := time.Now()
			res, diags := e.Evaluate(context.Background(), nil)
			fail(t, c, diags)
			t.Log(shape, n, len(res.Desired), "parse", t1.Sub(t0), "new", t2.Sub(t1), "eval", time.Since(t2))
		}
	}
}

func fail(t *testing.T, c *config.Config, diags hcl.Diagnostics) {
	t.Helper()
	if len(diags) > 0 {
		hcl.NewDiagnosticTextWriter(os.Stderr, c.Files(), 100, false).WriteDiagnostics(diags)
	}
	if diags.HasErrors() {
		t.FailNow()
	}
}
