package airlock

import (
	"errors"
	"fmt"
)

// What the ports fail with, and callers branch on. Adapters wrap them with the operation and the id.
var (
	ErrNotFound     = errors.New("not found")
	ErrExists       = errors.New("exists already")
	ErrLost         = errors.New("lost the race: it has changed since it was read")
	ErrChanged      = errors.New("the source has changed")
	ErrCursor       = errors.New("not a cursor of this list")
	ErrTransient    = errors.New("no clear answer; trying again can help")
	ErrNoCheckpoint = errors.New("no checkpoint was made")              // reported; the next sweep tries again
	ErrBroken       = errors.New("the evidence is not what it must be") // reported, for people to be woken up; never an answer
)

// Kind is what sort of problem an answer to a person is about. The edge maps each to one HTTP status.
type Kind string

// The kinds.
const (
	Malformed       Kind = "malformed"       // could not be read at all
	Invalid         Kind = "invalid"         // a field has a value that it cannot have
	Unauthenticated Kind = "unauthenticated" // the token is not for this place
	Forbidden       Kind = "forbidden"       // the role is missing
	Missing         Kind = "missing"         // there is no such thing, or not for you
	Illegal         Kind = "illegal"         // the status has no such transition
	Ruled           Kind = "ruled"           // a rule refuses it; Code is its name
	Conflict        Kind = "conflict"        // somebody else was faster
	Unavailable     Kind = "unavailable"     // a dependency does not answer; try again
	Disabled        Kind = "disabled"        // switched off in this workspace
)

// Problem is an error with an answer for a person. Anything else that a use case returns is internal and is not shown.
type Problem struct {
	Kind   Kind
	Code   string // stable, for programs
	Detail string // one or two sentences: what is wrong and what to do
	Err    error  // the cause, for the log; may be nil
}

// Error is for logs.
func (p *Problem) Error() string {
	if p.Err != nil {
		return fmt.Sprintf("%s: %s: %v", p.Code, p.Detail, p.Err)
	}
	return p.Code + ": " + p.Detail
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

func problem(kind Kind, code, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// The sentences that existing clients know.
const (
	sentenceNoRequest     = "Airlock request does not exist"
	sentenceNoSettings    = "Workspace does not exist"
	sentenceWrongAudience = "Invalid token: it is for another application. Sign in for this workspace's own app registration, or for the airlock's API where the workspace has none."
	sentenceNotForAPI     = "Invalid token: it is for a workspace. Sign in for the airlock's API to see all workspaces."
	sentenceIllegal       = "Airlock request status change was illegal"
	sentenceDisabled      = "Airlock is not enabled in this workspace."
	sentenceLinkRole      = "User is unauthorized to access airlock request files in its current status."
	sentenceLinkBusy      = "Airlock request is being processed, please try again later."
	sentenceLinkGone      = "Airlock request was cancelled."
	sentenceLinkClosed    = "Airlock request is in invalid status: rejected, blocked or failed."
	sentenceGroups        = "Roles that you hold through a group do not count, because you are in too many groups for a token to list: ask a workspace owner to add you by yourself."
	sentenceLinkDeleted   = "The files were deleted at the end of their lifetime."
	sentenceStore         = "State Store endpoint is not responding"
)

// answer turns what a port failed with into a problem for the person who asked. Errors that are none of a person's
// business stay as they are.
func answer(err error, missing string) error {
	var p *Problem
	switch {
	case err == nil || errors.As(err, &p):
		return err
	case errors.Is(err, ErrNotFound):
		return &Problem{Missing, "not_found", missing, err}
	case errors.Is(err, ErrCursor):
		return &Problem{Invalid, "cursor", "The cursor does not belong to this list. Start again without one.", err}
	case errors.Is(err, ErrLost):
		return &Problem{Conflict, "lost_race", "Somebody else changed the request at the same moment. Look at it and try again.", err}
	case errors.Is(err, ErrTransient):
		return &Problem{Unavailable, "unavailable", sentenceStore, err}
	default:
		return err
	}
}
