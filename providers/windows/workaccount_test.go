package windows

import (
	"slices"
	"testing"

	"hellolab/providers"
	"hellolab/providers/conformance"
)

// A work account that is gone leaves nothing of its sign-ins, at a tenant or at a
// federation service; another's stay.
func TestSignInsOfAccountThatIsGone(t *testing.T) {
	section := conformance.NewEnv(t).For("device.laptop").Section
	const gone, other = "S-1-12-1-1-2-3-4", "S-1-12-1-1-2-3-45"
	err := section.Update(t.Context(), func(w providers.Writer) error {
		for _, key := range []string{gone, gone + "|tenant", gone + "|sts.contoso.com", other, other + "|tenant"} {
			if err := put(w, tableWAM, key, wamRecord{RefreshToken: "token"}); err != nil {
				return err
			}
		}
		return dropSignIns(w, gone)
	})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	err = section.View(func(r providers.Reader) error {
		return r.Scan(tableWAM, "", func(key string, _ []byte) error {
			left = append(left, key)
			return nil
		})
	})
	slices.Sort(left)
	if err != nil || !slices.Equal(left, []string{other, other + "|tenant"}) {
		t.Errorf("%v, %v", left, err)
	}
}
