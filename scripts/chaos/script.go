package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"airlock/scripts/localazure/defender"
)

// script is what somebody wants to happen to a request.
type script struct {
	name   string
	weight int // how common it is
	end    string
	// What they do on the way. Without any of it the request is reviewed as decision says.
	decision  string
	returned  bool   // for changes first
	cancelled string // when it has this status
	revoked   bool   // once it is approved
	abandoned bool   // the draft is left as it is
	infected  bool   // one file holds the EICAR test string
	silenced  bool   // the scanner keeps silent about one file until the request has failed
}

// scripts are the lives that requests have.
func scripts() []script {
	return []script{
		{name: "approved", weight: 26, end: "approved", decision: "approved"},
		{name: "rejected", weight: 12, end: "rejected", decision: "rejected"},
		{name: "returned, then approved", weight: 14, end: "approved", decision: "approved", returned: true},
		{name: "returned, then rejected", weight: 4, end: "rejected", decision: "rejected", returned: true},
		{name: "approved, then revoked", weight: 12, end: "revoked", decision: "approved", revoked: true},
		{name: "cancelled from draft", weight: 6, end: "cancelled", cancelled: "draft"},
		{name: "cancelled from review", weight: 8, end: "cancelled", cancelled: "in_review"},
		{name: "blocked by the scan", weight: 8, end: "blocked_by_scan", infected: true},
		{name: "failed, retried, approved", weight: 5, end: "approved", decision: "approved", silenced: true},
		{name: "left as a draft", weight: 5, end: "draft", abandoned: true},
	}
}

// role is one request's part in the play: all that chance decides about it.
type role struct {
	script
	index     int
	requester string
	direction string
	workspace int
	seed      uint64
	names     []string
}

// cast gives request number index its role. The same seed gives the same roles.
func cast(seed uint64, index int) role {
	chance := rand.New(rand.NewPCG(seed, uint64(index)))
	r := role{index: index, script: drawn(chance), seed: chance.Uint64()}
	r.requester = []string{"ada", "ben", "olga"}[chance.IntN(3)]
	r.direction = []string{"import", "export"}[chance.IntN(2)]
	if !r.infected && !r.silenced && chance.IntN(4) == 0 {
		r.workspace = 1 // where nothing is scanned
	}
	names := awkward()
	chance.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	r.names = slices.Clone(names[:1+chance.IntN(5)])
	if r.silenced {
		r.names[0] = r.silentName()
	}
	return r
}

func drawn(chance *rand.Rand) script {
	all := scripts()
	total := 0
	for _, s := range all {
		total += s.weight
	}
	at := chance.IntN(total)
	for _, s := range all {
		if at -= s.weight; at < 0 {
			return s
		}
	}
	return all[0] // at is below the total, so this is never reached
}

// silentName is a name that no other request has, for the scanner to be silent about.
func (r role) silentName() string { return fmt.Sprintf("silent/%d.csv", r.index) }

func (r role) title() string { return fmt.Sprintf("%d: %s", r.index, r.name) }

// awkward are names that are allowed and that something on the way could get wrong.
func awkward() []string {
	return []string{
		"plain.csv", "with space.csv", " leading space", "hash#tag.csv", "100%.csv", "a+b=c&d.csv", "a+b c.csv", "sub/folder/deep/file.csv",
		"sub folder/größe ä ö.csv", "данные.csv", "数据/结果 1.csv", "بيانات.csv", "50%20off.csv", "%2e%2e%2fup.csv", "quote'\"?.csv",
		"=cmd|calc.csv", "-rf", "..hidden", "blobs/containers/blobs/x", "a&sig=b?sv=c.csv", "{brace}.csv", "semi;colon,comma.csv", "emoji 🧬.txt",
		"e\u0301 decomposed.csv", "UPPER.CSV", "upper.csv", "<tag>&amp;.xml", "con.txt", strings.Repeat("long ", 30) + "name.csv",
	}
}

// file is a file with its content.
type file struct {
	name    string
	content []byte
}

// files makes the files of a version: 1 as first submitted, 2 with the changes that were asked for in the first of them.
func (r role) files(version int) []file {
	all := make([]file, len(r.names))
	for i, name := range r.names {
		stream := uint64(i)
		if i == 0 && version > 1 {
			stream = 1000
		}
		chance := rand.New(rand.NewPCG(r.seed, stream))
		content := make([]byte, chance.IntN(1<<(4+chance.IntN(13)))) // mostly small, up to 64 KiB, now and then empty
		for j := range content {
			content[j] = byte(chance.Uint32())
		}
		if i == 0 && r.infected {
			content = defender.EICAR()
		}
		all[i] = file{name, content}
	}
	return all
}

// sums are the SHA-256 of the files of a version by name.
func (r role) sums(version int) map[string]string {
	sums := map[string]string{}
	for _, f := range r.files(version) {
		sum := sha256.Sum256(f.content)
		sums[f.name] = hex.EncodeToString(sum[:])
	}
	return sums
}

// version is that of the files which the request ends with.
func (r role) version() int {
	if r.returned {
		return 2
	}
	return 1
}
