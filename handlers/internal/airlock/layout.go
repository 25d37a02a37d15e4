package airlock

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"airlock/statemachine"
)

// Locate says where the containers of one direction and zone are: templates with the placeholders {tre} (the TRE's
// id), {ws} (the workspace's suffix), {id} (the request) and {round} (nothing in the first round, then "-2" and so on).
type Locate struct {
	Account   string `json:"account"`
	Container string `json:"container"`
}

// Layout maps every direction and zone to templates. It is data: where files are is decided nowhere else.
type Layout map[string]Locate

// LayoutKey is how a layout, or an override of one, names a direction and a zone.
func LayoutKey(d Direction, z statemachine.Zone) string { return string(d) + "/" + string(z) }

// DefaultLayout is one account for each direction and zone, with the names that existing deployments have.
func DefaultLayout() Layout {
	return Layout{
		"import/intake":     {"stalimex{tre}", "{id}{round}"},
		"import/holding":    {"stalimip{tre}", "{id}{round}"},
		"import/released":   {"stalimappws{ws}", "{id}{round}"},
		"import/refused":    {"stalimrej{tre}", "{id}{round}"},
		"import/quarantine": {"stalimblocked{tre}", "{id}{round}"},
		"export/intake":     {"stalexintws{ws}", "{id}{round}"},
		"export/holding":    {"stalexipws{ws}", "{id}{round}"},
		"export/released":   {"stalexapp{tre}", "{id}{round}"},
		"export/refused":    {"stalexrejws{ws}", "{id}{round}"},
		"export/quarantine": {"stalexblockedws{ws}", "{id}{round}"},
	}
}

// CompactLayout is one account for the TRE and one for the workspace, with the zone in the container's name.
func CompactLayout() Layout {
	l := Layout{}
	for key := range DefaultLayout() {
		_, zone, _ := strings.Cut(key, "/")
		account := "stal{tre}"
		if strings.Contains(DefaultLayout()[key].Account, "{ws}") {
			account = "stalws{ws}"
		}
		l[key] = Locate{account, "{id}-" + zone + "{round}"}
	}
	return l
}

// With returns the layout with a workspace's overrides.
func (l Layout) With(overrides map[string]Locate) Layout {
	if len(overrides) == 0 {
		return l
	}
	merged := Layout{}
	for k, v := range l {
		merged[k] = v
	}
	for k, v := range overrides {
		merged[k] = v
	}
	return merged
}

// Place returns the container of a spot. tre and suffix are used without hyphens and in lower case, as account names
// must be (Azure: 3 to 24 lower-case letters and digits).
func (l Layout) Place(d Direction, tre, suffix, request string, s statemachine.Spot) (Place, error) {
	at, ok := l[LayoutKey(d, s.Zone)]
	if !ok {
		return Place{}, fmt.Errorf("the layout has no place for %s", LayoutKey(d, s.Zone))
	}
	round := ""
	if s.Round > 1 {
		round = "-" + strconv.Itoa(s.Round)
	}
	fill := func(template string) string {
		var room [longestContainer]byte
		name := room[:0]
		for {
			before, rest, found := strings.Cut(template, "{")
			name = append(name, before...)
			if !found {
				return string(name)
			}
			placeholder, after, _ := strings.Cut(rest, "}")
			switch placeholder {
			case "tre":
				name = append(name, AccountPart(tre)...)
			case "ws":
				name = append(name, AccountPart(suffix)...)
			case "id":
				name = append(name, request...)
			case "round":
				name = append(name, round...)
			default:
				name, after = append(name, '{'), rest
			}
			template = after
		}
	}
	return Place{Account: fill(at.Account), Container: fill(at.Container)}, nil
}

// AccountPart is a name as it can stand in that of a storage account.
func AccountPart(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(name, "-", ""), "_", ""))
}

// idPattern finds a request's id in a container's name.
var idPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// RequestID returns the id of the request that a container's name holds; empty when it holds none. Whether the
// container really is one of that request, and which, Spot decides from the stored request.
func RequestID(container string) string { return idPattern.FindString(container) }

// Spot is the inverse of Place for one request: which of its zones and rounds the container is. ok is false when it is
// none of them.
func (l Layout) Spot(d Direction, tre, suffix, request string, rounds int, p Place) (s statemachine.Spot, ok bool) {
	for _, zone := range []statemachine.Zone{statemachine.Intake, statemachine.Holding, statemachine.Released,
		statemachine.Refused, statemachine.Quarantine} {
		for round := 1; round <= rounds; round++ {
			spot := statemachine.Spot{Zone: zone, Round: round}
			if place, err := l.Place(d, tre, suffix, request, spot); err == nil && place == p {
				return spot, true
			}
		}
	}
	return statemachine.Spot{}, false
}

// Templates of an override. The last part of a container's name before the round is no number, so that no name in its
// first round is another's in a later one.
var (
	accountTemplate   = regexp.MustCompile(`^[a-z0-9]*(\{(tre|ws)\}[a-z0-9]*)*$`)
	containerTemplate = regexp.MustCompile(`^([a-z0-9]+-)*\{id\}((-[a-z0-9]+)*-[0-9]*[a-z][a-z0-9]*)?\{round\}$`)
)

// What Azure allows: names of accounts have 3 to 24 letters and digits, those of containers up to 63 characters.
const (
	shortestAccount  = 3
	longestAccount   = 24
	longestContainer = 63
	highestRound     = 999 // that a container's name has room for
)

// checkLayout refuses overrides that Azure would refuse, and any that puts two zones of a request into one container: what
// is reviewed could be written to there, and be deleted with what a move has left behind.
func (next Settings) checkLayout(layout Layout, tre string, wrong func(field, format string, args ...any)) {
	for _, key := range slices.Sorted(maps.Keys(next.Layout)) {
		at := next.Layout[key]
		if _, ok := layout[key]; !ok {
			wrong("layout", "%q is not a direction and a zone.", key)
		}
		if !accountTemplate.MatchString(at.Account) {
			wrong("layout", "%q is not a template for an account: use lower-case letters, digits, {tre} and {ws}.", at.Account)
		}
		if !containerTemplate.MatchString(at.Container) {
			wrong("layout", "%q is not a template for a container: it needs {id}, and ends in {round} with no number before it.", at.Container)
		}
	}
	if len(next.Layout) == 0 {
		return // the layout of the TRE and the bounds of its id and of suffixes fit each other
	}
	merged, taken := layout.With(next.Layout), map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		direction, zone, _ := strings.Cut(key, "/")
		const id = "00000000-0000-0000-0000-000000000000"
		p, err := merged.Place(Direction(direction), tre, next.Suffix, id, statemachine.Spot{Zone: statemachine.Zone(zone), Round: highestRound})
		if err != nil {
			continue
		}
		if n := len(p.Account); n < shortestAccount || n > longestAccount {
			wrong("layout", "The account of %s is %q: Azure takes names of %d to %d characters.", key, p.Account, shortestAccount, longestAccount)
		}
		if len(p.Container) > longestContainer {
			wrong("layout", "A container of %s is named like %q: Azure takes at most %d characters.", key, p.Container, longestContainer)
		}
		place := direction + " " + p.Account + "/" + p.Container
		if other, ok := taken[place]; ok {
			wrong("layout", "%s and %s are the same place: every zone needs a container of its own.", other, key)
		}
		taken[place] = key
	}
}
