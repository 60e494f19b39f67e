package wstep

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// writer builds a message of literal markup and escaped values.
type writer struct{ strings.Builder }

// put writes format, whose arguments are escaped.
func (w *writer) put(format string, values ...string) {
	escaped := make([]any, len(values))
	for i, v := range values {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(v)) // a Builder takes all
		escaped[i] = b.String()
	}
	fmt.Fprintf(w, format, escaped...)
}

func envelope(action string, header, body func(*writer)) []byte {
	w := &writer{}
	w.put(`<s:Envelope xmlns:s="%s" xmlns:a="%s"><s:Header><a:Action s:mustUnderstand="1">%s</a:Action>`, nsSOAP, nsWSA, action)
	header(w)
	w.WriteString(`</s:Header><s:Body xmlns:xsi="` + nsXSI + `">`)
	body(w)
	w.WriteString(`</s:Body></s:Envelope>`)
	return []byte(w.String())
}

func token(w *writer, value string, der []byte) {
	w.put(`<BinarySecurityToken ValueType="%s" EncodingType="%s" xmlns="%s">%s</BinarySecurityToken>`, value, base64Type, nsWSSE, base64.StdEncoding.EncodeToString(der))
}

func requestID(w *writer, id string) {
	if id == "" {
		w.put(`<RequestID xsi:nil="true" xmlns="%s"/>`, nsWSTEP)
		return
	}
	w.put(`<RequestID xmlns="%s">%s</RequestID>`, nsWSTEP, id)
}

// Marshal encodes the request.
func (r *Request) Marshal() []byte {
	return envelope(actionRequest, func(w *writer) {
		w.put(`<a:MessageID>%s</a:MessageID><a:ReplyTo><a:Address>%s</a:Address></a:ReplyTo>`, r.MessageID, anonymous)
	}, func(w *writer) {
		kind := typeIssue
		if r.Query {
			kind = typeQuery
		}
		w.put(`<RequestSecurityToken xmlns="%s"><TokenType>%s</TokenType><RequestType>%s</RequestType>`, nsWST, tokenX509, kind)
		if !r.Query {
			value := valuePKCS10
			if r.CMS {
				value = valuePKCS7
			}
			token(w, value, r.Token)
		}
		if len(r.Context) > 0 {
			w.put(`<AdditionalContext xmlns="%s">`, nsAuth)
			names := make([]string, 0, len(r.Context))
			for name := range r.Context {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				w.put(`<ContextItem Name="%s"><Value>%s</Value></ContextItem>`, name, r.Context[name])
			}
			w.WriteString(`</AdditionalContext>`)
		}
		requestID(w, r.RequestID)
		w.WriteString(`</RequestSecurityToken>`)
	})
}

// Marshal encodes the response.
func (r *Response) Marshal() []byte {
	return envelope(actionResponse, r.relates, func(w *writer) {
		w.put(`<RequestSecurityTokenResponseCollection xmlns="%s"><RequestSecurityTokenResponse><TokenType>%s</TokenType>`, nsWST, tokenX509)
		w.put(`<DispositionMessage xml:lang="en-US" xmlns="%s">%s</DispositionMessage>`, nsWSTEP, r.Disposition)
		token(w, valuePKCS7, r.CMC)
		w.WriteString(`<RequestedSecurityToken>`)
		if r.Pending() {
			w.put(`<SecurityTokenReference xmlns="%s"><Reference URI="%s"/></SecurityTokenReference>`, nsWSSE, r.Reference)
		} else {
			token(w, tokenX509, r.Certificate)
		}
		w.WriteString(`</RequestedSecurityToken>`)
		requestID(w, r.RequestID)
		w.WriteString(`</RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>`)
	})
}

func (r *Response) relates(w *writer) { relatesTo(w, r.RelatesTo) }

func relatesTo(w *writer, id string) {
	if id != "" {
		w.put(`<a:RelatesTo>%s</a:RelatesTo>`, id)
	}
}

// Marshal encodes the fault.
func (f *Fault) Marshal() []byte {
	return envelope(actionFault, func(w *writer) { relatesTo(w, f.RelatesTo) }, func(w *writer) {
		side := "s:Receiver"
		if f.Sender {
			side = "s:Sender"
		}
		w.put(`<s:Fault><s:Code><s:Value>%s</s:Value>`, side)
		if f.Subcode != "" {
			w.put(`<s:Subcode><s:Value xmlns:d="%s">d:%s</s:Value></s:Subcode>`, nsFault, f.Subcode)
		}
		w.put(`</s:Code><s:Reason><s:Text xml:lang="en-US">%s</s:Text></s:Reason>`, f.Reason)
		if f.Code != 0 {
			w.put(`<s:Detail><CertificateEnrollmentWSDetail xmlns="%s"><BinaryResponse xsi:nil="true"/><ErrorCode>%s</ErrorCode><InvalidRequest>%s</InvalidRequest>`,
				nsWSTEP, strconv.Itoa(int(int32(f.Code))), strconv.FormatBool(f.InvalidRequest))
			requestID(w, f.RequestID)
			w.WriteString(`</CertificateEnrollmentWSDetail></s:Detail>`)
		}
		w.WriteString(`</s:Fault>`)
	})
}
