package hello

import (
	"cmp"
	"slices"

	"hellolab/providers"
	"hellolab/providers/spec"
)

// reaching returns the policies that apply to a user on a device, strongest
// first, those of one level by address: a total order.
func (w *World) reaching(user, device string) []*Policy {
	users := append(w.GroupsOf(user), user)
	devices := append(w.GroupsOf(device), device)
	reach := w.enrolledUnder(device)
	for _, p := range w.Policies {
		if p.In.Source != spec.SourceTenantWide && reaches(p, users, devices) {
			reach = append(reach, p)
		}
	}
	slices.SortFunc(reach, func(a, b *Policy) int {
		return cmp.Or(
			cmp.Compare(LevelOf(b.In.Source, b.In.Scope), LevelOf(a.In.Source, a.In.Scope)),
			cmp.Compare(a.Addr, b.Addr),
		)
	})
	return reach
}

// reaches tells whether a policy reaches the pair. Without assign it reaches
// everyone. Group policy is filtered by the account its half is read for: the
// computer's for computer settings, the user's for user settings. A device
// management profile reaches a device of an assigned user, too.
func reaches(p *Policy, users, devices []string) bool {
	if len(p.In.Assign) == 0 {
		return p.Knows("assign")
	}
	named := func(set []string) bool {
		return slices.ContainsFunc(p.In.Assign, func(r providers.Ref) bool { return slices.Contains(set, string(r)) })
	}
	switch LevelOf(p.In.Source, p.In.Scope) {
	case UserGPO:
		return named(users)
	case ComputerGPO:
		return named(devices)
	}
	return named(users) || named(devices)
}

// resolver picks values out of policies ordered strongest first.
type resolver struct {
	reach     []*Policy
	build     Build // of the device
	hasBuild  bool
	conflicts []Conflict
	ignored   []Ignored
}

// pick takes the first value that a policy sets; the others are overridden. A
// value that Windows does not take at the policy's level, in its release or
// because it is none, is passed over.
func pick[T comparable](r *resolver, s settingOf[T], fallback T, source string) Setting[T] {
	out := Setting[T]{Value: fallback, Origin: Origin{Default: source}}
	for _, p := range r.reach {
		v, ok := s.get(p.In)
		if !ok {
			continue
		}
		level := LevelOf(p.In.Source, p.In.Scope)
		if why := r.ignores(s, p, level); why != "" {
			old := s.existsAt(level) && r.hasBuild && !s.on(r.build)
			r.ignored = append(r.ignored, Ignored{Setting: s.path, Policy: p.Addr, Why: why, OldWindows: old})
			continue
		}
		if out.Origin.Policy == "" {
			out = Setting[T]{v, Origin{Level: level, Policy: p.Addr}}
			continue
		}
		out.Origin.Overridden = append(out.Origin.Overridden, p.Addr)
		if level == out.Origin.Level && v != out.Value {
			r.conflicts = append(r.conflicts, Conflict{Setting: s.path, Wins: out.Origin.Policy, Loses: p.Addr})
		}
	}
	return out
}

// ignores says why Windows does not take a policy's value; "" when it does.
func (r *resolver) ignores(s anySetting, p *Policy, level Level) string {
	switch about := s.about(); {
	case !about.existsAt(level):
		return "Windows does not have the setting at this level (" + level.String() + ")."
	case r.hasBuild && !about.on(r.build):
		return "The device's Windows does not have the setting."
	case !s.isValid(p.In):
		return "The value is outside what the setting takes."
	}
	return ""
}
