package defender

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// process deals with one blob from its event to its result.
func (s *Scanner) process(blob Blob, behavior Behavior) {
	log := s.options.Log.With().Str("account", blob.Account).Str("container", blob.Container).Str("etag", blob.ETag).Logger()
	log.Debug().Str("blob", blob.Name).Msg("scan")
	if !s.wait(behavior.Delay) {
		return
	}
	if behavior.Silent {
		s.count(func(c *Stats) { c.Silenced++ })
		log.Info().Msg("scan kept silent")
		return
	}
	select {
	case s.workers <- struct{}{}:
		defer func() { <-s.workers }()
	case <-s.ctx.Done():
		return
	}
	v := s.judge(blob, behavior)
	if s.ctx.Err() != nil { // closed half way: what was found may be half of it
		return
	}
	s.count(func(c *Stats) {
		switch v.result {
		case Clean:
			c.Clean++
		case Malicious:
			c.Malicious++
		default:
			c.NotScanned++
		}
	})
	log.Info().Str("result", string(v.result)).Str("code", v.code).Msg("scan ended")
	err := s.tell(blob, v, behavior)
	if err != nil {
		s.count(func(c *Stats) { c.Faults++ })
		log.Error().Msg("scan result could not be told")
		log.Debug().Err(err).Msg("scan result could not be told") // an error of storage has the blob's name in it
	}
}

// wait lasts as long as the behavior says and tells whether the scanner is still open.
func (s *Scanner) wait(delay time.Duration) bool {
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.ctx.Done():
		}
	}
	return s.ctx.Err() == nil
}

func (s *Scanner) count(add func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add(&s.stats)
}

// judge scans a blob, as far as the behavior lets it.
func (s *Scanner) judge(blob Blob, behavior Behavior) verdict {
	if behavior.NotScanned != "" {
		return verdict{result: NotScanned, code: behavior.NotScanned}
	}
	v := s.scan(blob)
	if behavior.Claim != "" {
		v.result = behavior.Claim
		if v.result == NotScanned && v.code == "" {
			v.code = codeInternal
		}
	}
	return v
}

// scan reads a blob to its end.
func (s *Scanner) scan(blob Blob) verdict {
	body, etag, err := s.options.Blobs.Open(s.ctx, blob.Account, blob.Container, blob.Name)
	if isNotFound(err) {
		return verdict{result: NotScanned, code: codeNotFound}
	}
	if err != nil {
		s.options.Log.Debug().Err(err).Msg("scan could not open the blob")
		return verdict{result: NotScanned, code: codeInternal}
	}
	defer body.Close()
	if unquoted(string(etag)) != blob.ETag {
		return verdict{result: NotScanned, code: codeETag}
	}
	v, err := inspect(body, limits{archive: s.options.MaxArchive, unpacked: s.options.MaxUnpacked})
	if err != nil {
		s.options.Log.Debug().Err(err).Msg("scan could not read the blob")
		return verdict{result: NotScanned, code: codeInternal}
	}
	return v
}

func isNotFound(err error) bool {
	var response *azcore.ResponseError
	return errors.As(err, &response) && response.StatusCode == http.StatusNotFound
}

// tell writes the tags and then publishes the event, so that whoever gets the event finds the tags. A fault in one does not
// keep the other back.
func (s *Scanner) tell(blob Blob, v verdict, behavior Behavior) error {
	finished := s.options.Now()
	var faults []error
	if !behavior.NoTags {
		faults = append(faults, s.writeTags(s.ctx, blob, v, finished))
	}
	if !behavior.NoEvent {
		raw, err := s.encode(blob, v, finished)
		if err == nil {
			err = s.options.Publish(s.ctx, raw)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("publish: %w", err))
		}
	}
	return errors.Join(faults...)
}

// writeTags keeps the blob's other tags. A blob that has gone needs none.
func (s *Scanner) writeTags(ctx context.Context, blob Blob, v verdict, finished time.Time) error {
	tags, err := s.options.Blobs.Tags(ctx, blob.Account, blob.Container, blob.Name)
	if err == nil {
		err = s.options.Blobs.SetTags(ctx, blob.Account, blob.Container, blob.Name, tagged(tags, v, finished))
	}
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("tag: %w", err)
	}
	return nil
}
