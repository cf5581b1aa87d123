package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fhirgate/fhirgate/internal/app"
	"github.com/fhirgate/fhirgate/internal/demo"
	"github.com/fhirgate/fhirgate/internal/demo/data"
)

func demoCommand() *cobra.Command {
	o := demo.Options{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a gateway with everything embedded, to try it out",
		Long: "Runs the gateway on loopback before an embedded FHIR server with synthetic patients and an identity provider with people.\n" +
			"Edit the policies that it lays out: they are loaded again within a second.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), cmd.OutOrStdout(), o) },
	}
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8080", "address of the gateway, on loopback")
	c.Flags().StringVar(&o.Dir, "data", "", "folder that keeps configuration, policies and state (default: a temporary one)")
	c.Flags().IntVar(&o.Patients, "patients", 500, "generated patients besides the 20 stories")
	c.AddCommand(demoTokenCommand(), demoPeopleCommand())
	return c
}

func runDemo(ctx context.Context, out io.Writer, o demo.Options) (err error) {
	o.Keep = o.Dir != ""
	if !o.Keep {
		if o.Dir, err = os.MkdirTemp("", "fhirgate-demo-"); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d, err := demo.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	c, err := loadConfig(d.Config)
	if err != nil {
		return err
	}
	a, err := app.New(ctx, c, app.NewLog(c.Log, os.Stderr))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close(context.WithoutCancel(ctx))) }()
	withdraw := func() {}
	defer func() { withdraw() }()
	// Announced only once it listens: another demo may have the port.
	err = a.Run(ctx, func(net.Addr) {
		if withdraw, err = d.Announce(o.Dir); err != nil {
			_, _ = fmt.Fprintln(out, "fhirgate demo token won't work:", err)
			withdraw = func() {}
		}
		introduce(out, d)
	})
	if errors.Is(err, os.ErrPermission) || err != nil && ctx.Err() == nil {
		return nextStep(err, "`fhirgate demo --listen 127.0.0.1:9090` takes another port")
	}
	return err
}

// introduce prints where everything is and what to try.
func introduce(out io.Writer, d *demo.Demo) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	p("fhirgate demo is running on this machine only. All patients are fictional.\n\n")
	p("  gateway            %s\n", d.Gateway)
	p("  FHIR server behind %s (wants the gateway's own token)\n", d.Upstream)
	p("  identity provider  %s\n", d.Issuer)
	p("  policies           %s (edit them: they are loaded again at once)\n", d.Policies)
	p("  configuration      %s\n\nPeople, and a line to paste for each:\n", d.Config)
	self := selfCommand()
	for _, person := range data.People() {
		p("\n  %s - %s\n", person.Name, person.Description)
		p("    curl -s -H \"Authorization: Bearer $(%s demo token %s)\" '%s/%s'\n", self, person.Name, d.Gateway, person.Example)
	}
	p("\nCtrl-C ends it.\n")
}

// selfCommand is how this program was called, as a path that can be pasted.
func selfCommand() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return "fhirgate"
}

func running() (demo.State, error) {
	s, err := demo.Running()
	if err != nil {
		return s, nextStep(err, "start one with `fhirgate demo` (or `make demo`) in another terminal")
	}
	return s, nil
}

func demoTokenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "token PERSON",
		Short: "Print a bearer token of the running demo for a person",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := running()
			if err != nil {
				return err
			}
			token, err := demo.Token(cmd.Context(), s.Issuer, args[0])
			if errors.Is(err, demo.ErrNotRunning) {
				return nextStep(err, "start one with `fhirgate demo` (or `make demo`) in another terminal")
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
}

// demoPerson is a line of `demo people --json`.
type demoPerson struct {
	Person      string   `json:"person"`
	Name        string   `json:"name"`
	Roles       []string `json:"roles"`
	FHIRUser    string   `json:"fhirUser,omitempty"`
	Description string   `json:"description"`
	Gateway     string   `json:"gateway"`
}

func demoPeopleCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "people",
		Short: "List the people of the running demo",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := running()
			if err != nil {
				return err
			}
			list := []demoPerson{}
			for _, p := range data.People() {
				list = append(list, demoPerson{Person: p.Name, Name: p.Display, Roles: append([]string{}, p.Roles...), FHIRUser: p.FHIRUser, Description: p.Description, Gateway: s.Gateway})
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(list)
			}
			for _, p := range list {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-14s %-36s %s\n", p.Person, p.FHIRUser, p.Description); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
