package statemachine

import (
	"fmt"
	"strings"
)

// String writes the set as words joined by "or".
func (p Party) String() string {
	var names []string
	for _, n := range partyNames {
		if p&n.party != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " or ")
}

// String writes the rights as words, read first.
func (r Rights) String() string {
	var names []string
	for _, n := range []struct {
		right Rights
		name  string
	}{{Read, "read"}, {Write, "write"}, {List, "list"}, {Delete, "delete"}} {
		if r&n.right != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}

// String writes the owing in the words of the documentation.
func (o Owing) String() string {
	switch o.Kind {
	case KindOpen:
		return fmt.Sprintf("make the %s container", o.To)
	case KindGates:
		return "run the gates"
	case KindHash:
		return fmt.Sprintf("compute the SHA-256 of each file in %s", o.From)
	case KindVerify:
		return fmt.Sprintf("compute it again in %s, and compare", o.From)
	case KindErase:
		return fmt.Sprintf("delete %s", o.From)
	case KindForget:
		return "delete the request with its records"
	case KindHandBack:
		return fmt.Sprintf("move %s → the next round's %s", o.From, o.To)
	default:
		return fmt.Sprintf("%s %s → %s", o.Kind, o.From, o.To)
	}
}

// Mermaid draws how a request comes to its end as a Mermaid state diagram.
func Mermaid() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	for _, t := range life {
		from := string(t.From)
		if t.From == None {
			from = "[*]"
		}
		fmt.Fprintf(&b, "    %s --> %s: %s\n", from, t.To, t.Event)
	}
	for _, s := range statuses {
		if s.Turn == TurnNobody {
			fmt.Fprintf(&b, "    %s --> [*]\n", s.Status)
		}
	}
	return b.String()
}

// TransitionTable writes the table as Markdown: who may do what, under which conditions, and what follows.
func TransitionTable() string {
	var b strings.Builder
	b.WriteString("| from | event | to | who | only if | then the system owes |\n|---|---|---|---|---|---|\n")
	for _, t := range life {
		b.WriteString(line(dash(string(t.From)), string(t.To), t))
	}
	var kept []string // lines of rows that keep the status, each with all statuses that have it
	from := map[string][]Status{}
	for _, t := range transitions[len(life):] {
		rest := line("%s", "the same", t)
		if from[rest] == nil {
			kept = append(kept, rest)
		}
		from[rest] = append(from[rest], t.From)
	}
	for _, rest := range kept {
		b.WriteString(strings.Replace(rest, "%s", join(from[rest], ", "), 1))
	}
	return b.String()
}

// line is one line of the table of transitions.
func line(from, to string, t Transition) string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", from, t.Event, to, t.By,
		dash(join(t.Guards, ", ")), dash(join(t.Owes, "; ")))
}

// StatusTable writes what is true in each status as Markdown: whose turn it is, where the data is, and who gets which link.
func StatusTable() string {
	var b strings.Builder
	b.WriteString("| status | whose turn | data | link | meaning |\n|---|---|---|---|---|\n")
	for _, s := range statuses {
		var grants []string
		for _, g := range s.Links {
			grants = append(grants, fmt.Sprintf("%s: %s", g.To, g.Rights))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", s.Status, s.Turn, dash(string(s.Zone)),
			dash(strings.Join(grants, "; ")), s.Explanation)
	}
	return b.String()
}

// TellingTable writes who is told what as Markdown.
func TellingTable() string {
	var b strings.Builder
	b.WriteString("| status | what | who is told |\n|---|---|---|\n")
	for _, t := range tellings {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", t.Status, t.Occasion, join(t.To, ", "))
	}
	return b.String()
}

// TalkTable writes who says what about a request, and who is shown it, as Markdown.
func TalkTable() string {
	var b strings.Builder
	b.WriteString("| who | says | while it is | is shown what the requester's side says | what reviewers share | what reviewers keep private |\n|---|---|---|---|---|---|\n")
	for _, t := range talks {
		who := t.Who.String()
		if t.NotOwn {
			who += ", not on a request of their own"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", who, dash(join(t.Says, ", ")), dash(join(t.On, ", ")), t.Requester, t.Shared, t.Private)
	}
	return b.String()
}

// Matrix writes the whole law as status × event: the status that follows, "refused" for a person's event without a
// row, or "ignored" for a system's.
func Matrix() string {
	var b strings.Builder
	for _, from := range append([]StatusFacts{{Status: None}}, statuses...) {
		for _, e := range Events() {
			fmt.Fprintf(&b, "%-22s %-17s %s\n", dash(string(from.Status)), e, outcome(from.Status, e))
		}
	}
	return b.String()
}

func outcome(from Status, e Event) string {
	for _, t := range transitions {
		if t.From == from && t.Event == e {
			return fmt.Sprintf("-> %s by %s", t.To, t.By)
		}
	}
	if _, asked := e.ask(); asked {
		return "refused"
	}
	return "ignored"
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func join[T any](items []T, separator string) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = fmt.Sprint(item)
	}
	return strings.Join(words, separator)
}
