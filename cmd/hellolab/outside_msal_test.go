package main

//lint:file-ignore SA1019 the library advises against the password grant; its users still need a server that knows it.

import (
	"context"
	"strings"
	"testing"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"

	"hellolab/providers/wire/oauth"
)

// TestOutsideMicrosoft has the library at Microsoft's own names, with nothing
// set that an application for the real service would not set: the lab answers
// for them, the discovery of instances included.
func TestOutsideMicrosoft(t *testing.T) {
	o := serveOutside(t, "-hosts=microsoft")
	c, err := public.New(oauth.ClientAzureCLI, public.WithAuthority("https://login.microsoftonline.com/organizations"), public.WithHTTPClient(o.http))
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.AcquireTokenByUsernamePassword(t.Context(), []string{outsideScope}, outsideUser, outsidePassword)
	if err != nil {
		t.Fatal(err)
	}
	if r.Account.PreferredUsername != outsideUser || r.Account.Environment != "login.microsoftonline.com" {
		t.Errorf("account %+v", r.Account)
	}
	if _, err := c.AcquireTokenSilent(t.Context(), []string{otherScope}, public.WithSilentAccount(r.Account)); err != nil {
		t.Errorf("without anybody: %v", err)
	}
	if _, err := c.AcquireTokenInteractive(t.Context(), []string{outsideScope}, public.WithOpenURL(func(address string) error {
		go o.alice(t, address, nil)
		return nil
	})); err != nil {
		t.Errorf("by a browser: %v", err)
	}
}

// msalGo is Microsoft's library for Go: password, device code, code with PKCE
// by a browser, and tokens without anybody.
func (o *outside) msalGo(t *testing.T) {
	ctx := t.Context()
	client := func(t *testing.T, options ...public.Option) public.Client {
		c, err := public.New(oauth.ClientAzureCLI, append([]public.Option{public.WithAuthority(o.authority), public.WithInstanceDiscovery(false), public.WithHTTPClient(o.http)}, options...)...)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	scopes := []string{outsideScope}
	check := func(t *testing.T, r public.AuthResult, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if r.Account.PreferredUsername != outsideUser || r.AccessToken == "" {
			t.Errorf("account %q", r.Account.PreferredUsername)
		}
	}
	t.Run("password", func(t *testing.T) {
		c := client(t)
		_, err := c.AcquireTokenByUsernamePassword(ctx, scopes, outsideUser, outsidePassword+"x")
		if err == nil || !strings.Contains(err.Error(), "AADSTS50126") {
			t.Errorf("a wrong password: %v", err)
		}
		r, err := c.AcquireTokenByUsernamePassword(ctx, scopes, outsideUser, outsidePassword)
		check(t, r, err)
		// The refresh token gets what is not in the cache.
		again, err := c.AcquireTokenSilent(ctx, []string{otherScope}, public.WithSilentAccount(r.Account))
		check(t, again, err)
		if again.AccessToken == r.AccessToken {
			t.Error("two resources, one token")
		}
	})
	t.Run("device code", func(t *testing.T) {
		c := client(t)
		d, err := c.AcquireTokenByDeviceCode(ctx, scopes)
		if err != nil {
			t.Fatal(err)
		}
		o.alice(t, d.Result.VerificationURL, map[string]string{"otc": d.Result.UserCode})
		r, err := d.AuthenticationResult(ctx)
		check(t, r, err)
	})
	t.Run("interactive", func(t *testing.T) {
		r, err := client(t).AcquireTokenInteractive(ctx, scopes, public.WithLoginHint(outsideUser), public.WithOpenURL(func(address string) error {
			go o.alice(t, address, nil)
			return nil
		}))
		check(t, r, err)
	})
	t.Run("second factor", func(t *testing.T) {
		// The claims that a refusal brings lead to the page's second factor.
		c := client(t)
		_, err := c.AcquireTokenByUsernamePassword(ctx, scopes, outsideUser, outsidePassword, public.WithClaims(oauth.FreshMFAClaims))
		if err == nil || !strings.Contains(err.Error(), "AADSTS50076") {
			t.Errorf("a password alone: %v", err)
		}
		r, err := c.AcquireTokenInteractive(ctx, scopes, public.WithClaims(oauth.FreshMFAClaims), public.WithOpenURL(func(address string) error {
			go o.alice(t, address, nil)
			return nil
		}))
		check(t, r, err)
	})
	t.Run("discovery of instances", func(t *testing.T) {
		// MSAL asks Microsoft's own host whether an authority is one of its; a lab
		// that answers on that name says so.
		if _, err := client(t, public.WithInstanceDiscovery(true)).AcquireTokenByUsernamePassword(context.WithoutCancel(ctx), scopes, outsideUser, outsidePassword); err == nil {
			t.Error("Microsoft's name answers in a lab that was not asked to")
		}
	})
}
