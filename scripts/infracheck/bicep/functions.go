package bicep

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"strings"
)

// What the functions about the place of a deployment say.
const (
	subscriptionID = "00000000-0000-0000-0000-000000000001"
	tenantID       = "00000000-0000-0000-0000-000000000002"
	region         = "westeurope"
)

// function works out a call. An argument that is unknown makes the result of a text function unknown.
func (f *frame) function(n *node, locals map[string]any) any {
	callee := n.children[0]
	if callee.kind == "member_expression" { // something that Azure is asked, such as account.listKeys()
		return Unknown(callee.last().text + "()")
	}
	var args []any
	for _, a := range arguments(n) {
		args = append(args, f.eval(a, locals))
	}
	name := callee.text
	if v, ok := f.place(name, args); ok {
		return v
	}
	switch name {
	case "loadJsonContent":
		return f.load(n.line, args[0].(string))
	case "guid", "uniqueString":
		return digest(name, f.all(n, args))
	case "subscriptionResourceId":
		return "/subscriptions/" + subscriptionID + "/providers/" + strings.Join(f.all(n, args), "/")
	case "resourceId":
		return f.resourceID(f.all(n, args))
	case "cidrSubnet":
		return f.subnet(n, args[0].(string), args[1].(int), args[2].(int))
	case "empty":
		return length(args[0]) == 0
	case "length":
		return length(args[0])
	case "union":
		return f.union(n, args)
	case "concat":
		all := []any{}
		for _, a := range args {
			all = append(all, a.([]any)...)
		}
		return all
	case "contains":
		return contains(args[0], args[1])
	case "items":
		all := []any{}
		object := args[0].(map[string]any)
		for _, k := range keys(object) {
			all = append(all, map[string]any{"key": k, "value": object[k]})
		}
		return all
	case "range":
		all := []any{}
		for i := range args[1].(int) {
			all = append(all, args[0].(int)+i)
		}
		return all
	}
	return f.textFunction(n, name, args)
}

// place answers the functions about where a deployment goes.
func (f *frame) place(name string, args []any) (any, bool) {
	switch name {
	case "resourceGroup":
		group := f.group
		if len(args) > 0 {
			group = args[len(args)-1].(string)
		}
		return map[string]any{"name": group, "location": region, "id": "/subscriptions/" + subscriptionID + "/resourceGroups/" + group}, true
	case "subscription":
		return map[string]any{"subscriptionId": subscriptionID, "tenantId": tenantID, "id": "/subscriptions/" + subscriptionID}, true
	case "tenant":
		return map[string]any{"tenantId": tenantID}, true
	case "environment":
		return map[string]any{
			"name":           "AzureCloud",
			"suffixes":       map[string]any{"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"},
			"authentication": map[string]any{"loginEndpoint": "https://login.microsoftonline.com/"},
		}, true
	}
	return nil, false
}

// resourceID is resourceId([group,] type, name...).
func (f *frame) resourceID(args []string) string {
	group := f.group
	if !strings.Contains(args[0], "/") {
		group, args = args[0], args[1:]
	}
	kinds := strings.Split(args[0], "/")
	id := "/subscriptions/" + subscriptionID + "/resourceGroups/" + group + "/providers/" + kinds[0]
	for i, name := range args[1:] {
		id += "/" + kinds[i+1] + "/" + name
	}
	return id
}

// subnet is the nth subnet with a prefix of so many bits.
func (f *frame) subnet(n *node, space string, bits, nth int) string {
	prefix, err := netip.ParsePrefix(space)
	if err != nil || !prefix.Addr().Is4() || bits < prefix.Bits() || nth >= 1<<(bits-prefix.Bits()) {
		f.fail(n.line, "%s has no subnet %d of %d bits", space, nth, bits)
	}
	address := binary.BigEndian.Uint32(prefix.Masked().Addr().AsSlice()) + uint32(nth)<<(32-bits)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, address))), bits).String()
}

func (f *frame) textFunction(n *node, name string, args []any) any {
	for _, a := range args {
		if u, unknown := a.(Unknown); unknown {
			return Unknown(fmt.Sprintf("%s(%s)", name, u))
		}
	}
	texts := f.all(n, args)
	switch name {
	case "toLower":
		return strings.ToLower(texts[0])
	case "replace":
		return strings.ReplaceAll(texts[0], texts[1], texts[2])
	case "string":
		return texts[0]
	case "take":
		return texts[0][:min(args[1].(int), len(texts[0]))]
	case "substring":
		start, size := args[1].(int), args[2].(int)
		if start < 0 || start+size > len(texts[0]) {
			f.fail(n.line, "substring outside %q", texts[0])
		}
		return texts[0][start : start+size]
	case "split":
		parts := []any{}
		for _, part := range strings.Split(texts[0], texts[1]) {
			parts = append(parts, part)
		}
		return parts
	case "join":
		var parts []string
		for _, item := range args[0].([]any) {
			parts = append(parts, f.render(n.line, item))
		}
		return strings.Join(parts, texts[1])
	}
	f.fail(n.line, "the function %s is not supported", name)
	return nil
}

// all renders arguments as texts. Lists have their own functions and become empty.
func (f *frame) all(n *node, args []any) []string {
	texts := make([]string, len(args))
	for i, a := range args {
		if _, list := a.([]any); !list {
			texts[i] = f.render(n.line, a)
		}
	}
	return texts
}

func digest(name string, parts []string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "-")))
	text := hex.EncodeToString(sum[:])
	if name == "uniqueString" {
		return text[:13]
	}
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:32]}, "-")
}

func length(value any) int {
	switch v := value.(type) {
	case string:
		return len(v)
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	case Unknown:
		return 1 // what will be there is not empty
	}
	return 0
}

func (f *frame) union(n *node, args []any) any {
	merged := map[string]any{}
	for _, a := range args {
		object, ok := a.(map[string]any)
		if !ok {
			f.fail(n.line, "union is supported for objects only")
		}
		maps.Copy(merged, object)
	}
	return merged
}

func contains(in, what any) bool {
	switch v := in.(type) {
	case string:
		return strings.Contains(v, what.(string))
	case map[string]any:
		_, ok := v[what.(string)]
		return ok
	case []any:
		for _, item := range v {
			if item == what {
				return true
			}
		}
	}
	return false
}
