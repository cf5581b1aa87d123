// Command fhirgate is a policy-as-code gateway for FHIR servers.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fhirgate/fhirgate/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fhirgate:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// root is the command line.
func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "fhirgate",
		Short:         "A policy-as-code gateway for FHIR servers",
		Long:          "fhirgate stands before FHIR R4 servers. Rego policies decide, for each request and each resource, who may see and change what.",
		Version:       app.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.AddCommand(serveCommand(), demoCommand(), configCommand(), linkCommand(), policyCommand(), reviewCommand())
	return c
}

// nextStep says what to do about an error.
func nextStep(err error, hint string) error {
	return errors.Join(err, fmt.Errorf("hint: %s", hint)) //nolint:err113 // a hint, not a kind of error
}
