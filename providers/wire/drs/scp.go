package drs

import (
	"errors"
	"strings"
)

// ServiceConnectionPoint tells the computers of a forest which tenant they
// register with (Microsoft, "Configure hybrid Microsoft Entra join manually").
// It stands in the configuration partition as keywords:
//
//	azureADId:<tenant id>
//	azureADName:<a domain of the tenant>
type ServiceConnectionPoint struct {
	TenantID string
	Domain   string
}

const (
	keywordID   = "azureADId:"
	keywordName = "azureADName:"
)

// ServiceConnectionPointDN is its name in a forest, by the distinguished name of
// the forest's root domain.
func ServiceConnectionPointDN(base string) string {
	return "CN=62a0ff2e-97b9-4513-943f-0d221bd30080,CN=Device Registration Configuration,CN=Services,CN=Configuration," + base
}

// Keywords are the values of the attribute keywords.
func (p ServiceConnectionPoint) Keywords() []string {
	return []string{keywordName + p.Domain, keywordID + p.TenantID}
}

// ErrServiceConnectionPoint is a point that names no tenant.
var ErrServiceConnectionPoint = errors.New("the service connection point names no tenant")

// ParseKeywords reads the values of the attribute keywords. Others are passed over.
func ParseKeywords(values [][]byte) (p ServiceConnectionPoint, err error) {
	for _, v := range values {
		if id, ok := strings.CutPrefix(string(v), keywordID); ok {
			p.TenantID = id
		}
		if name, ok := strings.CutPrefix(string(v), keywordName); ok {
			p.Domain = name
		}
	}
	if p.TenantID == "" || p.Domain == "" {
		return p, ErrServiceConnectionPoint
	}
	return p, nil
}
