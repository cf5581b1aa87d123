package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhirgate/fhirgate/internal/app"
	"github.com/fhirgate/fhirgate/internal/config"
)

// reviewPage is how many reviews are printed at the most.
const reviewPage = 1000

func reviewCommand() *cobra.Command {
	var file string
	var after int64
	var asJSON bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List what somebody has to look at: break-glass uses and crossed quotas, the oldest first",
		Long: "Lists review events. They hold what people wrote as the reason, which may identify patients: mind where you print them.\n" +
			"The request id leads to the audit record.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			s, err := app.OpenStore(cmd.Context(), c.Store)
			if err != nil {
				return err
			}
			defer func() { _ = s.Close() }()
			reviews, err := s.ListReviews(cmd.Context(), after, reviewPage)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(reviews)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "ID\tTIME\tUPSTREAM\tKIND\tSUBJECT\tCLIENT\tPURPOSE\tREASON\tDETAIL\tREQUEST")
			for _, r := range reviews {
				_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%q\t%s\t%s\n",
					r.ID, r.Time.Format(time.RFC3339), r.Upstream, r.Kind, r.Subject, r.Client, r.Purpose, r.Reason, r.Detail, r.RequestID)
			}
			return w.Flush()
		},
	}
	list.Flags().StringVar(&file, "config", "fhirgate.yaml", "configuration file")
	list.Flags().Int64Var(&after, "after", 0, "only reviews with a greater id")
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c := &cobra.Command{Use: "review", Short: "Look at break-glass uses and crossed quotas"}
	c.AddCommand(list)
	return c
}
