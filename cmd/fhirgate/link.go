package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fhirgate/fhirgate/internal/app"
	"github.com/fhirgate/fhirgate/internal/config"
	"github.com/fhirgate/fhirgate/internal/store"
)

// linkFlags name a person of a directory.
type linkFlags struct{ config, upstream, issuer, subject string }

func (f *linkFlags) add(c *cobra.Command, person bool) {
	c.Flags().StringVar(&f.config, "config", "fhirgate.yaml", "configuration file")
	c.Flags().StringVar(&f.upstream, "upstream", "", "name of the upstream (needed when there are several)")
	if person {
		c.Flags().StringVar(&f.issuer, "issuer", "", "issuer, as its tokens spell it in iss")
		c.Flags().StringVar(&f.subject, "subject", "", "subject, as policy sees it in input.principal.subject")
		_ = c.MarkFlagRequired("issuer")
		_ = c.MarkFlagRequired("subject")
	}
}

// open opens the store and completes the upstream's name.
func (f *linkFlags) open(ctx context.Context) (*store.Store, error) {
	c, err := config.Load(f.config)
	if err != nil {
		return nil, err
	}
	if f.upstream, err = chooseUpstream(c, f.upstream); err != nil {
		return nil, err
	}
	return app.OpenStore(ctx, c.Store)
}

func chooseUpstream(c *config.Config, name string) (string, error) {
	var names []string
	for _, u := range c.Upstreams {
		if u.Name == name {
			return name, nil
		}
		names = append(names, u.Name)
	}
	if name == "" && len(names) == 1 {
		return names[0], nil
	}
	return "", fmt.Errorf("--upstream: found %q, expected one of %q", name, names) //nolint:err113 // for a person
}

// withStore runs do on the store.
func (f *linkFlags) withStore(ctx context.Context, do func(*store.Store) error) error {
	s, err := f.open(ctx)
	if err != nil {
		return err
	}
	err = do(s)
	return errors.Join(err, s.Close())
}

func linkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "link",
		Short: "Tie people of a directory to FHIR participants",
		Long:  "A participant link says which FHIR resource (Patient, Practitioner, RelatedPerson, Person) somebody who signs in is.",
	}
	c.AddCommand(changeLinkCommand("add", "Add a link", (*store.Store).Link), changeLinkCommand("remove", "Remove a link", (*store.Store).Unlink), listLinksCommand())
	return c
}

func changeLinkCommand(verb, short string, change func(s *store.Store, ctx context.Context, upstream, issuer, subject, reference string) error) *cobra.Command {
	var f linkFlags
	c := &cobra.Command{
		Use:   verb + " --issuer URL --subject SUBJECT REFERENCE",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withStore(cmd.Context(), func(s *store.Store) error {
				return change(s, cmd.Context(), f.upstream, f.issuer, f.subject, args[0])
			})
		},
	}
	f.add(c, true)
	return c
}

func listLinksCommand() *cobra.Command {
	var f linkFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the links of an upstream",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.withStore(cmd.Context(), func(s *store.Store) error {
				links, err := s.AllLinks(cmd.Context(), f.upstream)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(links)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "ISSUER\tSUBJECT\tREFERENCE")
				for _, l := range links {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", l.Issuer, l.Subject, l.Reference)
				}
				return w.Flush()
			})
		},
	}
	f.add(c, false)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
