package edrs

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"hellolab/providers/wire/drs"
	"hellolab/providers/wire/strict"
)

// Versions of the contract, values of api-version.
const (
	Version10 = "1.0" // without what 1.2 adds: DeviceJoinService, WebBrowserZones, KeyProvisioningService
	Version12 = "1.2"
)

// Media types of the contract. XML is answered where nobody says what to accept.
const (
	TypeJSON = "application/json"
	TypeXML  = "application/xml"
)

// Contract says where the service's parts are (MS-DVRD 2.2.4.3).
type Contract struct {
	Registration drs.Endpoint // prefix "Registration": the SOAP service of MS-DVRE

	AuthCodeEndpoint    string
	TokenEndpoint       string
	PassiveAuthEndpoint string

	Join drs.Endpoint // prefix "Join"; of version 1.2
	Key  drs.Endpoint // prefix "KeyProvision"; of version 1.2

	// Sites that a browser must have in its zones; of version 1.2.
	Intranet, Trusted, Untrusted []string
}

// ErrContract is wrapped by every error of ParseContract.
var ErrContract = errors.New("not a registration contract")

// serviceVersion is ServiceVersion of every part (MS-DVRD 4.3).
const serviceVersion = "1.0"

// NewContract is the contract of a service by the host of its federation
// service.
func NewContract(host string) Contract {
	base := "https://" + host
	at := func(prefix, path string) drs.Endpoint {
		return drs.Endpoint{Prefix: prefix, URL: base + path, ResourceID: Resource(host), ServiceVersion: serviceVersion}
	}
	return Contract{
		Registration:     at("Registration", "/EnrollmentServer/DeviceEnrollmentWebService.svc"),
		AuthCodeEndpoint: base + "/adfs/oauth2/authorize", TokenEndpoint: base + "/adfs/oauth2/token", PassiveAuthEndpoint: base + "/adfs/ls",
		Join: at("Join", PathDevice), Key: at("KeyProvision", PathKey), Intranet: []string{base + "/"},
	}
}

// The shape of both forms. Nothing of version 1.2 is there in 1.0.
type (
	document struct {
		XMLName      xml.Name      `json:"-" xml:"http://schemas.datacontract.org/2004/07/Microsoft.DeviceRegistration.Entities Discovery"`
		Registration *registration `json:"DeviceRegistrationService" xml:"DeviceRegistrationService"`
		Auth         authService   `json:"AuthenticationService" xml:"AuthenticationService"`
		Identity     identity      `json:"IdentityProviderService" xml:"IdentityProviderService"`
		Join         *joinService  `json:"DeviceJoinService,omitempty" xml:"DeviceJoinService"`
		Zones        *zones        `json:"WebBrowserZones,omitempty" xml:"WebBrowserZones"`
		Key          *keyService   `json:"KeyProvisioningService,omitempty" xml:"KeyProvisioningService"`
	}
	registration struct {
		URL      string `json:"RegistrationEndpoint" xml:"RegistrationEndpoint"`
		Resource string `json:"RegistrationResourceId" xml:"RegistrationResourceId"`
		Version  string `json:"ServiceVersion" xml:"ServiceVersion"`
	}
	joinService struct {
		URL      string `json:"JoinEndpoint" xml:"JoinEndpoint"`
		Resource string `json:"JoinResourceId" xml:"JoinResourceId"`
		Version  string `json:"ServiceVersion" xml:"ServiceVersion"`
	}
	keyService struct {
		URL      string `json:"KeyProvisionEndpoint" xml:"KeyProvisionEndpoint"`
		Resource string `json:"KeyProvisionResourceId" xml:"KeyProvisionResourceId"`
		Version  string `json:"ServiceVersion" xml:"ServiceVersion"`
	}
	authService struct {
		OAuth2 struct {
			AuthCode string `json:"AuthCodeEndpoint" xml:"AuthCodeEndpoint"`
			Token    string `json:"TokenEndpoint" xml:"TokenEndpoint"`
		} `json:"OAuth2" xml:"OAuth2"`
	}
	identity struct {
		Passive string `json:"PassiveAuthEndpoint" xml:"PassiveAuthEndpoint"`
	}
	zones struct {
		Intranet  *zone `json:"Intranet" xml:"Intranet"`
		Trusted   *zone `json:"Trusted" xml:"Trusted"`
		Untrusted *zone `json:"Untrusted" xml:"Untrusted"`
	}
	zone struct {
		Nil       xmlNil   `json:"-" xml:"http://www.w3.org/2001/XMLSchema-instance nil,attr,omitempty"`
		Endpoints []string `json:"Endpoints" xml:"Endpoints>anyURI"`
	}
	xmlNil bool
)

func zoneOf(sites []string) *zone {
	if len(sites) == 0 {
		return nil
	}
	return &zone{Endpoints: sites}
}

func (c Contract) document(version string) (*document, error) {
	d := &document{Registration: &registration{c.Registration.URL, c.Registration.ResourceID, c.Registration.ServiceVersion}}
	d.Auth.OAuth2.AuthCode, d.Auth.OAuth2.Token, d.Identity.Passive = c.AuthCodeEndpoint, c.TokenEndpoint, c.PassiveAuthEndpoint
	switch version {
	case Version10:
	case Version12:
		d.Join = &joinService{c.Join.URL, c.Join.ResourceID, c.Join.ServiceVersion}
		d.Key = &keyService{c.Key.URL, c.Key.ResourceID, c.Key.ServiceVersion}
		d.Zones = &zones{zoneOf(c.Intranet), zoneOf(c.Trusted), zoneOf(c.Untrusted)}
	default:
		return nil, fmt.Errorf("the contract has no version %.16q", version)
	}
	return d, nil
}

// JSON writes the contract in a version.
func (c Contract) JSON(version string) ([]byte, error) {
	d, err := c.document(version)
	if err != nil {
		return nil, err
	}
	return json.Marshal(d)
}

// XML writes the contract in a version. Zones without sites are nil.
func (c Contract) XML(version string) ([]byte, error) {
	d, err := c.document(version)
	if err != nil {
		return nil, err
	}
	if d.Zones != nil {
		for _, z := range []**zone{&d.Zones.Intranet, &d.Zones.Trusted, &d.Zones.Untrusted} {
			if *z == nil {
				*z = &zone{Nil: true}
			}
		}
	}
	return xml.Marshal(d)
}

// MarshalXML writes the sites in the namespace of serialized arrays, as the
// service does.
func (z zone) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if z.Nil {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Space: instanceSpace, Local: "nil"}, Value: "true"})
		return e.EncodeElement("", start)
	}
	type list struct {
		Sites []string `xml:"http://schemas.microsoft.com/2003/10/Serialization/Arrays anyURI"`
	}
	return e.EncodeElement(struct {
		Endpoints list `xml:"Endpoints"`
	}{list{z.Endpoints}}, start)
}

const instanceSpace = "http://www.w3.org/2001/XMLSchema-instance"

// UnmarshalXMLAttr reads xs:boolean.
func (n *xmlNil) UnmarshalXMLAttr(a xml.Attr) error {
	*n = a.Value == "true" || a.Value == "1"
	return nil
}

// Bounds of a contract that is read.
const (
	maxContract = 64 << 10
	maxSites    = 64
)

// ParseContract reads a contract of either version in either form, which its
// first character tells.
func ParseContract(data []byte) (*Contract, error) {
	if len(data) > maxContract {
		return nil, fmt.Errorf("%w: %d bytes", ErrContract, len(data))
	}
	var d document
	if text := bytes.TrimLeft(data, " \t\r\n\ufeff"); bytes.HasPrefix(text, []byte("<")) {
		if err := unmarshalXML(text, &d); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrContract, err)
		}
	} else if err := strict.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContract, err)
	}
	if d.Registration == nil {
		return nil, fmt.Errorf("%w: it has no DeviceRegistrationService", ErrContract)
	}
	trim := strings.TrimSpace // the specification's XML has line breaks around values
	at := func(prefix, url, resource, version string) drs.Endpoint {
		return drs.Endpoint{Prefix: prefix, URL: trim(url), ResourceID: trim(resource), ServiceVersion: trim(version)}
	}
	c := &Contract{
		Registration:     at("Registration", d.Registration.URL, d.Registration.Resource, d.Registration.Version),
		AuthCodeEndpoint: trim(d.Auth.OAuth2.AuthCode), TokenEndpoint: trim(d.Auth.OAuth2.Token), PassiveAuthEndpoint: trim(d.Identity.Passive),
	}
	if d.Join != nil {
		c.Join = at("Join", d.Join.URL, d.Join.Resource, d.Join.Version)
	}
	if d.Key != nil {
		c.Key = at("KeyProvision", d.Key.URL, d.Key.Resource, d.Key.Version)
	}
	if d.Zones != nil {
		for _, z := range []struct {
			from *zone
			to   *[]string
		}{{d.Zones.Intranet, &c.Intranet}, {d.Zones.Trusted, &c.Trusted}, {d.Zones.Untrusted, &c.Untrusted}} {
			if z.from == nil {
				continue
			}
			if len(z.from.Endpoints) > maxSites {
				return nil, fmt.Errorf("%w: %d sites in a zone", ErrContract, len(z.from.Endpoints))
			}
			for _, site := range z.from.Endpoints {
				*z.to = append(*z.to, trim(site))
			}
		}
	}
	return c, nil
}

// maxDepth bounds the nesting of elements; a contract has five levels.
const maxDepth = 16

// unmarshalXML decodes one document without a document type, whose entities
// nobody needs.
func unmarshalXML(data []byte, v any) error {
	depth := 0
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return fmt.Errorf("elements are nested deeper than %d", maxDepth)
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errors.New("there is a document type")
		}
	}
	return xml.Unmarshal(data, v)
}
