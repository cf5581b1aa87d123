package main

import (
	"github.com/spf13/cobra"

	"github.com/fhirgate/fhirgate/internal/policy"
)

func policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Work on policy bundles"}
	check := &cobra.Command{
		Use:   "check BUNDLE",
		Short: "Compile a bundle as the gateway does",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := policy.Load(args[0])
			if err != nil {
				return err
			}
			cmd.Printf("%s is in order: revision %s\n", args[0], r.ID())
			return nil
		},
	}
	c.AddCommand(check)
	return c
}
