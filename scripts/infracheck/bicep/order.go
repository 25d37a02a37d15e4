package bicep

import (
	"slices"
	"strings"
)

// call stands between a file and the module calls that led on from there.
const call = " > "

// Follows reports whether a resource is deployed after another: because it uses it, through other names or modules too. To
// name what somebody else deploys ("existing") is not to use it.
func (d *Deployment) Follows(later, earlier *Resource) bool {
	file, at, than := common(later, earlier)
	seen := map[string]bool{}
	var reaches func(string) bool
	reaches = func(name string) bool {
		if name == than {
			return true
		}
		seen[name] = true
		return slices.ContainsFunc(d.uses[file][name], func(next string) bool { return !seen[next] && reaches(next) })
	}
	return at != than && reaches(at)
}

// common returns the innermost file whose declarations led to both resources, and the names of the two declarations.
func common(a, b *Resource) (file, nameA, nameB string) {
	pathA, pathB := append(strings.Split(a.File, call), a.symbol), append(strings.Split(b.File, call), b.symbol)
	i := 0
	for i < len(pathA)-2 && i < len(pathB)-2 && pathA[i+1] == pathB[i+1] {
		i++
	}
	return strings.Join(pathA[:i+1], call), pathA[i+1], pathB[i+1]
}
