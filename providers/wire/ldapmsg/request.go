package ldapmsg

// Tag is the number of a protocolOp, its [APPLICATION n] (RFC 4511 4.2 to 4.14).
type Tag uint8

const (
	TagBindRequest      Tag = 0
	TagBindResponse     Tag = 1
	TagUnbindRequest    Tag = 2
	TagSearchRequest    Tag = 3
	TagSearchEntry      Tag = 4
	TagSearchDone       Tag = 5
	TagModifyRequest    Tag = 6
	TagModifyResponse   Tag = 7
	TagAddRequest       Tag = 8
	TagAddResponse      Tag = 9
	TagDeleteRequest    Tag = 10
	TagDeleteResponse   Tag = 11
	TagModifyDNRequest  Tag = 12
	TagModifyDNResponse Tag = 13
	TagCompareRequest   Tag = 14
	TagCompareResponse  Tag = 15
	TagAbandonRequest   Tag = 16
	TagSearchReference  Tag = 19
	TagExtendedRequest  Tag = 23
	TagExtendedResponse Tag = 24
)

// Message is a request as it came.
type Message struct {
	ID       int32 // 1 to 2³¹−1
	Op       Op
	Controls []Control
}

// Op is one of *Bind, *Unbind, *Search, *Modify, *Add, *Delete, *ModifyDN,
// *Compare, *Abandon, *Extended, or *Refused.
type Op interface {
	// Response is the tag that answers the request; 0: nothing does.
	Response() Tag
}

// Bind proves who the client is (RFC 4511 4.2). Mechanism is empty for a simple
// bind, whose Credentials are the password: wipe them after use.
type Bind struct {
	Version     int
	Name        string
	Mechanism   string
	Credentials []byte
}

// Unbind ends the session.
type Unbind struct{}

// Scope is how far below its base a search reaches.
type Scope uint8

const (
	BaseObject   Scope = 0
	SingleLevel  Scope = 1
	WholeSubtree Scope = 2
)

// Search reads entries (RFC 4511 4.5.1).
type Search struct {
	Base       string // a DN or an extended form: see ParseName
	Scope      Scope
	Deref      uint8 // 0 never to 3 always; a domain has no aliases
	SizeLimit  int   // entries; 0: the server's
	TimeLimit  int   // seconds; 0: the server's
	TypesOnly  bool
	Filter     Filter
	Attributes []string // descriptions with options, "*", "+" or "1.1"; none means "*"
}

// ChangeKind is what a modification does with its values.
type ChangeKind uint8

const (
	AddValues     ChangeKind = 0
	DeleteValues  ChangeKind = 1
	ReplaceValues ChangeKind = 2
)

// Attribute is a description and its values. A description is a name or OID and
// options behind semicolons, as the client wrote them. Values may be nil.
type Attribute struct {
	Description string
	Values      [][]byte
}

// Change is one modification, to be done in order.
type Change struct {
	Kind ChangeKind
	Attribute
}

// Modify changes an entry as a whole or not at all.
type Modify struct {
	DN      string
	Changes []Change
}

// Add makes an entry.
type Add struct {
	DN         string
	Attributes []Attribute
}

// Delete removes an entry.
type Delete struct{ DN string }

// ModifyDN renames or moves an entry. NewSuperior is nil where it stays under
// its parent.
type ModifyDN struct {
	DN           string
	NewRDN       string
	DeleteOldRDN bool
	NewSuperior  *string
}

// Compare asks whether an entry holds a value.
type Compare struct {
	DN        string
	Attribute string
	Value     []byte
}

// Abandon asks for no more answers to the message ID.
type Abandon struct{ ID int32 }

// Extended is an operation named by its OID. Value is nil where absent.
type Extended struct {
	Name  string
	Value []byte
}

// Refused is a request of a known kind that is well encoded and still cannot
// be served: a bad value in it, or a limit. Err says what to answer.
type Refused struct {
	Request Tag
	Err     *Error
}

func (*Bind) Response() Tag      { return TagBindResponse }
func (*Unbind) Response() Tag    { return 0 }
func (*Search) Response() Tag    { return TagSearchDone }
func (*Modify) Response() Tag    { return TagModifyResponse }
func (*Add) Response() Tag       { return TagAddResponse }
func (*Delete) Response() Tag    { return TagDeleteResponse }
func (*ModifyDN) Response() Tag  { return TagModifyDNResponse }
func (*Compare) Response() Tag   { return TagCompareResponse }
func (*Abandon) Response() Tag   { return 0 }
func (*Extended) Response() Tag  { return TagExtendedResponse }
func (r *Refused) Response() Tag { return response(r.Request) }

// response is the tag that answers a request's.
func response(request Tag) Tag {
	switch request {
	case TagSearchRequest:
		return TagSearchDone
	case TagUnbindRequest, TagAbandonRequest:
		return 0
	default:
		return request + 1
	}
}
