package peers_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fhirgate/fhirgate/test/peers"
)

func TestPostgres(t *testing.T) {
	t.Parallel()
	first, second := peers.Postgres(t), peers.Postgres(t)
	if first == second {
		t.Fatalf("two databases have one URL: %s", first)
	}
	for _, dsn := range []string{first, second} {
		connection, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close(t.Context())
		// Fails in the second one when both are the same database.
		if _, err := connection.Exec(t.Context(), "CREATE TABLE only_once (id integer)"); err != nil {
			t.Error(err)
		}
	}
}
