package funchost

import (
	"fmt"
	"strings"
)

// settings are the app settings, as NAME=value. Names are compared without case, as .NET configuration does;
// of two settings with one name the later counts.
type settings []string

// lookup returns a setting and whether it is there.
func (s settings) lookup(name string) (string, bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(s[i], "="); ok && strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

// expand replaces every %NAME% by the setting of that name. A name without a setting is an error, as it is
// for the real host; a lone percent sign is kept.
func (s settings) expand(text string) (string, error) {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "%")
		out.WriteString(before)
		if !ok {
			return out.String(), nil
		}
		name, after, ok := strings.Cut(rest, "%")
		if !ok {
			out.WriteString("%" + rest)
			return out.String(), nil
		}
		value, found := s.lookup(name)
		if !found || value == "" {
			return "", fmt.Errorf("%%%s%% does not resolve: there is no app setting %s", name, name)
		}
		out.WriteString(value)
		text = after
	}
}

// serviceBus returns the connection string behind a binding's connection prefix.
// The real host looks for AzureWebJobs<prefix> first, and takes an identity instead of a connection string
// where <prefix>__fullyQualifiedNamespace is set; a local broker knows no identities.
func (s settings) serviceBus(prefix string) (string, error) {
	for _, name := range []string{"AzureWebJobs" + prefix, prefix} {
		if v, ok := s.lookup(name); ok && v != "" {
			return v, nil
		}
	}
	if _, ok := s.lookup(prefix + "__fullyQualifiedNamespace"); ok {
		return "", fmt.Errorf("connection %s is identity based (%s__fullyQualifiedNamespace), here it must be a connection string in %s", prefix, prefix, prefix)
	}
	return "", fmt.Errorf("connection %s has no app setting %s with a connection string", prefix, prefix)
}
