package wstrust

import (
	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/xmltree"
)

// Marshal encodes the request.
func (r *Request) Marshal() []byte {
	return soap.Write(r.Version.Action(), func(w *xmltree.Writer) {
		w.Put(`<a:MessageID>%s</a:MessageID><a:ReplyTo><a:Address>%s</a:Address></a:ReplyTo><a:To s:mustUnderstand="1">%s</a:To>`, r.MessageID, soap.Anonymous, r.To)
		r.putSecurity(w)
	}, func(w *xmltree.Writer) {
		w.Put(`<t:RequestSecurityToken xmlns:t="%s">`, r.Version.Namespace())
		putAppliesTo(w, r.AppliesTo)
		w.Put(`<t:KeyType>%s</t:KeyType><t:RequestType>%s/Issue</t:RequestType>`, r.Version.keyType(), r.Version.Namespace())
		if r.TokenType != "" {
			w.Put(`<t:TokenType>%s</t:TokenType>`, r.TokenType)
		}
		w.WriteString(`</t:RequestSecurityToken>`)
	})
}

func (r *Request) putSecurity(w *xmltree.Writer) {
	if r.Created.IsZero() && r.Username == "" {
		return
	}
	w.Put(`<o:Security s:mustUnderstand="1" xmlns:o="%s">`, soap.Security)
	if !r.Created.IsZero() {
		w.Put(`<u:Timestamp u:Id="_0"><u:Created>%s</u:Created><u:Expires>%s</u:Expires></u:Timestamp>`, instant(r.Created), instant(r.Expires))
	}
	if r.Username != "" {
		w.Put(`<o:UsernameToken u:Id="_1"><o:Username>%s</o:Username><o:Password Type="%s">%s</o:Password></o:UsernameToken>`, r.Username, passwordText, r.Password)
	}
	w.WriteString(`</o:Security>`)
}

func putAppliesTo(w *xmltree.Writer, realm string) {
	w.Put(`<wsp:AppliesTo xmlns:wsp="%s"><wsa:EndpointReference xmlns:wsa="%s"><wsa:Address>%s</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>`, nsPolicy, soap.Addressing, realm)
}

// Marshal encodes the response as a message.
func (r *Response) Marshal() []byte {
	return soap.Write(r.Version.reply(), func(w *xmltree.Writer) { soap.PutRelatesTo(w, r.RelatesTo) }, func(w *xmltree.Writer) {
		if r.Version == Trust2005 {
			r.put(w)
			return
		}
		w.Put(`<t:RequestSecurityTokenResponseCollection xmlns:t="%s">`, r.Version.Namespace())
		r.put(w)
		w.WriteString(`</t:RequestSecurityTokenResponseCollection>`)
	})
}

// put writes the response element alone: the collection's member, and the
// wresult of a passive sign-in.
func (r *Response) put(w *xmltree.Writer) {
	ns := r.Version.Namespace()
	w.Put(`<t:RequestSecurityTokenResponse xmlns:t="%s"><t:Lifetime><u:Created xmlns:u="%s">%s</u:Created><u:Expires xmlns:u="%s">%s</u:Expires></t:Lifetime>`,
		ns, soap.Utility, instant(r.Created), soap.Utility, instant(r.Expires))
	putAppliesTo(w, r.AppliesTo)
	w.WriteString(`<t:RequestedSecurityToken>`)
	w.Write(r.Assertion)
	w.Put(`</t:RequestedSecurityToken><t:TokenType>%s</t:TokenType><t:RequestType>%s/Issue</t:RequestType><t:KeyType>%s</t:KeyType></t:RequestSecurityTokenResponse>`,
		TokenSAML11, ns, r.Version.keyType())
}

// Result encodes the response element alone, of WS-Trust 2005: the wresult of a
// passive sign-in.
func (r *Response) Result() []byte {
	w := &xmltree.Writer{}
	alone := *r
	alone.Version = Trust2005
	alone.put(w)
	return []byte(w.String())
}
