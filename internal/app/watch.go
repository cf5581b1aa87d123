package app

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// watchPolicy loads the bundle again on SIGHUP, and when its files change if
// polling is on. A bundle that can't be used leaves the one before active.
func (a *App) watchPolicy(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	var tick <-chan time.Time
	ticker := (*time.Ticker)(nil)
	if every := a.config.Policy.PollInterval; every > 0 {
		ticker = time.NewTicker(every)
		tick = ticker.C
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		last := bundleStamp(a.config.Policy.Bundle)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				a.reopenAudit()
			case <-tick:
				if now := bundleStamp(a.config.Policy.Bundle); now == last {
					continue
				}
			}
			last = bundleStamp(a.config.Policy.Bundle)
			if err := a.LoadPolicy(ctx); err != nil {
				a.log.ErrorContext(ctx, "the bundle can't be used; the revision before stays active", "error", err)
			}
		}
	})
	return func() {
		signal.Stop(hup)
		if ticker != nil {
			ticker.Stop()
		}
		cancel()
		wait.Wait()
	}
}

// stamp sums up the state of a bundle's files well enough to notice a change.
type stamp struct {
	files  int
	bytes  int64
	newest time.Time
}

func bundleStamp(path string) stamp {
	var s stamp
	_ = filepath.WalkDir(path, func(_ string, entry os.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that is gone changes the count
		}
		if info, err := entry.Info(); err == nil {
			s.files++
			s.bytes += info.Size()
			if info.ModTime().After(s.newest) {
				s.newest = info.ModTime()
			}
		}
		return nil
	})
	return s
}
