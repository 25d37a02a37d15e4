package statemachine

// Kind is the kind of a task.
type Kind string

// The kinds of owed work. They are stored: a value is never reused for something else.
const (
	KindOpen     Kind = "open"      // make the container at To
	KindSeal     Kind = "seal"      // move the files of the manifest from From to To, where nobody can change them
	KindGates    Kind = "gates"     // wait for the verdict of every required gate
	KindHash     Kind = "hash"      // compute the SHA-256 of every sealed file at From, unless it is known
	KindVerify   Kind = "verify"    // compute that of what has arrived at From, and compare
	KindMove     Kind = "move"      // move the sealed files from From to To and compare what arrived
	KindHandBack Kind = "hand_back" // move whatever is at From to To, for the requester to change
	KindErase    Kind = "erase"     // delete the container at From
	KindForget   Kind = "forget"    // delete the request with all its records
)

// Owing is a task as a row of the table has it: without a round.
type Owing struct {
	Kind     Kind
	From, To Zone
}

// Spot is a zone in a round of one request: the place of one container. Rounds count from 1.
type Spot struct {
	Zone  Zone `json:"zone"`
	Round int  `json:"round"`
}

// Task is one piece of owed work of one request.
type Task struct {
	Kind Kind `json:"kind"`
	From Spot `json:"from,omitzero"`
	To   Spot `json:"to,omitzero"`
}

// Moves reports whether the task moves data.
func (t Task) Moves() bool {
	return t.Kind == KindSeal || t.Kind == KindMove || t.Kind == KindHandBack
}

// Alongside reports whether what is owed after the task can be done while it waits.
func (t Task) Alongside() bool { return t.Kind == KindGates }

// Moving reports whether any of the tasks moves data. While it does, a request gives out no link and takes no submission.
func Moving(owed []Task) bool {
	for _, t := range owed {
		if t.Moves() {
			return true
		}
	}
	return false
}

// Forgetting reports whether one of the tasks is to delete the request itself: for people it is gone then.
func Forgetting(owed []Task) bool {
	for _, t := range owed {
		if t.Kind == KindForget {
			return true
		}
	}
	return false
}

// Plan says what the system owes after the transition, and the round that the request is then in.
// Round is the request's round before it, owed what it owed before it.
//
// Where the status stays, everything that was owed still is. Containers that were to be deleted still are. A move that is cut
// short keeps its data where the next status has data at all (so that a retry finds it), and loses both ends where it has
// none. A file that is handed back goes to the intake of the next round, so that every link of an earlier round stays dead.
func Plan(t Transition, round int, owed []Task) (next []Task, nextRound int) {
	nextRound = max(round, 1)
	to, _ := Of(t.To)
	erased := map[Spot]bool{}
	eraseOnce := func(s Spot) {
		if !erased[s] {
			erased[s] = true
			next = append(next, Task{Kind: KindErase, From: s})
		}
	}
	for _, o := range owed {
		switch {
		case t.Keeps() && o.Kind != KindErase:
			next = append(next, o)
		case o.Kind == KindErase && !t.reads(o.From, nextRound):
			eraseOnce(o.From)
		case o.Moves() && to.Zone == Nowhere:
			eraseOnce(o.From)
			eraseOnce(o.To)
		}
	}
	for _, o := range t.Owes {
		from := Spot{o.From, nextRound}
		switch o.Kind {
		case KindErase:
			eraseOnce(from)
		case KindOpen:
			next = append(next, Task{Kind: o.Kind, To: Spot{o.To, nextRound}})
		case KindGates, KindHash, KindVerify:
			next = append(next, Task{Kind: o.Kind, From: from})
		case KindForget:
			next = append(next, Task{Kind: o.Kind})
		case KindHandBack:
			next = append(next, Task{Kind: o.Kind, From: from, To: Spot{o.To, nextRound + 1}})
		default:
			next = append(next, Task{Kind: o.Kind, From: from, To: Spot{o.To, nextRound}})
		}
	}
	for _, o := range t.Owes {
		if o.Kind == KindHandBack {
			nextRound++
			break
		}
	}
	return next, nextRound
}

// reads reports whether the transition owes a move out of the spot, which then must not be deleted before it.
func (t Transition) reads(s Spot, round int) bool {
	for _, o := range t.Owes {
		if o.Kind != KindErase && o.From == s.Zone && s.Round == round {
			return true
		}
	}
	return false
}

func open(to Zone) Owing       { return Owing{Kind: KindOpen, To: to} }
func seal(from, to Zone) Owing { return Owing{Kind: KindSeal, From: from, To: to} }
func runGates() Owing          { return Owing{Kind: KindGates, From: Holding} }
func hash(zone Zone) Owing     { return Owing{Kind: KindHash, From: zone} }
func verify(zone Zone) Owing   { return Owing{Kind: KindVerify, From: zone} }
func move(from, to Zone) Owing { return Owing{Kind: KindMove, From: from, To: to} }
func handBack(from Zone) Owing { return Owing{Kind: KindHandBack, From: from, To: Intake} }
func erase(zone Zone) Owing    { return Owing{Kind: KindErase, From: zone} }
func forget() Owing            { return Owing{Kind: KindForget} }
