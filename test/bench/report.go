package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// machine prints where and with what is measured.
func machine(out io.Writer, now time.Time) {
	opa := "?"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/open-policy-agent/opa" {
				opa = d.Version
			}
		}
	}
	fmt.Fprintf(out, "%s; %s, %d processors used; %s %s/%s; OPA %s\n\n",
		now.UTC().Format(time.DateOnly), processor(), runtime.GOMAXPROCS(0), runtime.Version(), runtime.GOOS, runtime.GOARCH, opa)
}

// processor is the processor's name, where the system tells.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, found := strings.CutPrefix(line, "model name"); found {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown processor"
}

// series is what all rounds of one target measured.
type series struct {
	target

	rps, ratios []float64
	latencies   []time.Duration
	cpu         []float64 // seconds for one request
}

// table measures every case before one upstream and prints a line for each
// target.
func (b *bed) table(ctx context.Context, out io.Writer, o options, u upstream) (err error) {
	base, stop, err := b.gateway(ctx, u)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	cases := b.fixtures.cases()
	if b.fixtures.masked, err = b.maskedPatient(ctx, base); err != nil {
		return err
	}
	fmt.Fprintf(out, "Upstream: %s. %d rounds of %v each.\n\n", u.name, o.rounds, o.length)
	fmt.Fprintln(out, "| case | clients | as | requests/s | p50 | p99 | CPU | ratio to bare | goal |\n|---|--:|---|--:|--:|--:|--:|--:|---|")
	for _, c := range cases {
		if !strings.Contains(c.name, o.only) || c.shared && u == b.store {
			continue
		}
		for _, clients := range o.clients {
			all, err := b.measure(ctx, o, c, u, base, clients)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", u.name, c.name, err)
			}
			for _, s := range all {
				s.print(out, c, clients)
			}
		}
	}
	fmt.Fprintln(out)
	return nil
}

// measure runs the rounds of one case, the bare proxy and the gateway by turns.
func (b *bed) measure(ctx context.Context, o options, c *benchCase, u upstream, base string, clients int) ([]*series, error) {
	var all []*series
	if o.profile == "" {
		all = append(all, &series{target: target{base: u.bare}})
	}
	for _, person := range c.people {
		all = append(all, &series{target: target{person: person, base: base, token: b.tokens[person]}})
	}
	length := time.Duration(float64(o.length) * c.share)
	for range o.rounds {
		bare := 0.0
		for _, s := range all {
			runtime.GC() // no target pays for what another left
			r, err := b.round(ctx, c, s.target, clients, length)
			if err != nil {
				return nil, err
			}
			s.rps = append(s.rps, r.rps)
			s.cpu = append(s.cpu, r.cpu.Seconds())
			s.latencies = append(s.latencies, r.latencies...)
			if s.person == "" {
				bare = r.rps
			} else if bare > 0 {
				s.ratios = append(s.ratios, r.rps/bare)
			}
		}
	}
	return all, nil
}

func (s *series) print(out io.Writer, c *benchCase, clients int) {
	slices.Sort(s.latencies)
	who, ratio, goal := "bare proxy", "1", ""
	if s.person != "" && len(s.ratios) == 0 {
		who, ratio = s.person, "" // a profile: the bare proxy was left out
	} else if s.person != "" {
		r := median(s.ratios)
		who, ratio = s.person, fmt.Sprintf("**%.4f**", r)
		if c.goal > 0 {
			goal = fmt.Sprintf("%g: hit", c.goal)
			if r < c.goal {
				goal = fmt.Sprintf("%g: **miss**", c.goal)
			}
		}
	}
	fmt.Fprintf(out, "| %s | %d | %s | %.0f | %s | %s | %s | %s | %s |\n", c.name, clients, who, median(s.rps),
		brief(percentile(s.latencies, 0.5)), brief(percentile(s.latencies, 0.99)), brief(time.Duration(median(s.cpu)*float64(time.Second))), ratio, goal)
}

// brief is a duration with three digits.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
