package airlock

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"airlock/statemachine"
)

// sealed: the request tells of the same files as its manifest.
func (k *check) sealed() {
	if z := k.r.Zone(); z == statemachine.Intake || z == statemachine.Nowhere {
		return
	}
	total := int64(0)
	for _, f := range k.manifest.Files {
		total += f.Size
	}
	if len(k.manifest.Files) == 0 {
		k.broken(RuleManifest, "it is %s with no files", k.r.Status)
	}
	if k.r.FileCount != len(k.manifest.Files) || k.r.TotalBytes != total || !slices.Equal(k.r.Files, summary(k.manifest.Files)) {
		k.broken(RuleManifest, "it tells of %d files with %d bytes; the manifest has %d with %d", k.r.FileCount, k.r.TotalBytes, len(k.manifest.Files), total)
	}
	if k.trail.cleared && (!k.manifest.Hashed() || k.r.ManifestDigest != k.trail.digest) {
		k.broken(RuleManifest, "the SHA-256 of a file of round %d is not known, or the request tells of another digest than its trail", k.r.Round)
	}
	if at := k.trail; (at.cleared || at.blocked) && at.digest != k.manifest.Digest() {
		k.broken(RuleManifest, "the manifest of round %d is not the one that the gates decided about", k.r.Round)
	}
}

// data: every container of the request, in every zone and round, is one that its state has a use for; where it rests,
// its data is there, as it was sealed.
func (k *check) data(ctx context.Context) error {
	may, must := k.spots()
	for _, zone := range zones() {
		for round := 1; round <= k.r.Round; round++ {
			spot := statemachine.Spot{Zone: zone, Round: round}
			blobs, ok, err := k.list(ctx, spot)
			switch {
			case err != nil:
				return err
			case ok && !may[spot]:
				k.broken(RuleZone, "it is %s, and there is a container with %d files in %s of round %d", k.r.Status, len(blobs), zone, round)
			case !ok && must[spot]:
				k.broken(RuleZone, "it is %s, and there is no container in %s of round %d", k.r.Status, zone, round)
			case ok && must[spot] && k.r.Status != statemachine.Failed && zone != statemachine.Intake:
				k.files(blobs, zone)
			}
		}
	}
	return nil
}

// spots says where the request may have a container, and where it must have one.
func (k *check) spots() (may, must map[statemachine.Spot]bool) {
	may, must = map[statemachine.Spot]bool{}, map[statemachine.Spot]bool{}
	r := k.r
	status, _ := statemachine.Of(r.Status)
	use := func(zone statemachine.Zone) {
		if zone != statemachine.Nowhere {
			may[statemachine.Spot{Zone: zone, Round: r.Round}] = true
		}
	}
	use(r.Zone())
	for _, spot := range r.Gone { // a worker that came late may have made it again
		may[spot] = true
	}
	made := true // what the status names is complete
	for _, t := range r.Owed {
		may[t.From], may[t.To] = true, true
		made = made && t.Kind != statemachine.KindOpen && !t.Moves()
	}
	for _, t := range k.rows {
		// Between two statuses, and after a failure, both ends of the move are in use.
		moving := !status.Rests() && (t.To == r.Status || t.From == r.Status)
		failed := r.Status == statemachine.Failed && t.From == statemachine.Failed && t.To == r.FailedIn
		for i, o := range t.Owes {
			if moving || failed {
				use(o.From)
				use(o.To)
			}
			if failed && i == 0 {
				must[statemachine.Spot{Zone: o.From, Round: r.Round}] = true
			}
		}
	}
	if status.Rests() && made && r.Status != statemachine.Failed && r.Zone() != statemachine.Nowhere {
		must[r.Spot()] = true
	}
	return may, must
}

// list reads a container of the request; ok is false when there is none.
func (k *check) list(ctx context.Context, spot statemachine.Spot) (blobs []Blob, ok bool, err error) {
	place, err := k.Layout.With(k.settings.Layout).Place(k.r.Type, k.TRE, k.settings.Suffix, k.r.ID, spot)
	if err != nil {
		return nil, false, err
	}
	for b, err := range k.Zones.List(ctx, place) {
		if errors.Is(err, ErrNotFound) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("list: %w", err)
		}
		blobs = append(blobs, b)
	}
	return blobs, true, nil
}

// files: what is there is what was sealed, and nothing else. The metadata of each copy names the bytes that it came from.
func (k *check) files(blobs []Blob, zone statemachine.Zone) {
	if len(blobs) != len(k.manifest.Files) {
		k.broken(RuleManifest, "%d files in %s, and %d in the manifest", len(blobs), zone, len(k.manifest.Files))
	}
	for i, f := range k.manifest.Files {
		at := slices.IndexFunc(blobs, func(b Blob) bool { return b.Name == f.Name })
		if at < 0 {
			k.broken(RuleManifest, "file %d is not in %s", i+1, zone)
			continue
		}
		b, origin := blobs[at], f.SealedETag
		if zone == statemachine.Holding {
			origin = f.SubmittedETag
			if b.ETag != f.SealedETag {
				k.broken(RuleManifest, "file %d in %s is not as it was sealed", i+1, zone)
			}
		}
		if zone == statemachine.Released && f.ReleasedETag != "" && b.ETag != f.ReleasedETag {
			k.broken(RuleManifest, "file %d in %s is not the one that was read again", i+1, zone)
		}
		if b.Copy != CopySuccess || !isCopyOf(f, origin)(b) {
			k.broken(RuleManifest, "file %d in %s is not a complete copy of what was sealed (copy %q)", i+1, zone, b.Copy)
		}
	}
}
