package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestErrors(t *testing.T) {
	e := &Error{Code: CodeNotFound, Status: 404, Sentence: "Resource 'x' does not exist."}
	err := ParseError(404, e.Encode("r", "c", time.Unix(0, 0)))
	var typed *Error
	if !errors.As(err, &typed) || *typed != *e || !IsNotFound(err) {
		t.Errorf("read back %+v", err)
	}
	if errors.As(ParseError(404, []byte("not found")), &typed) {
		t.Error("a reply of another server became a typed refusal")
	}
}

func TestPasswordDoesNotPrint(t *testing.T) {
	u := User{PasswordProfile: &PasswordProfile{Password: "hunter2"}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, *u.PasswordProfile); strings.Contains(s, "hunter2") {
			t.Errorf("%s prints the password: %s", format, s)
		}
	}
	data, err := json.Marshal(u)
	if err != nil || !strings.Contains(string(data), "hunter2") {
		t.Error("the message does not carry the password")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"userPrincipalName":"a@b","accountEnabled":true,"passwordProfile":{"password":"x"}}`))
	f.Add([]byte(`{"value":[{"id":"x","displayName":"y"}],"@odata.nextLink":"z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Parse[User](data)
		_, _ = Parse[Group](data)
		_, _ = Parse[Device](data)
		_, _ = Parse[Reference](data)
		_, _ = Parse[Page[User]](data)
		if ParseError(400, data) == nil {
			t.Fatal("a refusal became success")
		}
	})
}
