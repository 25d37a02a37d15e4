package airlock

import (
	"context"
	"io"
	"iter"
	"time"

	"airlock/statemachine"
)

// Store keeps requests, their manifests, audit trails and notices, and the settings of workspaces.
//
// Reads are strongly consistent. Every method may fail with an error that is ErrTransient: then the outcome of a write
// is unknown, and whoever wrote must read again before deciding anything. Methods honour the context: when it is done
// they fail with an error that is ErrTransient and the context's. All methods may be called concurrently. Whatever
// error comes back, there is no result beside it.
//
// The id of a workspace is 1 to 64 lower-case letters, digits and hyphens; that of a request a lower-case UUID, which is
// of version 7 so that ids sort by creation. Asking for any other finds nothing. Ids of people and notices are any text
// of 1 to 128 bytes. Text comes back as it was if it is valid UTF-8, times as the same instants, nil and empty slices
// as either. Limits are 1 to MaxPage.
type Store interface {
	// Create stores a new request (Before is zero). The lookups by id and by requester are written first: they are
	// harmless without the request. ErrExists when the id is taken, by whatever workspace.
	Create(ctx context.Context, c Commit) (Request, error)

	// Commit stores the next version of a request, all or nothing: the request with its index rows, and whatever else
	// the commit holds. ErrLost when the stored version is no longer c.Before's ETag (or was never stored), or when the
	// reviewer has already a review in the round; nothing is stored then. Returns the request with its new ETag.
	//
	// It refuses (with an error that is a programming mistake, not a coded one) what Commit.Check refuses, a Before that
	// was not read by Request, Create or Commit, another requester than before, a status that the state machine does not
	// have, an UpdatedWhen or a Due before 1970 or after 2200, ids that cannot be stored, notices that Before had already, an
	// Untold that is not Before's, without some, and with the new ones, and what is too large (Azure: 1 MiB a row, of two
	// bytes a character; 4 MiB and 100 rows a commit, where the request counts three times). A manifest keeps its pages:
	// a round's next manifest has at least as many, and those that differ are dirty.
	Commit(ctx context.Context, c Commit) (Request, error)

	// Forget removes a request with everything that is stored for it, in as many steps as that takes, the request itself
	// last and only if it is still of r's version; ErrLost otherwise. Whatever fails, calling it again goes on. A request
	// that is not there is no error.
	Forget(ctx context.Context, r Request) error

	// Request reads one. ErrNotFound when the workspace has none with this id.
	Request(ctx context.Context, workspace, id string) (Request, error)

	// Workspace finds the workspace of a request by its id alone. ErrNotFound. Only for nudges from storage, which know
	// no workspace; never for a person. It may name a workspace for a request that was never stored.
	Workspace(ctx context.Context, id string) (string, error)

	// Requests lists one page of a workspace's requests. A page may be short or empty and still have a Next. A request
	// that does not change is neither left out nor doubled, whatever happens to others between the pages. Requests of
	// a list have no ETag: they are for looking at; what is to be changed must be read by Request.
	// ErrCursor when the cursor is not one that this query gave out; the limit may differ.
	Requests(ctx context.Context, q Query) (Page, error)

	// RequestsOf lists one page of the requests that a person made, over all workspaces, newest first. All that is said
	// of Requests holds.
	RequestsOf(ctx context.Context, person string, limit int, cursor string) (Page, error)

	// Manifest reads the files of a round. A round without any is an empty manifest, not an error.
	Manifest(ctx context.Context, workspace, id string, round int) (Manifest, error)

	// Notices reads the notices of a request that are not published yet, in the order of their ids.
	Notices(ctx context.Context, workspace, id string) ([]Notice, error)

	// Records reads up to limit audit records with a sequence number above after, in order. None is an empty slice.
	Records(ctx context.Context, workspace, id string, after, limit int) ([]Record, error)

	// Comments reads up to limit comments on a request with a number above after, in order. None is an empty slice.
	Comments(ctx context.Context, workspace, id string, after, limit int) ([]Comment, error)

	// Due lists up to limit requests of a workspace whose Due is not after now: those that are due the longest, the
	// longest first, by id where that is the same. A request with a zero Due is never listed.
	Due(ctx context.Context, workspace string, now time.Time, limit int) ([]Owed, error)

	// SettingsRecords is Records for the settings of a workspace, which have a chain of their own.
	SettingsRecords(ctx context.Context, workspace string, after, limit int) ([]Record, error)

	// Settings reads a workspace's settings. ErrNotFound when it has none.
	Settings(ctx context.Context, workspace string) (Settings, error)

	// PutSettings stores settings with the record of the change, both or neither. s.ETag must be the ETag that was
	// read, or empty for a workspace that has none yet; ErrLost otherwise. Returns the settings with their new ETag. It
	// refuses, as a mistake, a record that does not continue the chain of the settings.
	PutSettings(ctx context.Context, s Settings, r Record) (Settings, error)

	// Workspaces lists one page of the workspaces that have settings, in the order of their ids, with the cursor of the
	// next page. It may also name one whose first settings were not stored after all.
	Workspaces(ctx context.Context, limit int, cursor string) (ids []string, next string, err error)

	// Ping reads something cheap, to see whether the store answers.
	Ping(ctx context.Context) error
}

// Commit is one write: everything that changes together.
type Commit struct {
	Before Request // as it was read; zero for a new request
	After  Request

	Record   *Record   // required when the status changes
	Review   *Review   // added; at most one per reviewer and round
	Comment  *Comment  // added; its number is that of the record
	Notices  []Notice  // added; their ids are in After.Untold. Notices whose id leaves Untold are deleted
	Manifest *Manifest // with Dirty
	Dirty    []int     // pages of the manifest to write
}

// Order is an order in which requests can be listed without reading more than a page.
type Order string

// The orders.
const (
	NewestFirst Order = "newest_first" // by creation, that is by id
	LastChanged Order = "last_changed" // by UpdatedWhen, latest first; by id where that is the same, newest first
)

// Query asks for a page of requests.
type Query struct {
	Workspace string
	Order     Order
	Status    statemachine.Status // empty: any
	Type      Direction           // empty: any
	Creator   string              // object id; empty: anybody
	Limit     int                 // 1 to MaxPage
	Cursor    string              // of the page before; empty: the first
}

// MaxPage is the largest page: what Table Storage returns at once.
const MaxPage = 1000

// Page is one page of requests.
type Page struct {
	Requests []Request
	Next     string // cursor of the next page; empty: this is the last
}

// Owed names a request with something due.
type Owed struct {
	Workspace, Request string
	Due                time.Time
}

// Zones keeps the files. A Place is one container.
//
// Calls are idempotent and safe to repeat. Every method may fail with an error that is ErrTransient, and honours the
// context's deadline: the error of a call whose context ended is the context's and ErrTransient. What no correct caller
// asks for (a name that cannot be, a copy without an ETag, a link without rights) is refused with an error that is none
// of the coded ones. No error holds a file's name or a link. Only Read reads a file's content, and nothing keeps it.
type Zones interface {
	// Open makes the container if it is absent: made is true when this very call did, and so nothing is in it yet. A container
	// of that name which is still being deleted is ErrTransient.
	Open(ctx context.Context, p Place) (made bool, err error)

	// List yields every blob of the container with its copy state, metadata and tags, in the order of the names as
	// storage sees it (upper case before lower case; beyond U+FFFF it may differ from Go's). Blocks that were never
	// committed are no blob. It reads page by page and holds no more than one. The last pair holds the error, if any:
	// ErrNotFound when there is no such container.
	List(ctx context.Context, p Place) iter.Seq2[Blob, error]

	// Copy starts to copy one blob into another container, if the source still has the ETag (ErrChanged otherwise, also
	// when it is gone) and the target has no blob of that name, or just the one that is to be replaced (ErrExists
	// otherwise, also when that one is gone, or a copy to it is pending). Nothing has changed when it fails with either.
	// Where several of these are true, any of them may be the answer. The copy goes on by itself: List tells when it is
	// complete. Until then its size and MD5 mean nothing, and its ETag changes when it ends. ErrNotFound when the
	// target container is absent.
	Copy(ctx context.Context, c Copy) error

	// Read writes part of a blob's content to w, in order, if the blob has the ETag (ErrChanged otherwise, also when it or
	// its container is gone). What was written before an error came is content all the same, so whoever counts it can go
	// on from there. A part that is not all in the blob is refused as a mistake, be it after some of it was written. An
	// error of w ends the call, and is none of the coded ones. Memory is bounded, whatever the size of the part.
	Read(ctx context.Context, part Part, w io.Writer) error

	// Write stores a small block blob, which must not be there (ErrExists otherwise). ErrNotFound when the container is
	// absent. No file of a request is ever written so.
	Write(ctx context.Context, u Upload) error

	// Remove deletes one blob, and aborts a copy that is on its way there. Absent is fine.
	Remove(ctx context.Context, p Place, name string) error

	// Erase deletes the container with all that is in it. Absent is fine.
	Erase(ctx context.Context, p Place) error

	// Link makes a link to the container with just these rights.
	Link(ctx context.Context, p Place, l LinkTerms) (string, error)

	// Ping asks the accounts whether they answer.
	Ping(ctx context.Context) error
}

// Place is one container.
type Place struct {
	Account, Container string
}

// Blob is a file as storage tells of it.
type Blob struct {
	Name     string
	Size     int64  // bytes
	ETag     string // without quotes
	MD5      []byte // may be absent
	Kind     BlobKind
	Shut     Shut
	Copy     CopyState
	Metadata map[string]string // keys in lower case
	ScanTag  ScanResult        // what the scanner wrote into the blob's index tags
}

// BlobKind is the kind of a blob.
type BlobKind string

// The kinds. Only block blobs pass the airlock: the scanner reads no others.
const (
	BlockBlob  BlobKind = "BlockBlob"
	AppendBlob BlobKind = "AppendBlob"
	PageBlob   BlobKind = "PageBlob"
)

// Shut is why storage gives out nothing of a blob that is there, neither to a reader nor to a copy.
type Shut string

// What shuts a blob. Whoever uploads it decides that. Azure: "Access tiers for blob data", archive; "Provide an encryption
// key on a request to Blob storage".
const (
	Readable   Shut = ""
	Archived   Shut = "archived"    // it is in the archive tier
	ForeignKey Shut = "foreign key" // it is encrypted with a key that came with it, and that storage does not keep
)

// CopyState is how far a copy into a blob has come.
type CopyState string

// The states. None: the blob was uploaded, not copied.
const (
	CopyNone    CopyState = ""
	CopyPending CopyState = "pending"
	CopySuccess CopyState = "success"
	CopyFailed  CopyState = "failed"
	CopyAborted CopyState = "aborted"
)

// Upload is a small blob to be written.
type Upload struct {
	Place    Place
	Name     string
	Content  []byte            // 1 byte to 64 KiB
	Metadata map[string]string // as that of Copy
}

// Copy is one file to be copied.
type Copy struct {
	From, To Place
	Name     string            // Azure: percent-encoded up to about 1,500 characters, since the source's URL with its signature may have 2 KiB
	IfMatch  string            // the ETag that the source must have, without quotes
	Replaces string            // the ETag of the blob whose place it takes, without quotes; empty: there is none
	Metadata map[string]string // of the copy, at least one; the source's own is not taken over. Keys: lower-case letters and digits. Values: printable ASCII
}

// Part is so many bytes of one blob.
type Part struct {
	Place  Place
	Name   string
	ETag   string // that the blob must have, without quotes
	Offset int64  // of the first byte, from 0
	Length int64  // bytes, at least 1
}

// LinkTerms says what a link allows and for how long.
type LinkTerms struct {
	Rights        statemachine.Rights
	From, Until   time.Time
	CorrelationID string // a UUID that storage writes into its log with every use of the link
}

// Archive keeps documents where nothing is ever changed or removed. Every method may fail with an error that is
// ErrTransient, and honours the context. No other names are
// taken than those that IsDocumentName knows.
type Archive interface {
	// Add stores a document under a name that nothing has yet: of many at once one succeeds. ErrExists otherwise, whatever is
	// stored there.
	Add(ctx context.Context, name string, document []byte) error

	// Read returns a document as it was stored. ErrNotFound when there is none.
	Read(ctx context.Context, name string) ([]byte, error)
}

// Signer signs documents with the key of this airlock.
type Signer interface {
	// Sign returns the document in an envelope with its type and the signature.
	Sign(ctx context.Context, kind string, document []byte) (envelope []byte, err error)

	// Open returns the document in an envelope of this type, whoever signed it.
	Open(kind string, envelope []byte) (document []byte, err error)
}

// Queue brings nudges back to this program.
type Queue interface {
	// Nudge sends one, to be delivered no earlier than after. Two with the same Key may count as one.
	Nudge(ctx context.Context, n Nudge, after time.Duration) error
	// Ping asks whether the queue answers.
	Ping(ctx context.Context) error
}

// Nudge says: look at this request. It carries no news and no authority.
type Nudge struct {
	Workspace string `json:"workspaceId"`
	Request   string `json:"requestId"`
	Key       string `json:"-"`
}

// Announcer publishes notices to whoever subscribes.
type Announcer interface {
	// Announce publishes one. The same notice is always published with the same id.
	Announce(ctx context.Context, n Notice) error
}
