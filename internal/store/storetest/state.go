package storetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/store"
)

func links(t *testing.T, open Open) {
	s, ctx := open.Handle(t), t.Context()
	check(t, s.Link(ctx, "main", "https://idp", "u1", "Practitioner/p2"))
	check(t, s.Link(ctx, "main", "https://idp", "u1", "Patient/p-1.a"))
	check(t, s.Link(ctx, "main", "https://idp", "u1", "Patient/p-1.a"))
	check(t, s.Link(ctx, "other", "https://idp", "u1", "Patient/x"))
	check(t, s.Link(ctx, "main", "https://idp2", "u1", "Patient/y"))
	check(t, s.Link(ctx, "main", "https://idp", "u2", "Patient/z"))

	for _, tc := range []struct {
		upstream, issuer, subject string
		want                      []string
	}{
		{"main", "https://idp", "u1", []string{"Patient/p-1.a", "Practitioner/p2"}},
		{"other", "https://idp", "u1", []string{"Patient/x"}},
		{"main", "https://idp2", "u1", []string{"Patient/y"}},
		{"main", "https://idp", "u3", nil},
		{"main", "https://idp", "U1", nil},
		{"", "", "", nil},
	} {
		got := must[[]string](t)(s.Links(ctx, tc.upstream, tc.issuer, tc.subject))
		if !slices.Equal(got, tc.want) {
			t.Errorf("links of %s %s %s: %v, want %v", tc.upstream, tc.issuer, tc.subject, got, tc.want)
		}
	}
	all := must[[]store.Link](t)(s.AllLinks(ctx, "main"))
	want := []store.Link{
		{Upstream: "main", Issuer: "https://idp", Subject: "u1", Reference: "Patient/p-1.a"},
		{Upstream: "main", Issuer: "https://idp", Subject: "u1", Reference: "Practitioner/p2"},
		{Upstream: "main", Issuer: "https://idp", Subject: "u2", Reference: "Patient/z"},
		{Upstream: "main", Issuer: "https://idp2", Subject: "u1", Reference: "Patient/y"},
	}
	if !slices.Equal(all, want) {
		t.Errorf("all links: %v, want %v", all, want)
	}

	check(t, s.Unlink(ctx, "main", "https://idp", "u1", "Patient/p-1.a"))
	if err := s.Unlink(ctx, "main", "https://idp", "u1", "Patient/p-1.a"); !errors.Is(err, store.ErrNoLink) {
		t.Errorf("unlinked twice: %v, want ErrNoLink", err)
	}
	if got := must[[]string](t)(s.Links(ctx, "main", "https://idp", "u1")); !slices.Equal(got, []string{"Practitioner/p2"}) {
		t.Errorf("after unlink: %v", got)
	}
}

func badLinks(t *testing.T, open Open) {
	s, ctx := open.Handle(t), t.Context()
	for _, l := range []store.Link{
		{Upstream: "", Issuer: "i", Subject: "s", Reference: "Patient/1"},
		{Upstream: "u", Issuer: "", Subject: "s", Reference: "Patient/1"},
		{Upstream: "u", Issuer: "i", Subject: "", Reference: "Patient/1"},
		{Upstream: "u", Issuer: "i", Subject: "s", Reference: ""},
		{Upstream: "u", Issuer: "i", Subject: "s", Reference: "Patient"},
		{Upstream: "u", Issuer: "i", Subject: "s", Reference: "Patient/"},
		{Upstream: "u", Issuer: "i", Subject: "s", Reference: "patient/1"},
		{Upstream: "u", Issuer: "i", Subject: "s", Reference: "Patient/1/_history/2"},
		{Upstream: "u", Issuer: "i", Subject: "s", Reference: "https://a.example/Patient/1"},
		{Upstream: "u", Issuer: "i", Subject: "s", Reference: "Patient/" + strings.Repeat("a", 65)},
		{Upstream: "u", Issuer: "i", Subject: "s", Reference: "Patient/1\n"},
	} {
		if err := s.Link(ctx, l.Upstream, l.Issuer, l.Subject, l.Reference); !errors.Is(err, store.ErrLink) {
			t.Errorf("%+v: %v, want ErrLink", l, err)
		}
	}
	if got := must[[]store.Link](t)(s.AllLinks(ctx, "u")); len(got) != 0 {
		t.Errorf("kept all the same: %v", got)
	}
}

func keys(t *testing.T, open Open) {
	a, b, ctx := open.Handle(t), open.Handle(t), t.Context()
	page := must[[]byte](t)(a.Key(ctx, "page"))
	if len(page) != store.KeySize || bytes.Equal(page, make([]byte, store.KeySize)) {
		t.Errorf("not a random key of %d bytes: %x", store.KeySize, page)
	}
	for _, s := range []*store.Store{a, b} {
		if again := must[[]byte](t)(s.Key(ctx, "page")); !bytes.Equal(page, again) {
			t.Error("the key has changed")
		}
	}
	if other := must[[]byte](t)(b.Key(ctx, "hash")); bytes.Equal(page, other) {
		t.Error("two names have one key")
	}
	if _, err := a.Key(ctx, ""); err == nil {
		t.Error("a key without a name")
	}
}

func keysAtOnce(t *testing.T, open Open) {
	const each = 4
	handles := []*store.Store{open.Handle(t), open.Handle(t), open.Handle(t)}
	got := make([][]byte, len(handles)*each)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			key, err := handles[i/each].Key(t.Context(), "page")
			if err != nil {
				t.Error(err)
			}
			got[i] = key
		})
	}
	wg.Wait()
	for _, key := range got {
		if !bytes.Equal(key, got[0]) {
			t.Fatal("replicas have different keys")
		}
	}
}

func reviews(t *testing.T, open Open) {
	s, ctx := open.Handle(t), t.Context()
	first := store.Review{
		Time: noon().Add(time.Microsecond), Upstream: "main", RequestID: "r1", Kind: "break-glass", Issuer: "https://idp", Subject: "u1",
		Client: "app", Purpose: "BTG", Reason: "unconscious, \"quoted\" ' ; ü", Detail: "d",
	}
	second := store.Review{Time: noon(), Upstream: "main", Kind: "quota-crossed", Detail: "client:app"}
	first.ID = must[int64](t)(s.AppendReview(ctx, first))
	second.ID = must[int64](t)(s.AppendReview(ctx, second))
	if first.ID <= 0 || second.ID <= first.ID {
		t.Errorf("ids %d and %d do not grow", first.ID, second.ID)
	}
	if got := must[[]store.Review](t)(s.ListReviews(ctx, 0, 0)); !slices.Equal(got, []store.Review{first, second}) {
		t.Errorf("got %+v", got)
	}
	if got := must[[]store.Review](t)(s.ListReviews(ctx, 0, 1)); !slices.Equal(got, []store.Review{first}) {
		t.Errorf("the first page is %+v", got)
	}
	if got := must[[]store.Review](t)(s.ListReviews(ctx, first.ID, 1)); !slices.Equal(got, []store.Review{second}) {
		t.Errorf("the second page is %+v", got)
	}
	for _, bad := range []store.Review{{}, {Time: noon(), Kind: "k"}, {Time: noon(), Upstream: "u"}, {Upstream: "u", Kind: "k"}} {
		if _, err := s.AppendReview(ctx, bad); err == nil {
			t.Errorf("kept %+v", bad)
		}
	}
}

func reviewsOnce(t *testing.T, open Open) {
	handles := []*store.Store{open.Handle(t), open.Handle(t)}
	r := store.Review{Once: "client:app@1", Time: noon(), Upstream: "main", Kind: "quota-crossed"}
	var wg sync.WaitGroup
	ids := make([]int64, 8)
	for i := range ids {
		wg.Go(func() {
			id, err := handles[i%2].AppendReview(t.Context(), r)
			if err != nil {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	told := slices.DeleteFunc(ids, func(id int64) bool { return id == 0 })
	if len(told) != 1 {
		t.Errorf("told %d times", len(told))
	}
	list := must[[]store.Review](t)(handles[0].ListReviews(t.Context(), 0, 0))
	if len(list) != 1 || list[0].Once != r.Once {
		t.Errorf("kept %+v", list)
	}
}

func outlives(t *testing.T, open Open) {
	a := open.Handle(t)
	check(t, a.Link(t.Context(), "main", "i", "s", "Patient/1"))
	key := must[[]byte](t)(a.Key(t.Context(), "page"))
	check(t, a.Close())
	b := open.Handle(t)
	check(t, b.Ping(t.Context()))
	if got := must[[]string](t)(b.Links(t.Context(), "main", "i", "s")); !slices.Equal(got, []string{"Patient/1"}) {
		t.Errorf("links after reopening: %v", got)
	}
	if got := must[[]byte](t)(b.Key(t.Context(), "page")); !bytes.Equal(got, key) {
		t.Error("the key has changed")
	}
	if err := a.Ping(t.Context()); err == nil {
		t.Error("a closed store answers")
	}
}

// openedAtOnce is the first start of several replicas.
func openedAtOnce(t *testing.T, open Open) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := open(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(s.Link(t.Context(), "main", "i", "s", "Patient/1"), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func ended(t *testing.T, open Open) {
	s := open.Handle(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Link(ctx, "main", "i", "s", "Patient/1"); !errors.Is(err, context.Canceled) {
		t.Errorf("link: %v", err)
	}
	if n, err := s.Reserve(ctx, "k", noon(), 10, 1); !errors.Is(err, context.Canceled) || n != 0 {
		t.Errorf("reserve: %d, %v", n, err)
	}
	if err := s.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ping: %v", err)
	}
}
