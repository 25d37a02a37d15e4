package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"airlock/scripts/apiclient"
)

// resident reads a value of the handler's memory in MiB: VmRSS is what it takes now, VmHWM the most that it took.
func resident(pid int, name string) (float64, error) {
	value := field(fmt.Sprintf("/proc/%d/status", pid), name)
	kib, err := strconv.ParseFloat(strings.TrimSuffix(value, " kB"), 64)
	if err != nil {
		return 0, fmt.Errorf("this system does not tell the memory of a process: %s is %q", name, value)
	}
	return kib / 1024, nil
}

// forgetPeak makes the present memory of a process its peak. Linux: proc(5), clear_refs.
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// peak is the most memory that the handler took while something was done.
func (b *bench) peak(do func() error) (float64, error) {
	pid := b.azure.Host.PID()
	if err := forgetPeak(pid); err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	if now := b.azure.Host.PID(); now != pid {
		return 0, errors.New("the handler was started anew meanwhile")
	}
	return resident(pid, "VmHWM")
}

// memory measures what the handler takes of it, in the life of one process.
func (b *bench) memory(ctx context.Context) error {
	if field("/proc/self/status", "VmHWM") == "" {
		b.say("this system does not tell the memory of a process: left out")
		return nil
	}
	p, err := newPeople(b.azure, b.azure.Workspaces[0])
	if err != nil {
		return err
	}
	b.azure.Host.Kill() // the host starts it anew
	id := ""
	draft := func() error { id, err = p.draft(ctx, "import", 1); return err }
	if err := apiclient.Eventually(ctx, 50*time.Millisecond, patience, draft); err != nil {
		return err
	}
	if _, err := atRest(ctx, b.azure); err != nil {
		return err
	}
	idle, err := resident(b.azure.Host.PID(), "VmRSS")
	if err != nil {
		return err
	}
	b.table.add("memory: idle, after its first request", "MiB", []float64{idle}, nil, limit{median: 40}, "")
	crowded, err := b.peak(func() error {
		return each(ctx, b.runs(2000), 64, func(ctx context.Context, i int) error {
			switch i % 4 {
			case 0:
				_, err := p.create(ctx, "export")
				return err
			case 1:
				_, err := p.list(ctx, 50)
				return err
			case 2:
				_, err := p.link(ctx, id)
				var r *apiclient.Refusal
				if errors.As(err, &r) && r.Status == http.StatusConflict { // 16 at once want the same request: some lose every race
					return nil
				}
				return err
			default:
				_, err := p.get(ctx, id)
				return err
			}
		})
	})
	if err != nil {
		return err
	}
	b.table.add("memory: peak with 64 calls at a time", "MiB", []float64{crowded}, nil, limit{median: 96}, "create, list of 50, link, get")
	return b.largeFile(ctx, p)
}

// largeFile measures memory while one large file is sealed, read by the scanner, approved and moved.
func (b *bench) largeFile(ctx context.Context, p *people) error {
	size := int64(5 << 30)
	if b.quick {
		size = 64 << 20
	}
	id := ""
	moved, err := b.peak(func() error {
		r, err := p.create(ctx, "import")
		if err != nil {
			return err
		}
		id = r.ID
		if err := b.uploadLarge(ctx, p, id, size); err != nil {
			return err
		}
		if _, err := p.submit(ctx, id); err != nil {
			return err
		}
		if _, err := p.await(ctx, id, "in_review"); err != nil {
			return err
		}
		if _, err := p.approve(ctx, id); err != nil {
			return err
		}
		_, err = p.await(ctx, id, "approved")
		return err
	})
	if err != nil {
		return err
	}
	b.table.add(fmt.Sprintf("memory: peak while a file of %s GiB is sealed, scanned and moved", number(float64(size)/(1<<30))), "MiB",
		[]float64{moved}, nil, limit{median: 96}, "")
	return nil
}

// uploadLarge uploads bytes that nothing can compress or know.
func (b *bench) uploadLarge(ctx context.Context, p *people, id string, size int64) error {
	link, err := p.link(ctx, id)
	if err != nil {
		return err
	}
	folder, err := apiclient.Open(link, nil)
	if err != nil {
		return err
	}
	var seed [32]byte
	_, err = folder.NewBlockBlobClient("large.bin").UploadStream(ctx, io.LimitReader(rand.NewChaCha8(seed), size),
		&blockblob.UploadStreamOptions{BlockSize: 16 << 20, Concurrency: 2})
	return apiclient.WithoutLink(err)
}
