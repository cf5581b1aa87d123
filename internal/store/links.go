package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
)

// Link says that a person or service is a FHIR participant at an upstream.
type Link struct {
	Upstream, Issuer, Subject string
	// Reference is relative: Practitioner/p1.
	Reference string
}

var (
	// ErrLink is the error of a link that cannot be: a part is missing, or the
	// reference is not a relative literal one.
	ErrLink = errors.New("store: not a participant link")
	// ErrNoLink is the error of unlinking what is not linked.
	ErrNoLink = errors.New("store: no such participant link")
)

// reference is the relative form of FHIR R4 references.html#literal, without a
// version.
var reference = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64}$`)

func (l Link) check() error {
	switch {
	case l.Upstream == "" || l.Issuer == "" || l.Subject == "":
		return fmt.Errorf("%w: upstream, issuer and subject are needed", ErrLink)
	case !reference.MatchString(l.Reference):
		return fmt.Errorf("%w: the reference is not of the form Type/id", ErrLink)
	default:
		return nil
	}
}

// Link keeps that subject of issuer is reference at upstream. Doing so again
// changes nothing.
func (s *Store) Link(ctx context.Context, upstream, issuer, subject, reference string) error {
	l := Link{upstream, issuer, subject, reference}
	if err := l.check(); err != nil {
		return err
	}
	_, err := s.exec(ctx, `INSERT INTO participant_link (upstream, issuer, subject, reference) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		upstream, issuer, subject, reference)
	if err != nil {
		return fmt.Errorf("store: link: %w", err)
	}
	return nil
}

// Unlink ends a link; ErrNoLink when there is none.
func (s *Store) Unlink(ctx context.Context, upstream, issuer, subject, reference string) error {
	res, err := s.exec(ctx, `DELETE FROM participant_link WHERE upstream = $1 AND issuer = $2 AND subject = $3 AND reference = $4`,
		upstream, issuer, subject, reference)
	if err != nil {
		return fmt.Errorf("store: unlink: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNoLink, err)
	}
	return nil
}

// Links are the references that subject of issuer is at upstream, sorted.
func (s *Store) Links(ctx context.Context, upstream, issuer, subject string) ([]string, error) {
	var refs []string
	err := s.rows(ctx, func(r *sql.Rows) error {
		var ref string
		err := r.Scan(&ref)
		refs = append(refs, ref)
		return err
	}, `SELECT reference FROM participant_link WHERE upstream = $1 AND issuer = $2 AND subject = $3 ORDER BY reference`, upstream, issuer, subject)
	if err != nil {
		return nil, fmt.Errorf("store: links: %w", err)
	}
	return refs, nil
}

// AllLinks are the links of an upstream, sorted by issuer, subject and reference.
func (s *Store) AllLinks(ctx context.Context, upstream string) ([]Link, error) {
	var links []Link
	err := s.rows(ctx, func(r *sql.Rows) error {
		l := Link{Upstream: upstream}
		err := r.Scan(&l.Issuer, &l.Subject, &l.Reference)
		links = append(links, l)
		return err
	}, `SELECT issuer, subject, reference FROM participant_link WHERE upstream = $1 ORDER BY issuer, subject, reference`, upstream)
	if err != nil {
		return nil, fmt.Errorf("store: all links: %w", err)
	}
	return links, nil
}
