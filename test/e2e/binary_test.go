package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// program is the real binary, built once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "fhirgate")
	build := exec.Command("go", "build", "-o", path, "github.com/fhirgate/fhirgate/cmd/fhirgate")
	if out, err := build.CombinedOutput(); err != nil {
		return "", &buildError{string(out), err}
	}
	return path, nil
})

var programDir string // set by TestMain

type buildError struct {
	out string
	err error
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + e.out }

// TestMain gives the binary a place, and removes it.
func TestMain(m *testing.M) {
	var err error
	if programDir, err = os.MkdirTemp("", "fhirgate-e2e-"); err != nil {
		panic(err)
	}
	m.Run()
	_ = os.RemoveAll(programDir)
}

// process is a running fhirgate.
type process struct {
	cmd *exec.Cmd
	log *harness.Log
	out *harness.Log
	end chan error
}

// start runs fhirgate with a temporary folder of its own.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(path, args...), log: &harness.Log{}, out: &harness.Log{}, end: make(chan error, 1)}
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.out
	p.cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.end <- p.cmd.Wait() }()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
		}
	})
	return p
}

// again runs a command in the same temporary folder, to its end.
func (p *process) again(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.cmd.Path, args...)
	cmd.Env = p.cmd.Env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

var listening = regexp.MustCompile(`"msg":"listening","address":"([^"]+)"`)

// address waits for the process to listen.
func (p *process) address(t *testing.T) string {
	t.Helper()
	var found []string
	harness.Eventually(t, "the gateway to listen", func() bool {
		select {
		case err := <-p.end:
			t.Fatalf("it ended: %v\n%s", err, p.log)
		default:
		}
		found = listening.FindStringSubmatch(p.log.String())
		return found != nil
	})
	return found[1]
}

// stopped waits for the end.
func (p *process) stopped(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.end:
		return err
	case <-time.After(30 * time.Second):
		t.Fatalf("it doesn't end\n%s", p.log)
		return nil
	}
}

// TestServe runs the real thing: it finishes what is in flight when told to end,
// logs one line for each request, serves metrics, and takes a bundle that changed.
func TestServe(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	behind := serveBehind(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/slow") {
			once.Do(func() { close(reached) })
			<-release
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		_, _ = w.Write([]byte(patientOf(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])))
	}))
	metrics := freeAddress(t)
	g := harness.Configure(t, harness.Options{Upstream: behind, Bundle: openPolicy(t), Config: map[string]map[string]any{
		"metrics": {"listen": metrics}, "policy": {"poll_interval": "50ms"}, "audit": {"log": true},
	}}, "http://gateway.example")
	p := start(t, "serve", "--config", g.ConfigFile)
	base := "http://" + p.address(t)
	get := func(path string) harness.Reply {
		t.Helper()
		r, err := harness.Send(t.Context(), http.DefaultClient, base+"/fhir", harness.Request{Token: g.Token(t, "patient"), Path: path})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := get("Patient/x").Want(t, 200)
	get("Nothing/x").Refused(t, 404, "unknown-resource-type")
	get(base+"/healthz").Want(t, 200)
	get(base+"/readyz").Want(t, 200)

	exposed := string(get("http://"+metrics+"/metrics").Want(t, 200).Body)
	for _, name := range []string{
		`fhirgate_requests_total{interaction="read",status="200",upstream="main"} 1`, "fhirgate_request_seconds_bucket", "fhirgate_resources_total", "go_goroutines",
	} {
		if !strings.Contains(exposed, name) {
			t.Errorf("metrics lack %s", name)
		}
	}
	if get(base+"/metrics").Status == 200 {
		t.Error("metrics are on the public listener")
	}

	// The bundle changes, for the worse and for the better.
	path := filepath.Join(g.Bundle, "policy.rego")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("package fhirgate\nbroken {")
	harness.Eventually(t, "the broken bundle to be refused", func() bool { return strings.Contains(p.log.String(), "the bundle can't be used") })
	get("Patient/x").Want(t, 200)
	write(strings.Replace(open, `read := {"allow": true`, `read := {"allow": false`, 1))
	harness.Eventually(t, "the new bundle to be active", func() bool { return get("Patient/x").Status == 404 })
	write(open)
	harness.Eventually(t, "the old bundle to be active again", func() bool { return get("Patient/x").Status == 200 })

	// SIGTERM with a request in flight.
	answered := make(chan harness.Reply, 1)
	token := g.Token(t, "patient")
	go func() {
		r, err := harness.Send(t.Context(), http.DefaultClient, base+"/fhir", harness.Request{Token: token, Path: "Patient/slow"})
		if err != nil {
			r.Cut = err
		}
		answered <- r
	}()
	<-reached
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the listener to close", func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(release)
	if r := <-answered; r.Cut != nil || r.Status != 200 || r.JSON("id").String() != "slow" {
		t.Errorf("the request in flight got %d, %v", r.Status, r.Cut)
	}
	if err := p.stopped(t); err != nil {
		t.Errorf("the end: %v\n%s", err, p.log)
	}
	lines := 0
	for line := range strings.Lines(p.log.String()) {
		if gjson.Get(line, "msg").String() == "request" && gjson.Get(line, "request_id").String() == first.Header.Get("X-Request-Id") {
			lines++
		}
		if strings.Contains(line, canary) || strings.Contains(line, "eyJ") {
			t.Errorf("the log has what it mustn't: %s", line)
		}
	}
	if lines != 1 {
		t.Errorf("%d log lines for one request", lines)
	}
	if n := strings.Count(p.log.String(), `"msg":"request"`); n != strings.Count(g.Audit(t), "\n") {
		t.Errorf("%d log lines and %d audit events", n, strings.Count(g.Audit(t), "\n"))
	}
}

// TestDemo runs the demo as a user does.
func TestDemo(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	p := start(t, "demo", "--listen", address, "--patients", "3")
	harness.Eventually(t, "the demo to introduce itself", func() bool { return strings.Contains(p.out.String(), "Ctrl-C ends it.") })
	out, errs, err := p.again(t, "demo", "people", "--json")
	if err != nil {
		t.Fatal(err, errs)
	}
	var people []struct{ Person, FHIRUser, Gateway string }
	if err := json.Unmarshal([]byte(out), &people); err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for _, person := range people {
		known[person.Person] = person.FHIRUser
		if person.Gateway != "http://"+address+"/fhir" {
			t.Errorf("the gateway of %s is %s", person.Person, person.Gateway)
		}
	}
	for person, status := range map[string]int{"patient": 200, "practitioner": 200, "relatedperson": 404, "researcher": 200, "admin": 200, "stranger": 403} {
		if _, ok := known[person]; !ok {
			t.Errorf("%s isn't listed", person)
		}
		token, errs, err := p.again(t, "demo", "token", person)
		if err != nil {
			t.Fatal(err, errs)
		}
		r, err := harness.Send(t.Context(), http.DefaultClient, "http://"+address+"/fhir", harness.Request{Token: strings.TrimSpace(token), Path: "Patient/anna-berg"})
		if err != nil || r.Status != status {
			t.Errorf("%s: %d, %v; want %d", person, r.Status, err, status)
		}
		if !strings.Contains(p.out.String(), "demo token "+person) {
			t.Errorf("no line to paste for %s", person)
		}
	}
	if _, errs, err := p.again(t, "demo", "token", "nobody"); err == nil || !strings.Contains(errs, "practitioner2") {
		t.Errorf("a token for nobody: %v %s", err, errs)
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.stopped(t); err != nil {
		t.Errorf("the end: %v\n%s", err, p.log)
	}
	if _, errs, err := p.again(t, "demo", "token", "patient"); err == nil || !strings.Contains(errs, "fhirgate demo") {
		t.Errorf("a token without a demo: %v %s", err, errs)
	}
}

// TestConfigsThatAreRefused: the key, what was found and what is expected.
func TestConfigsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := harness.Configure(t, harness.Options{Upstream: harness.FHIR{URL: "http://127.0.0.1:1/fhir"}}, "http://gateway.example")
	raw, err := os.ReadFile(good.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, replacement, says string }{
		"unknown key":       {`"listen": {`, `"lissen": {}, "listen": {`, "lissen: found an unknown key; expected one of"},
		"wrong type":        {`"plaintext": true`, `"plaintext": "perhaps"`, "listen.plaintext: found"},
		"no such issuer":    {`"people"`, `"persons"`, `expected the name of an issuer`},
		"bundle not there":  {good.Bundle, good.Bundle + "-gone", "policy.bundle: found"},
		"secret as text":    {`"url": "http://127.0.0.1:1/fhir"`, `"url": "http://127.0.0.1:1/fhir", "credentials": {"kind": "bearer", "token": "hunter2"}`, "upstreams[0].credentials.token: found"},
		"address in use":    {`"127.0.0.1:0"`, `"` + inUse(t) + `"`, "listen.address"},
		"nothing in bundle": {good.Bundle, t.TempDir(), "policy.bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(string(raw), c.old, c.replacement, 1)
			if text == string(raw) {
				t.Fatal("nothing to replace")
			}
			text = strings.Replace(text, "state.db", name+".db", 1)
			file := filepath.Join(t.TempDir(), "wrong.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			p := start(t, "serve", "--config", file)
			if err := p.stopped(t); err == nil {
				t.Error("it ended without an error")
			}
			if !strings.Contains(p.log.String(), c.says) || strings.Contains(p.log.String(), "hunter2") {
				t.Errorf("it says\n%s\nwant %q", p.log, c.says)
			}
		})
	}
	p := start(t, "config", "init", filepath.Join(t.TempDir(), "new.yaml"))
	if err := p.stopped(t); err != nil {
		t.Errorf("config init: %v %s", err, p.log)
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := certificate(t, dir)
	g := harness.Configure(t, harness.Options{Upstream: harness.Demo(t), Config: map[string]map[string]any{
		"listen": {"plaintext": false, "tls": map[string]any{"cert": filepath.Join(dir, "cert.pem"), "key": filepath.Join(dir, "key.pem")}},
	}}, "https://gateway.example")
	p := start(t, "serve", "--config", g.ConfigFile)
	base := "https://" + p.address(t) + "/fhir"
	for proto, transport := range map[string]*http.Transport{
		"HTTP/2.0": {TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true},
		"HTTP/1.1": {TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}},
	} {
		r, err := harness.Send(t.Context(), &http.Client{Transport: transport}, base, harness.Request{Token: g.Token(t, "patient"), Path: "Observation?patient=Patient/anna-berg"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Want(t, 200); r.Proto != proto || len(r.IDs()) < 10 {
			t.Errorf("%s: %d rows by %s", proto, len(r.IDs()), r.Proto)
		}
		if got := r.JSON("entry.1.fullUrl").String(); !strings.HasPrefix(got, "https://gateway.example/fhir/Observation/") {
			t.Errorf("fullUrl is %q", got)
		}
		transport.CloseIdleConnections()
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.stopped(t); err != nil {
		t.Errorf("the end: %v\n%s", err, p.log)
	}
}

// freeAddress is an address of loopback that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// inUse is an address that somebody listens on until the end of the test.
func inUse(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// certificate writes one for 127.0.0.1 and gives the pool that trusts it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, content := range map[string][]byte{"cert.pem": cert, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}
