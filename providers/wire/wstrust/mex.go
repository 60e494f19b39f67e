package wstrust

import (
	"strings"

	"hellolab/providers/wire/soap"
	"hellolab/providers/wire/xmltree"
)

// Namespaces of a metadata document.
const (
	nsWSDL       = "http://schemas.xmlsoap.org/wsdl/"
	nsSOAP12     = "http://schemas.xmlsoap.org/wsdl/soap12/"
	nsHTTP       = "http://schemas.microsoft.com/ws/06/2004/policy/http"
	nsSecurity   = "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702"
	nsSecurity05 = "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy"
	nsTNS        = "http://schemas.microsoft.com/ws/2008/06/identity/securitytokenservice"

	transportHTTP = "http://schemas.xmlsoap.org/soap/http"
)

// Endpoint is where requests for security tokens go.
type Endpoint struct {
	Version Version
	Windows bool // the transport says who asks; else a user name in the message
	URL     string
}

// name is that of the endpoint's policy, binding and port.
func (e Endpoint) name() string {
	n := "UserNameWSTrustBinding_IWSTrust"
	if e.Windows {
		n = "WindowsWSTrustBinding_IWSTrust"
	}
	if e.Version == Trust2005 {
		return n + "Feb2005Async"
	}
	return n + "13Async"
}

// Metadata encodes what GET of a service's /mex answers: a description (WSDL
// 1.1) of its endpoints with the policy of each. The namespace of security
// policies is declared on the bindings of the transport, where MSAL looks.
func Metadata(endpoints []Endpoint) []byte {
	w := &xmltree.Writer{}
	w.Put(`<?xml version="1.0" encoding="utf-8"?><wsdl:definitions name="SecurityTokenService" targetNamespace="%s" xmlns:wsdl="%s" xmlns:tns="%s" xmlns:soap12="%s" xmlns:wsa10="%s" xmlns:wsu="%s" xmlns:wsp="%s">`,
		nsTNS, nsWSDL, nsTNS, nsSOAP12, soap.Addressing, soap.Utility, nsPolicy)
	for _, e := range endpoints {
		e.putPolicy(w)
	}
	for _, e := range endpoints {
		w.Put(`<wsdl:binding name="%s" type="tns:IWSTrust"><wsp:PolicyReference URI="#%s_policy"/><soap12:binding transport="%s"/><wsdl:operation name="TrustIssue"><soap12:operation soapAction="%s" style="document"/><wsdl:input><soap12:body use="literal"/></wsdl:input><wsdl:output><soap12:body use="literal"/></wsdl:output></wsdl:operation></wsdl:binding>`,
			e.name(), e.name(), transportHTTP, e.Version.Action())
	}
	w.WriteString(`<wsdl:service name="SecurityTokenService">`)
	for _, e := range endpoints {
		w.Put(`<wsdl:port name="%s" binding="tns:%s"><soap12:address location="%s"/><wsa10:EndpointReference><wsa10:Address>%s</wsa10:Address></wsa10:EndpointReference></wsdl:port>`,
			e.name(), e.name(), e.URL, e.URL)
	}
	w.WriteString(`</wsdl:service></wsdl:definitions>`)
	return []byte(w.String())
}

func (e Endpoint) putPolicy(w *xmltree.Writer) {
	sp, tokens := nsSecurity, "SignedEncryptedSupportingTokens"
	if e.Version == Trust2005 || e.Windows { // clients look for Negotiate beside the older policy
		sp, tokens = nsSecurity05, "SignedSupportingTokens"
	}
	w.Put(`<wsp:Policy wsu:Id="%s_policy"><wsp:ExactlyOne><wsp:All>`, e.name())
	if e.Windows {
		w.Put(`<http:NegotiateAuthentication xmlns:http="%s"/>`, nsHTTP)
	}
	w.Put(`<sp:TransportBinding xmlns:sp="%s"><wsp:Policy><sp:TransportToken><wsp:Policy><sp:HttpsToken RequireClientCertificate="false"/></wsp:Policy></sp:TransportToken><sp:AlgorithmSuite><wsp:Policy><sp:Basic256/></wsp:Policy></sp:AlgorithmSuite><sp:Layout><wsp:Policy><sp:Strict/></wsp:Policy></sp:Layout>`, sp)
	if !e.Windows {
		w.WriteString(`<sp:IncludeTimestamp/>`)
	}
	w.WriteString(`</wsp:Policy></sp:TransportBinding>`)
	if !e.Windows {
		w.WriteString(`<sp:` + tokens)
		w.Put(` xmlns:sp="%s"><wsp:Policy><sp:UsernameToken sp:IncludeToken="%s/IncludeToken/AlwaysToRecipient"><wsp:Policy><sp:WssUsernameToken10/></wsp:Policy></sp:UsernameToken></wsp:Policy>`, sp, sp)
		w.WriteString(`</sp:` + tokens + `>`)
	}
	w.WriteString(`</wsp:All></wsp:ExactlyOne></wsp:Policy>`)
}

// MaxMetadata bounds a metadata document that is read, in bytes.
const MaxMetadata = 512 << 10

// ParseMetadata reads the endpoints of a metadata document that are of a kind
// known here. One that is not HTTPS is left out.
func ParseMetadata(b []byte) ([]Endpoint, error) {
	root, err := xmltree.Parse(b, xmltree.Limits{Bytes: MaxMetadata, Depth: 24, Elements: 8192, Attributes: 48})
	if err != nil {
		return nil, malformed("%v", err)
	}
	if !root.Is(nsWSDL, "definitions") {
		return nil, malformed("not a WSDL description")
	}
	windows := map[string]bool{} // policy reference → kind
	bindings := map[string]Endpoint{}
	for _, c := range root.Children {
		if c.Is(nsPolicy, "Policy") {
			readPolicy(c, windows)
		}
	}
	for _, c := range root.Children {
		if c.Is(nsWSDL, "binding") {
			readBinding(c, windows, bindings)
		}
	}
	var endpoints []Endpoint
	service, err := root.One(nsWSDL, "service")
	if err != nil || service == nil {
		return nil, malformed("not one service")
	}
	for _, port := range service.Children {
		binding := port.Attr("", "binding")
		e, ok := bindings[binding[strings.LastIndexByte(binding, ':')+1:]]
		if !ok || !port.Is(nsWSDL, "port") {
			continue
		}
		reference, err := port.One(soap.Addressing, "EndpointReference")
		if err != nil || reference == nil {
			continue
		}
		if e.URL, err = reference.Word(soap.Addressing, "Address"); err == nil && len(e.URL) <= maxWord && strings.HasPrefix(e.URL, "https://") {
			endpoints = append(endpoints, e)
		}
	}
	return endpoints, nil
}

// readPolicy notes whether a policy is of user names (false) or of Negotiate (true).
func readPolicy(policy *xmltree.Element, windows map[string]bool) {
	id := policy.Attr(soap.Utility, "Id")
	if id == "" {
		return
	}
	policy.All(func(e *xmltree.Element) {
		switch {
		case e.Is(nsHTTP, "NegotiateAuthentication"):
			windows["#"+id] = true
		case e.Name.Local == "WssUsernameToken10" && (e.Name.Space == nsSecurity || e.Name.Space == nsSecurity05):
			windows["#"+id] = false
		}
	})
}

func readBinding(binding *xmltree.Element, windows map[string]bool, bindings map[string]Endpoint) {
	reference, err := binding.One(nsPolicy, "PolicyReference")
	if err != nil || reference == nil {
		return
	}
	kind, known := windows[reference.Attr("", "URI")]
	transport, err := binding.One(nsSOAP12, "binding")
	if err != nil || transport == nil || transport.Attr("", "transport") != transportHTTP || !known {
		return
	}
	operation, err := binding.One(nsWSDL, "operation")
	if err != nil || operation == nil {
		return
	}
	if operation, err = operation.One(nsSOAP12, "operation"); err != nil || operation == nil {
		return
	}
	for _, v := range []Version{Trust13, Trust2005} {
		if operation.Attr("", "soapAction") == v.Action() {
			bindings[binding.Attr("", "name")] = Endpoint{Version: v, Windows: kind}
		}
	}
}
