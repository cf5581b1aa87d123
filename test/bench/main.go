// Command bench puts load on the gateway over loopback and prints what it costs,
// as a ratio to a bare reverse proxy before the same upstream in the same run.
// Clients, proxies, gateway and upstream share one process and its processors, so
// read the ratios; how they come about is told in RESULTS.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	length   time.Duration
	rounds   int
	clients  []int
	patients int
	only     string
	profile  string
	tables   string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

var errFlags = errors.New("-clients wants numbers of 1 or more, such as 1,16")

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.DurationVar(&o.length, "duration", 2*time.Second, "length of one round of one case")
	f.IntVar(&o.rounds, "rounds", 5, "rounds of each case, bare proxy and gateway by turns")
	clients := f.String("clients", "1,16", "numbers of clients in a closed loop")
	f.IntVar(&o.patients, "patients", 200, "generated patients in the demo store")
	f.StringVar(&o.only, "case", "", "only the cases whose name contains this")
	f.StringVar(&o.tables, "tables", "canned,store,bundle", "what is measured")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile to this file; the bare proxy is left out then")
	quick := f.Bool("quick", false, "a short run, to see that it works")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.length, o.rounds, o.patients = 200*time.Millisecond, 2, 20
	}
	for text := range strings.SplitSeq(*clients, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, errFlags
		}
		o.clients = append(o.clients, n)
	}
	return o, nil
}

// run measures what the flags ask for.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fhirgate-bench-")
	if err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := newBed(ctx, dir, o.patients, time.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	machine(out, b.clock())
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer func() { pprof.StopCPUProfile(); err = errors.Join(err, f.Close()) }()
	}
	for _, u := range []upstream{b.canned, b.store} {
		if strings.Contains(o.tables, strings.Fields(u.name)[0]) || u == b.store && strings.Contains(o.tables, "store") {
			if err := b.table(ctx, out, o, u); err != nil {
				return err
			}
		}
	}
	if strings.Contains(o.tables, "bundle") {
		return b.bundle(ctx, out)
	}
	return nil
}
