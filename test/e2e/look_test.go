package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// look is a request that reads, and what its answer has to be.
type look struct {
	who, path string
	post      string // form of a POST _search
	status    int
	code      string   // of a refusal
	ids       []string // a Bundle's matches, in any order; nil: not looked at
	exact     bool     // the ids in this order
	total     int      // of a Bundle; below 0: none, 0 not looked at (see zero)
	zero      bool     // the total is 0
	has, no   []string // gjson paths that the answer has and hasn't
	text      []string // texts that are nowhere in the answer
}

func (l look) check(t *testing.T, g *harness.Gateway) {
	t.Helper()
	r := harness.Request{Who: l.who, Path: l.path}
	if l.post != "" {
		r.Method, r.Body = "POST", l.post
	}
	reply := g.Do(t, r)
	if l.status != 200 {
		reply.Refused(t, l.status, l.code)
		return
	}
	reply.Want(t, 200)
	got := reply.IDs()
	if !l.exact {
		slices.Sort(got)
		slices.Sort(l.ids)
	}
	if l.ids != nil && !slices.Equal(got, l.ids) {
		t.Errorf("%s: matches are %q, want %q", l.path, got, l.ids)
	}
	if total := reply.JSON("total"); l.total > 0 && total.Int() != int64(l.total) || l.total < 0 && total.Exists() || l.zero && total.Raw != "0" {
		t.Errorf("%s: total is %q, want %d", l.path, total.Raw, l.total)
	}
	for _, path := range l.has {
		if !reply.JSON(path).Exists() {
			t.Errorf("%s: %s is missing", l.path, path)
		}
	}
	for _, path := range l.no {
		if reply.JSON(path).Exists() {
			t.Errorf("%s: %s is there: %s", l.path, path, reply.JSON(path).Raw)
		}
	}
	for _, text := range l.text {
		if strings.Contains(string(reply.Body), text) {
			t.Errorf("%s: %q is in the answer", l.path, text)
		}
	}
}

func checkLooks(t *testing.T, g *harness.Gateway, looks []look) {
	t.Helper()
	for _, l := range looks {
		who := l.who
		if who == "" {
			who = "anonymous"
		}
		t.Run(who+" "+l.path+" "+l.post, func(t *testing.T) { l.check(t, g) })
	}
}
