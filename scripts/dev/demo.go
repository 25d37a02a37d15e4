package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"airlock/scripts/localazure"
	"airlock/scripts/localazure/defender"
)

// demoScanDeadline is how long the scanner may be silent in the demo. Reading a large file takes its time.
const demoScanDeadline = 5 * time.Second

// forDemo sets what the demo needs: a scanner's deadline that people can wait for, which it returns, and no sweep, so
// that whatever happens, happens because of events.
func forDemo(o *localazure.Options, file string) (deadline time.Duration, err error) {
	deadline = demoScanDeadline
	if file != "" {
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		if !info.Mode().IsRegular() {
			return 0, fmt.Errorf("%s is not a file", file)
		}
		deadline += readTime(info.Size())
	}
	o.Sweep = -1
	o.Settings["AIRLOCK_SCAN_DEADLINE"] = deadline.String()
	return deadline, nil
}

// readTime is how long a slow disk takes to read so many bytes.
func readTime(size int64) time.Duration {
	const perSecond = 32 << 20
	return time.Duration(size/perSecond) * time.Second
}

// scenario is one life of a request.
type scenario struct {
	name string
	play func(context.Context, *player) error
}

func scenarios(file string) []scenario {
	return []scenario{
		{"import approved", func(ctx context.Context, p *player) error { return importApproved(ctx, p, file) }},
		{"export approved", exportApproved},
		{"rejected", rejected},
		{"blocked: the file holds the EICAR test string", blocked},
		{"returned for changes, changed, resubmitted, approved", returned},
		{"cancelled from draft", cancelledDraft},
		{"cancelled from review", cancelledReview},
		{"approved, then revoked: the old link answers 404", revoked},
		{"failed (the scanner is silent), retried, approved", silent},
		{"twelve files at once, with names that hurt", twelve},
		{"scanning switched off", unscanned},
	}
}

// playAll plays every scenario and fails unless all end as told. One of them waits for the scanner's deadline to pass.
func playAll(ctx context.Context, azure *localazure.Azure, heard *ear, file string, deadline time.Duration, out io.Writer) error {
	began := time.Now()
	var failures []error
	all := scenarios(file)
	for i, s := range all {
		fmt.Fprintf(out, "\n%d. %s\n", i+1, s.name)
		p := &player{azure: azure, workspace: azure.Workspaces[0], out: out, began: time.Now(), patience: time.Minute + deadline}
		err := s.play(ctx, p)
		if err == nil {
			err = heard.told(ctx, p)
		}
		if err != nil {
			p.say("FAILED: %v", err)
			failures = append(failures, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	fmt.Fprintln(out)
	if n, err := mailsArrived(ctx, azure); err != nil {
		failures = append(failures, err)
	} else {
		fmt.Fprintf(out, "mails: %d, the last one %q\n", n, azure.Mailbox.Mails()[n-1].Subject)
	}
	if err := heard.summary(out); err != nil {
		failures = append(failures, err)
	}
	if peak := azure.Host.PeakMemory(); peak > 0 {
		fmt.Fprintf(out, "peak memory of the handler: %.1f MiB\n", float64(peak)/(1<<20))
	}
	fmt.Fprintf(out, "took: %.1f s\n", time.Since(began).Seconds())
	fmt.Fprintf(out, "demo: %d scenarios, %d failed\n", len(all), len(failures))
	return errors.Join(failures...)
}

// mailsArrived waits until the mail of the last scenario's last status is there.
func mailsArrived(ctx context.Context, azure *localazure.Azure) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if mails := azure.Mailbox.Mails(); len(mails) > 0 && mails[len(mails)-1].Subject == "Approved: Not scanned" {
			return len(mails), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the last mail has not arrived; there are %d", len(azure.Mailbox.Mails()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// reviewable makes a request with files and brings it to review.
func reviewable(ctx context.Context, p *player, direction, title string, files ...source) (id string, sums map[string]string, err error) {
	if id, err = p.create(ctx, "ada", direction, title); err != nil {
		return "", nil, err
	}
	if sums, err = p.upload(ctx, "ada", id, files...); err != nil {
		return "", nil, err
	}
	if err = p.submit(ctx, "ada", id); err != nil {
		return "", nil, err
	}
	if err = p.await(ctx, id, "in_review"); err != nil {
		return "", nil, err
	}
	return id, sums, p.decidable(ctx, id, sums)
}

// approvedAndReceived lets a manager approve and the requester download.
func approvedAndReceived(ctx context.Context, p *player, id string, sums map[string]string) (url string, err error) {
	if err = p.review(ctx, "mia", id, "approved", "Nothing against it"); err != nil {
		return "", err
	}
	if err = p.await(ctx, id, "approved"); err != nil {
		return "", err
	}
	return p.receive(ctx, "ada", id, sums)
}

func importApproved(ctx context.Context, p *player, file string) error {
	files := measurements()
	if file != "" {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		p.patience += 4 * readTime(info.Size())
		files = []source{{filepath.Base(file), func() (io.ReadCloser, error) { return os.Open(file) }}}
	}
	id, sums, err := reviewable(ctx, p, "import", "Measurements", files...)
	if err != nil {
		return err
	}
	if _, err = approvedAndReceived(ctx, p, id, sums); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		p.say("SHA-256 %s  %s", sums[name], name)
	}
	return nil
}

func exportApproved(ctx context.Context, p *player) error {
	id, sums, err := reviewable(ctx, p, "export", "Results", text("results.csv", "group,n\na,120\nb,131\n"))
	if err != nil {
		return err
	}
	_, err = approvedAndReceived(ctx, p, id, sums)
	return err
}

func rejected(ctx context.Context, p *player) error {
	id, _, err := reviewable(ctx, p, "export", "Rejected", text("patients.csv", "name\nN.N.\n"))
	if err != nil {
		return err
	}
	if err = p.review(ctx, "mia", id, "rejected", "It names people"); err != nil {
		return err
	}
	return p.await(ctx, id, "rejected")
}

func blocked(ctx context.Context, p *player) error {
	id, err := p.create(ctx, "ada", "import", "Blocked")
	if err != nil {
		return err
	}
	if _, err = p.upload(ctx, "ada", id, text("tool.bin", string(defender.EICAR()))); err != nil {
		return err
	}
	if err = p.submit(ctx, "ada", id); err != nil {
		return err
	}
	return p.await(ctx, id, "blocked_by_scan")
}

func returned(ctx context.Context, p *player) error {
	id, _, err := reviewable(ctx, p, "export", "Returned", text("table.csv", "group,n\na,3\n"))
	if err != nil {
		return err
	}
	if err = p.review(ctx, "mia", id, "changes_requested", "Round counts below ten"); err != nil {
		return err
	}
	if err = p.await(ctx, id, "draft"); err != nil {
		return err
	}
	sums, err := p.uploadWhenReady(ctx, "ada", id, text("table.csv", "group,n\na,<10\n"))
	if err != nil {
		return err
	}
	if err = p.submit(ctx, "ada", id); err != nil {
		return err
	}
	if err = p.await(ctx, id, "in_review"); err != nil {
		return err
	}
	_, err = approvedAndReceived(ctx, p, id, sums)
	return err
}

func cancelledDraft(ctx context.Context, p *player) error {
	id, err := p.create(ctx, "ada", "import", "Cancelled early")
	if err != nil {
		return err
	}
	return p.cancelAndLose(ctx, id)
}

func cancelledReview(ctx context.Context, p *player) error {
	id, _, err := reviewable(ctx, p, "import", "Cancelled late", text("a.txt", "a"))
	if err != nil {
		return err
	}
	return p.cancelAndLose(ctx, id)
}

func revoked(ctx context.Context, p *player) error {
	id, sums, err := reviewable(ctx, p, "export", "Revoked", text("a.txt", "a"))
	if err != nil {
		return err
	}
	url, err := approvedAndReceived(ctx, p, id, sums)
	if err != nil {
		return err
	}
	r, err := p.api().Act(ctx, "mia", id, "revoke", map[string]string{"reason": "Sent to the wrong project"})
	if err != nil {
		return err
	}
	p.say("mia revokes: %s", r.Status)
	return p.eventually(ctx, func() error { return p.dead(ctx, url) })
}

func silent(ctx context.Context, p *player) error {
	restore := p.azure.Defender.BehaveFor(func(b defender.Blob) bool { return b.Name == "silent.txt" }, defender.Behavior{Silent: true})
	defer restore()
	id, err := p.create(ctx, "ada", "import", "Retried")
	if err != nil {
		return err
	}
	sums, err := p.upload(ctx, "ada", id, text("silent.txt", "hello"))
	if err != nil {
		return err
	}
	if err = p.submit(ctx, "ada", id); err != nil {
		return err
	}
	if err = p.await(ctx, id, "failed"); err != nil {
		return err
	}
	restore()
	r, err := p.api().Act(ctx, "olga", id, "retry", nil)
	if err != nil {
		return err
	}
	p.say("the scanner is back; olga retries: %s", r.Status)
	if err = p.await(ctx, id, "in_review"); err != nil {
		return err
	}
	_, err = approvedAndReceived(ctx, p, id, sums)
	return err
}

func twelve(ctx context.Context, p *player) error {
	var files []source
	for i, name := range []string{
		"plain.csv", "with space.csv", "hash#tag.csv", "100%.csv", "a+b=c&d.csv", "sub/folder/deep/file.csv", "sub folder/größe ä ö.csv",
		"данные.csv", "数据/结果 1.csv", "بيانات.csv", "50%20off.csv", "quote'\"?.csv",
	} {
		files = append(files, text(name, "row,"+strconv.Itoa(i)))
	}
	id, sums, err := reviewable(ctx, p, "import", "Twelve files", files...)
	if err != nil {
		return err
	}
	_, err = approvedAndReceived(ctx, p, id, sums)
	return err
}

func unscanned(ctx context.Context, p *player) error {
	p.workspace = p.azure.Workspaces[1]
	id, sums, err := reviewable(ctx, p, "import", "Not scanned", text("open.csv", "a,b\n"))
	if err != nil {
		return err
	}
	_, err = approvedAndReceived(ctx, p, id, sums)
	return err
}

// uploadWhenReady uploads once the files that were handed back are there: until then there is no link.
func (p *player) uploadWhenReady(ctx context.Context, who, id string, files ...source) (sums map[string]string, err error) {
	err = p.eventually(ctx, func() error {
		sums, err = p.upload(ctx, who, id, files...)
		return err
	})
	return sums, err
}

// cancelAndLose cancels as the requester and checks that the link that they had is dead.
func (p *player) cancelAndLose(ctx context.Context, id string) error {
	url, err := p.api().Link(ctx, "olga", id)
	if err != nil {
		return err
	}
	r, err := p.api().Act(ctx, "ada", id, "cancel", nil)
	if err != nil {
		return err
	}
	p.say("ada cancels: %s", r.Status)
	return p.eventually(ctx, func() error { return p.dead(ctx, url) })
}

// measurements makes a real CSV of a few thousand rows, and a zip of it.
func measurements() []source {
	random := rand.New(rand.NewPCG(1, 2))
	var table bytes.Buffer
	w := csv.NewWriter(&table)
	_ = w.Write([]string{"id", "day", "group", "systolic", "diastolic"}) // a buffer takes everything
	for i := range 5000 {
		_ = w.Write([]string{strconv.Itoa(i + 1), strconv.Itoa(random.IntN(365)), string(rune('A' + random.IntN(4))),
			strconv.Itoa(95 + random.IntN(80)), strconv.Itoa(55 + random.IntN(45))})
	}
	w.Flush()
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	if entry, err := z.Create("measurements.csv"); err == nil {
		_, _ = entry.Write(table.Bytes())
	}
	_ = z.Close()
	return []source{text("measurements.csv", table.String()), text("measurements.zip", archive.String())}
}
