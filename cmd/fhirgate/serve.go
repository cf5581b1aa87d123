package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/fhirgate/fhirgate/internal/app"
	"github.com/fhirgate/fhirgate/internal/config"
)

// loadConfig reads and checks a configuration file and the files that it names.
func loadConfig(path string) (*config.Config, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	if err := c.CheckFiles(); err != nil {
		return nil, err
	}
	return c, nil
}

func serveCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Serve the FHIR servers that a configuration names",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(file)
			if err != nil {
				return nextStep(err, "`fhirgate config init` writes a commented example")
			}
			return serve(cmd.Context(), c)
		},
	}
	c.Flags().StringVar(&file, "config", "fhirgate.yaml", "configuration file")
	return c
}

func serve(ctx context.Context, c *config.Config) error {
	log := app.NewLog(c.Log, os.Stderr)
	a, err := app.New(ctx, c, log)
	if err != nil {
		return err
	}
	err = a.Run(ctx, func(addr net.Addr) {
		log.InfoContext(ctx, "listening", "address", addr.String(), "public_url", c.PublicURL)
	})
	if closed := a.Close(context.WithoutCancel(ctx)); err == nil {
		err = closed
	}
	return err
}

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Write and check configuration files"}
	var force bool
	write := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented configuration file",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "fhirgate.yaml"
			if len(args) == 1 {
				path = args[0]
			}
			flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
			if force {
				flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
			}
			f, err := os.OpenFile(path, flags, 0o600)
			if err != nil {
				return nextStep(err, "give another FILE, or --force to write over it")
			}
			defer func() { _ = f.Close() }()
			if _, err := f.WriteString(config.Example()); err != nil {
				return fmt.Errorf("write %s: %w", path, err)
			}
			cmd.Printf("%s is written. Edit it, then: fhirgate config check %s && fhirgate serve --config %s\n", path, path, path)
			return f.Close()
		},
	}
	write.Flags().BoolVar(&force, "force", false, "write over an existing file")
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file and the files that it names",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := loadConfig(args[0]); err != nil {
				return err
			}
			cmd.Printf("%s is in order.\n", args[0])
			return nil
		},
	}
	c.AddCommand(write, check)
	return c
}
