package windows

import (
	"bytes"

	"hellolab/providers/event"
)

// Prompt names what a window, or a sensor, asks of the person at the device.
type Prompt string

const (
	PromptPassword Prompt = "password"  // on the tenant's sign-in page
	PromptCode     Prompt = "code"      // of the authenticator app
	PromptNumber   Prompt = "number"    // to be read off the sign-in page
	PromptPhone    Prompt = "phone"     // to type that number on the phone; see Hands
	PromptPIN      Prompt = "pin"       // the new PIN, at provisioning
	PromptPINAgain Prompt = "pin_again" // the same, to confirm it
	PromptFace     Prompt = "face"      // a look into the camera, at sign-in
	PromptFinger   Prompt = "fingerprint"
	PromptForced   Prompt = "pin_forced" // the PIN again, for a program that demands it
)

// Hands are those of the person at the device. They are given a prompt and
// what the person has for it, and return what they type or show: the same, or
// another thing by mistake. With ok false the person closes the window; at
// PromptPhone they deny the request instead, and whoever gives nothing there
// leaves it unanswered. A nil Hands does as is expected of it.
type Hands func(p Prompt, has []byte) (gives []byte, ok bool)

// answer returns a copy of what is typed; an error says that the person cancelled.
func (h Hands) answer(p Prompt, has []byte) ([]byte, error) {
	has = bytes.Clone(has)
	if h == nil {
		return has, nil
	}
	gives, ok := h(p, has)
	if !ok {
		return nil, refuse("cancelled", nil)
	}
	return gives, nil
}

// ask puts a prompt on a window.
func ask(t *trace, h Hands, window event.Actor, p Prompt, has []byte) ([]byte, error) {
	gives, err := h.answer(p, has)
	if err != nil {
		t.refused(event.User, window, local, "window_closed", "The user closes the window.", err)
	}
	return gives, err
}
