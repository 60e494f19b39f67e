package saml

import (
	"slices"
	"time"

	"hellolab/providers/wire/xmltree"
)

// read takes the fields of a document that parse passed.
func read(root *xmltree.Element) (*Assertion, error) {
	a := &Assertion{ID: root.Attr("", attributeID), Issuer: root.Attr("", "Issuer")}
	var err error
	if a.IssueInstant, err = moment(root, "IssueInstant"); err != nil {
		return nil, err
	}
	conditions, err := root.One(Namespace, "Conditions")
	if err != nil || conditions == nil {
		return nil, refuse(Malformed, "it has no conditions")
	}
	if err := a.readConditions(conditions); err != nil {
		return nil, err
	}
	var statements []*xmltree.Element
	for _, c := range root.Children {
		switch {
		case c == conditions:
		case c.Is(Namespace, "AttributeStatement"):
			if err := a.readAttributes(c); err != nil {
				return nil, err
			}
			statements = append(statements, c)
		case c.Is(Namespace, "AuthenticationStatement"):
			if a.Method != "" {
				return nil, refuse(Malformed, "it has two authentication statements")
			}
			if a.Method = c.Attr("", "AuthenticationMethod"); a.Method == "" || len(a.Method) > maxText {
				return nil, refuse(Malformed, "its authentication has no method")
			}
			if a.AuthInstant, err = moment(c, "AuthenticationInstant"); err != nil {
				return nil, err
			}
			statements = append(statements, c)
		default:
			return nil, refuse(Malformed, "its element %.40q is not one that is read", c.Name.Local)
		}
	}
	if a.Method == "" {
		return nil, refuse(Malformed, "it says nothing of an authentication")
	}
	return a, a.readSubjects(statements)
}

func (a *Assertion) readConditions(e *xmltree.Element) error {
	var err error
	if a.NotBefore, err = moment(e, "NotBefore"); err != nil {
		return err
	}
	if a.NotOnOrAfter, err = moment(e, "NotOnOrAfter"); err != nil {
		return err
	}
	if life := a.NotOnOrAfter.Sub(a.NotBefore); life <= 0 || life > maxLife {
		return refuse(Malformed, "its life is not more than nothing and at most %s", maxLife)
	}
	if len(e.Children) != 1 || !e.Children[0].Is(Namespace, "AudienceRestrictionCondition") || len(e.Children[0].Children) != 1 {
		return refuse(Malformed, "its conditions are not a life and one audience")
	}
	if a.Audience, err = e.Children[0].Word(Namespace, "Audience"); err != nil || a.Audience == "" || len(a.Audience) > maxText {
		return refuse(Malformed, "its conditions are not a life and one audience")
	}
	return nil
}

func (a *Assertion) readAttributes(e *xmltree.Element) error {
	for _, c := range e.Children {
		if c.Is(Namespace, "Subject") {
			continue
		}
		attribute := Attribute{Claim: Claim{c.Attr("", "AttributeNamespace"), c.Attr("", "AttributeName")}}
		if !c.Is(Namespace, "Attribute") || attribute.Name == "" || len(attribute.Name) > maxText || len(attribute.Namespace) > maxText {
			return refuse(Malformed, "an attribute has no name")
		}
		for _, v := range c.Children {
			text, err := v.Value()
			if err != nil || !v.Is(Namespace, "AttributeValue") || len(text) > maxText {
				return refuse(Malformed, "the attribute %.40q has a value that is not read", attribute.Name)
			}
			attribute.Values = append(attribute.Values, text)
		}
		a.Attributes = append(a.Attributes, attribute)
	}
	return nil
}

// readSubjects takes the one subject that all statements are about.
func (a *Assertion) readSubjects(statements []*xmltree.Element) error {
	for i, s := range statements {
		subject, err := s.One(Namespace, "Subject")
		if err != nil || subject == nil {
			return refuse(Malformed, "a statement is not about one subject")
		}
		name, err := subject.One(Namespace, "NameIdentifier")
		if err != nil {
			return refuse(Malformed, "a subject has two names")
		}
		text, format := "", ""
		if name != nil {
			format = name.Attr("", "Format")
			if text, err = name.Value(); err != nil || text == "" || len(text) > maxText || len(format) > maxText {
				return refuse(Malformed, "a subject's name is not text")
			}
		}
		if i > 0 && (text != a.NameID || format != a.NameFormat) {
			return refuse(Malformed, "its statements are about different subjects")
		}
		a.NameID, a.NameFormat = text, format
		confirmation, err := subject.One(Namespace, "SubjectConfirmation")
		if err != nil || confirmation == nil || !slices.ContainsFunc(confirmation.Children, isBearer) {
			return refuse(Malformed, "its subject is not confirmed by bearing it")
		}
	}
	return nil
}

func isBearer(e *xmltree.Element) bool {
	text, err := e.Value()
	return err == nil && e.Is(Namespace, "ConfirmationMethod") && text == confirmBearer
}

// moment reads an xs:dateTime with its zone.
func moment(e *xmltree.Element, attribute string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, e.Attr("", attribute))
	if err != nil {
		return time.Time{}, refuse(Malformed, "%s is no time", attribute)
	}
	return t.UTC(), nil
}
