// Command with starts the servers that tests run against, runs a command with their addresses in its environment, stops them and exits
// with the command's status:
//
//	go run ./test/peers/cmd/with -hapi -postgres -- go test ./...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/fhirgate/fhirgate/test/peers"
)

const startTimeout = 10 * time.Minute

func main() {
	hapi := flag.Bool("hapi", false, "start a HAPI FHIR server and set "+peers.EnvHAPI)
	postgres := flag.Bool("postgres", false, "start a PostgreSQL server and set "+peers.EnvPostgres)
	flag.Parse()

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *hapi, *postgres, flag.Args())
	cancel()

	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "with:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, hapi, postgres bool, command []string) (err error) {
	if len(command) == 0 {
		return errors.New("no command: expected [-hapi] [-postgres] -- COMMAND [ARGUMENT...]")
	}
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	env := os.Environ()
	if hapi {
		server, startErr := peers.StartHAPI(starting)
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		env = append(env, peers.EnvHAPI+"="+server.BaseURL)
	}
	if postgres {
		server, startErr := peers.StartPostgres(starting)
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		env = append(env, peers.EnvPostgres+"="+server.URL)
	}

	child := exec.CommandContext(ctx, command[0], command[1:]...)
	child.Env = env
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	return child.Run()
}
