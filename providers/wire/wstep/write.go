package wstep

import (
	"encoding/base64"
	"slices"
	"strconv"

	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/xmltree"
)

func token(w *xmltree.Writer, value string, der []byte) {
	w.Put(`<BinarySecurityToken ValueType="%s" EncodingType="%s" xmlns="%s">%s</BinarySecurityToken>`, value, base64Type, nsWSSE, base64.StdEncoding.EncodeToString(der))
}

func requestID(w *xmltree.Writer, id string) {
	if id == "" {
		w.Put(`<RequestID xsi:nil="true" xmlns="%s" xmlns:xsi="%s"/>`, nsWSTEP, xmltree.NamespaceXSI)
		return
	}
	w.Put(`<RequestID xmlns="%s">%s</RequestID>`, nsWSTEP, id)
}

// Marshal encodes the request.
func (r *Request) Marshal() []byte {
	return soap.Write(actionRequest, func(w *xmltree.Writer) {
		w.Put(`<a:MessageID>%s</a:MessageID><a:ReplyTo><a:Address>%s</a:Address></a:ReplyTo>`, r.MessageID, soap.Anonymous)
	}, func(w *xmltree.Writer) {
		kind := typeIssue
		if r.Query {
			kind = typeQuery
		}
		w.Put(`<RequestSecurityToken xmlns="%s"><TokenType>%s</TokenType><RequestType>%s</RequestType>`, nsWST, tokenX509, kind)
		if !r.Query {
			value := valuePKCS10
			if r.CMS {
				value = valuePKCS7
			}
			token(w, value, r.Token)
		}
		if len(r.Context) > 0 {
			w.Put(`<AdditionalContext xmlns="%s">`, nsAuth)
			names := make([]string, 0, len(r.Context))
			for name := range r.Context {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				w.Put(`<ContextItem Name="%s"><Value>%s</Value></ContextItem>`, name, r.Context[name])
			}
			w.WriteString(`</AdditionalContext>`)
		}
		requestID(w, r.RequestID)
		w.WriteString(`</RequestSecurityToken>`)
	})
}

// Marshal encodes the response.
func (r *Response) Marshal() []byte {
	return soap.Write(actionResponse, r.relates, func(w *xmltree.Writer) {
		w.Put(`<RequestSecurityTokenResponseCollection xmlns="%s"><RequestSecurityTokenResponse><TokenType>%s</TokenType>`, nsWST, tokenX509)
		w.Put(`<DispositionMessage xml:lang="en-US" xmlns="%s">%s</DispositionMessage>`, nsWSTEP, r.Disposition)
		token(w, valuePKCS7, r.CMC)
		w.WriteString(`<RequestedSecurityToken>`)
		if r.Pending() {
			w.Put(`<SecurityTokenReference xmlns="%s"><Reference URI="%s"/></SecurityTokenReference>`, nsWSSE, r.Reference)
		} else {
			token(w, tokenX509, r.Certificate)
		}
		w.WriteString(`</RequestedSecurityToken>`)
		requestID(w, r.RequestID)
		w.WriteString(`</RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>`)
	})
}

func (r *Response) relates(w *xmltree.Writer) { soap.PutRelatesTo(w, r.RelatesTo) }

// Marshal encodes the fault.
func (f *Fault) Marshal() []byte {
	return soap.Write(actionFault, func(w *xmltree.Writer) { soap.PutRelatesTo(w, f.RelatesTo) }, func(w *xmltree.Writer) {
		side := "s:Receiver"
		if f.Sender {
			side = "s:Sender"
		}
		w.Put(`<s:Fault><s:Code><s:Value>%s</s:Value>`, side)
		if f.Subcode != "" {
			w.Put(`<s:Subcode><s:Value xmlns:d="%s">d:%s</s:Value></s:Subcode>`, nsFault, f.Subcode)
		}
		w.Put(`</s:Code><s:Reason><s:Text xml:lang="en-US">%s</s:Text></s:Reason>`, f.Reason)
		if f.Code != 0 {
			w.Put(`<s:Detail><CertificateEnrollmentWSDetail xmlns="%s" xmlns:xsi="%s"><BinaryResponse xsi:nil="true"/><ErrorCode>%s</ErrorCode><InvalidRequest>%s</InvalidRequest>`,
				nsWSTEP, xmltree.NamespaceXSI, strconv.Itoa(int(int32(f.Code))), strconv.FormatBool(f.InvalidRequest))
			requestID(w, f.RequestID)
			w.WriteString(`</CertificateEnrollmentWSDetail></s:Detail>`)
		}
		w.WriteString(`</s:Fault>`)
	})
}
