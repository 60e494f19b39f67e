package entra

import (
	"errors"
	"net/http"

	"hellolab/providers"
	"hellolab/providers/event"
	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/oauth"
	"hellolab/providers/wire/pinreset"
	"hellolab/providers/wire/web"
)

// pinResetService is the PIN reset service of the tenant. It keeps nothing: its key
// is derived from the tenant's secret, and what it opens, devices keep.
func (s *server) pinResetService() (*pinreset.Service, error) {
	return pinreset.NewService(s.seal.Key(purposePIN))
}

// pinResetKey answers the service's public key.
func (s *server) pinResetKey(w http.ResponseWriter) error {
	service, err := s.pinResetService()
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, pinreset.KeyReply{PublicKey: service.PublicKey()})
	return nil
}

// recoverPIN gives the key of a Hello container back to its user, who has proven
// two factors just now, at its device.
func (s *server) recoverPIN(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	c, err := s.tokenFor(r, oauth.ResourcePINReset, "PIN reset service")
	if err != nil {
		return err
	}
	if err := s.checkKeyMFA(c); err != nil {
		return err
	}
	body, err := readDRSBody(r)
	if err != nil {
		return err
	}
	req, err := pinreset.ParseRecoverRequest(body)
	if err != nil {
		return invalid("The request to the PIN reset service is malformed.")
	}
	service, err := s.pinResetService()
	if err != nil {
		return err
	}
	whose, key, err := service.Recover(req.Protected)
	if err != nil {
		return drsRefusal(drs.InvalidParameter, http.StatusBadRequest, "pin_reset_key", "Reset the PIN without the service.", "The protected key is not one of this service.")
	}
	defer clear(key)
	if !whose.Is(pinreset.Binding{TenantID: c.TenantID, ObjectID: c.ObjectID, DeviceID: c.DeviceID}) {
		return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "pin_reset_owner", "", "The protected key is of another user or another device than the access token.")
	}
	if err := s.mayReset(c); err != nil {
		return err
	}
	s.step(ctx, event.DRS, event.CXH, "pin_reset_key_returned", "The PIN reset service opens the administrative key of the user's container and gives it back.",
		map[string]any{"user": c.UPN, "device_id": c.DeviceID})
	web.WriteJSON(w, http.StatusOK, pinreset.RecoverReply{Key: key})
	return nil
}

// mayReset refuses a user or a device that may not sign in.
func (s *server) mayReset(c *accessClaims) error {
	return s.env.Section.View(func(r providers.Reader) error {
		if _, err := tokenUser(r, c); err != nil {
			return err
		}
		d, err := deviceByDeviceID(r, c.DeviceID)
		switch {
		case errors.Is(err, errNotFound):
			return drsRefusal(drs.DirectoryError, http.StatusBadRequest, "error_missing_device", "Join the device again.", "The device of the access token is not in the directory.")
		case err == nil && !d.Enabled:
			return drsRefusal(drs.AuthorizationError, http.StatusForbidden, "device_disabled", "Set enabled_in_tenant of the device.", "The device is disabled.")
		}
		return err
	})
}
