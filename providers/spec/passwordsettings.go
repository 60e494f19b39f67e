package spec

import (
	"time"

	"hellolab/providers"
)

// PasswordSettings is a policy on the passwords of some accounts of a domain: a
// fine-grained password policy. Defaults are those of PasswordPolicy.
type PasswordSettings struct {
	Domain     providers.Ref   `lab:"domain,required,replace" ref:"domain" doc:"Domain whose accounts it is for."`
	Name       string          `lab:"name,replace" doc:"Name of the Password Settings Object; the block's name when absent."`
	Precedence int             `lab:"precedence,required" doc:"Which one counts where several are for an account: the lowest, from 1. One that names the user itself counts before those of groups."`
	AppliesTo  []providers.Ref `lab:"applies_to" ref:"group,user" doc:"Whose passwords: users, and members of groups, however far; for nobody when absent. Others have the domain's password_policy."`
	MinLength  int             `lab:"min_length" default:"7" doc:"Fewest characters."`
	Complexity bool            `lab:"complexity" default:"true" doc:"Three of five kinds of characters, and no part of the user's name."`
	History    int             `lab:"history" default:"24" doc:"Former passwords that may not come back."`
	MaxAge     time.Duration   `lab:"max_age" default:"42d" doc:"Age at which a password expires; \"0s\": never."`
	MinAge     time.Duration   `lab:"min_age" default:"1d" doc:"Age before which the user may not change it again."`
}

// PasswordSettingsOut is what a block of password settings learns.
type PasswordSettingsOut struct {
	ObjectID string `lab:"object_id,id" doc:"GUID in the directory."`
	DN       string `lab:"dn" doc:"Distinguished name in the domain."`
}
