package peers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// EnvHAPI names the environment variable with the FHIR base URL of a HAPI server that runs already.
const EnvHAPI = "FHIRGATE_TEST_HAPI"

const (
	hapiScript = "test/peers/hapi/run"
	hapiReady  = "hapi: ready at "
	// hapiStartTimeout covers a first build, which fetches about 300 MB of libraries.
	hapiStartTimeout = 8 * time.Minute
)

// HAPIServer is a running HAPI FHIR JPA server: R4, an empty database in memory, every resource type.
type HAPIServer struct {
	// BaseURL is the FHIR base without a slash at its end.
	BaseURL string
	// Pid of the server; 0 for a server that this process did not start.
	Pid int

	process *process
}

// StartHAPI builds the server where it is not built yet, starts it on a free port of loopback and waits until its CapabilityStatement can be
// read. ctx bounds the start only; the server runs until Stop, or until this process ends. Where EnvHAPI names a server, that one is
// returned as soon as it answers, and Stop leaves it running.
func StartHAPI(ctx context.Context) (*HAPIServer, error) {
	server := &HAPIServer{BaseURL: strings.TrimSuffix(os.Getenv(EnvHAPI), "/")}
	if server.BaseURL == "" {
		process, line, err := startProcess(ctx, hapiScript, hapiReady, "--port", "0", "--exit-with-stdin")
		if err != nil {
			return nil, err
		}
		server.process = process
		server.Pid = process.cmd.Process.Pid
		server.BaseURL, _, _ = strings.Cut(strings.TrimPrefix(line, hapiReady), " ")
	}
	if err := poll(ctx, server.metadata); err != nil {
		return nil, fmt.Errorf("HAPI at %s: %w", server.BaseURL, joinStop(err, server))
	}
	return server, nil
}

// Stop ends a server that StartHAPI started and waits until it is gone.
func (s *HAPIServer) Stop() error {
	if s.process == nil {
		return nil
	}
	return s.process.stop()
}

func (s *HAPIServer) metadata(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL+"/metadata", http.NoBody)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	client := &http.Client{Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("read the CapabilityStatement: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("read the CapabilityStatement: status %d", response.StatusCode)
	}
	return nil
}

// sharedHAPI starts the one server of this process. It ends when this process does: its standard input ends then.
//
//nolint:gochecknoglobals // one server for all tests of a process; set once, never changed
var sharedHAPI = sync.OnceValues(func() (*HAPIServer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hapiStartTimeout)
	defer cancel()
	return StartHAPI(ctx)
})

// HAPI is the FHIR base URL, without a slash at its end, of the HAPI server that all tests of this process share. The first call starts it
// (about 20 s, and once a few minutes for the build). Tests must use ids of their own: what others have stored is there. A server that
// cannot be started fails the test.
func HAPI(tb testing.TB) string {
	tb.Helper()
	server, err := sharedHAPI()
	if err != nil {
		tb.Fatalf("a HAPI server is needed: %v", err)
	}
	return server.BaseURL
}
