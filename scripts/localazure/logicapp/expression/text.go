package expression

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Azure: length(), substring() and indexOf() count UTF-16 units; here they count Unicode code points, which differ only
// outside the basic plane, where cutting a pair in two would make no text at all.
var textFunctions = map[string]function{
	"concat":             {arity{1, -1}, concat},
	"string":             {arity{1, 1}, func(a []any) (any, error) { return Text(a[0]) }},
	"replace":            {arity{3, 3}, replace},
	"tolower":            {arity{1, 1}, onText(strings.ToLower)},
	"toupper":            {arity{1, 1}, onText(strings.ToUpper)},
	"trim":               {arity{1, 1}, onText(strings.TrimSpace)},
	"substring":          {arity{2, 3}, substring},
	"indexof":            {arity{2, 2}, indexOf},
	"startswith":         {arity{2, 2}, onTexts(func(s, t string) any { return strings.HasPrefix(strings.ToLower(s), strings.ToLower(t)) })},
	"endswith":           {arity{2, 2}, onTexts(func(s, t string) any { return strings.HasSuffix(strings.ToLower(s), strings.ToLower(t)) })},
	"split":              {arity{2, 2}, split},
	"base64":             {arity{1, 1}, onText(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
	"base64tostring":     {arity{1, 1}, base64ToString},
	"uricomponent":       {arity{1, 1}, onText(uriComponent)},
	"encodeuricomponent": {arity{1, 1}, onText(uriComponent)},
	"decodeuricomponent": {arity{1, 1}, decodeURIComponent},
}

func onText(f func(string) string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		s, err := stringArg(args, 0)
		if err != nil {
			return nil, err
		}
		return f(s), nil
	}
}

func onTexts(f func(s, t string) any) func([]any) (any, error) {
	return func(args []any) (any, error) {
		texts, err := stringArgs(args)
		if err != nil {
			return nil, err
		}
		return f(texts[0], texts[1]), nil
	}
}

func concat(args []any) (any, error) {
	var b strings.Builder
	for _, a := range args {
		s, err := Text(a)
		if err != nil {
			return nil, err
		}
		if b.Len()+len(s) > maxText {
			return nil, errTooLong
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func replace(args []any) (any, error) {
	t, err := stringArgs(args)
	if err != nil {
		return nil, err
	}
	if t[1] == "" {
		return nil, errors.New("argument 2 must not be empty")
	}
	if len(t[0])+strings.Count(t[0], t[1])*len(t[2]) > maxText {
		return nil, errTooLong
	}
	return strings.ReplaceAll(t[0], t[1], t[2]), nil
}

func substring(args []any) (any, error) {
	s, err := stringArg(args, 0)
	if err != nil {
		return nil, err
	}
	runes := []rune(s)
	from, err := intArg(args, 1)
	if err != nil {
		return nil, err
	}
	if from < 0 || from > int64(len(runes)) {
		return nil, fmt.Errorf("argument 2 is %d; the string has %d characters", from, len(runes))
	}
	runes = runes[from:]
	if len(args) < 3 {
		return string(runes), nil
	}
	n, err := intArg(args, 2)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > int64(len(runes)) {
		return nil, fmt.Errorf("argument 3 is %d; %d characters are left", n, len(runes))
	}
	return string(runes[:n]), nil
}

// indexOf ignores case. Azure: indexOf, startsWith and endsWith are not case-sensitive.
func indexOf(args []any) (any, error) {
	t, err := stringArgs(args)
	if err != nil {
		return nil, err
	}
	s := strings.ToLower(t[0])
	at := strings.Index(s, strings.ToLower(t[1]))
	if at < 0 {
		return int64(-1), nil
	}
	return int64(len([]rune(s[:at]))), nil
}

func split(args []any) (any, error) {
	t, err := stringArgs(args)
	if err != nil {
		return nil, err
	}
	if t[1] == "" {
		return nil, errors.New("argument 2 must not be empty")
	}
	parts := []any{}
	for _, p := range strings.Split(t[0], t[1]) {
		parts = append(parts, p)
	}
	return parts, nil
}

func base64ToString(args []any) (any, error) {
	s, err := stringArg(args, 0)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("the text is not base64")
	}
	return string(b), nil
}

// uriComponent escapes everything but letters, digits, "-", "_", "." and "~".
func uriComponent(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func decodeURIComponent(args []any) (any, error) {
	s, err := stringArg(args, 0)
	if err != nil {
		return nil, err
	}
	out, err := url.PathUnescape(s)
	if err != nil {
		return nil, errors.New("the text has a wrong %-escape")
	}
	return out, nil
}
