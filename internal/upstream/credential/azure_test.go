package credential

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// identityEndpoint is the token endpoint of an Azure App Service host, in the
// form that the azidentity module expects (API version 2019-08-01).
func identityEndpoint(t *testing.T) *atomic.Int32 {
	t.Helper()
	hits := &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		query := r.URL.Query()
		if r.Header.Get("X-Identity-Header") != "header-secret" || query.Get("api-version") != "2019-08-01" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if strings.Contains(query.Get("resource"), "refused") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_resource","error_description":"header-secret"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"managed %s %s","expires_on":"%d","resource":%q,"token_type":"Bearer"}`,
			query.Get("resource"), query.Get("client_id"), time.Now().Add(time.Hour).Unix(), query.Get("resource"))
	}))
	t.Cleanup(server.Close)
	t.Setenv("IDENTITY_ENDPOINT", server.URL)
	t.Setenv("IDENTITY_HEADER", "header-secret")
	for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "IMDS_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT"} {
		t.Setenv(name, "") // put back after the test
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	return hits
}

func noRetries() azcore.ClientOptions {
	return azcore.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}}
}

func TestAzureManagedIdentity(t *testing.T) {
	hits := identityEndpoint(t)
	resource := "https://" + strings.ToLower(rand.Text()) + ".example" // the SDK keeps tokens for the whole process
	token, err := NewAzureIdentity(AzureIdentity{Kind: AzureManaged, Scope: resource + "/.default", ClientID: "user-assigned", Client: noRetries()})
	if err != nil {
		t.Fatal(err)
	}
	wantHeader(t, token, "Bearer managed "+resource+" user-assigned")
	wantHeader(t, token, "Bearer managed "+resource+" user-assigned")
	if n := hits.Load(); n != 1 {
		t.Errorf("%d token requests for two requests, want 1", n)
	}
}

func TestAzureDefaultChain(t *testing.T) {
	identityEndpoint(t)
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential") // not the command lines of this machine
	token, err := NewAzureIdentity(AzureIdentity{Kind: AzureDefault, Scope: "https://chain.example/.default", Client: noRetries()})
	if err != nil {
		t.Fatal(err)
	}
	wantHeader(t, token, "Bearer managed https://chain.example")
}

func TestAzureRefused(t *testing.T) {
	identityEndpoint(t)
	token, err := NewAzureIdentity(AzureIdentity{Kind: AzureManaged, Scope: "https://refused.example/.default", Client: noRetries()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authorized(t, token); !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "header-secret") {
		t.Fatalf("got %v, want %v without the secret", err, ErrUnavailable)
	}
}

// TestAzureWorkloadIdentity trades a service account's token for one of Entra ID
// at an authority that this test runs.
func TestAzureWorkloadIdentity(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		base := server.URL + "/tenant-1"
		switch r.URL.Path {
		case "/tenant-1/v2.0/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":"%s/v2.0","token_endpoint":"%s/oauth2/v2.0/token","authorization_endpoint":"%s/oauth2/v2.0/authorize"}`, base, base, base)
		case "/tenant-1/oauth2/v2.0/token":
			if r.PostFormValue("client_assertion") != "service-account-token" || r.PostFormValue("grant_type") != "client_credentials" {
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(w, `{"error":"invalid_client"}`)
				return
			}
			fmt.Fprintf(w, `{"access_token":"workload-%s","expires_in":3600,"token_type":"Bearer"}`, r.PostFormValue("client_id"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("service-account-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	options := noRetries()
	options.Transport = server.Client()
	options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: server.URL}
	token, err := NewAzureIdentity(AzureIdentity{
		Kind: AzureWorkload, Scope: "https://upstream.example/.default", ClientID: "app-1", TenantID: "tenant-1", TokenFile: path,
		DisableInstanceDiscovery: true, Client: options,
	})
	if err != nil {
		t.Fatal(err)
	}
	wantHeader(t, token, "Bearer workload-app-1")
}

func TestAzureConfigurationRefused(t *testing.T) {
	for name, config := range map[string]AzureIdentity{
		"no kind":                 {Scope: "s"},
		"unknown kind":            {Kind: "cli", Scope: "s"},
		"no scope":                {Kind: AzureManaged},
		"client id for the chain": {Kind: AzureDefault, Scope: "s", ClientID: "c"},
		"tenant for a managed":    {Kind: AzureManaged, Scope: "s", TenantID: "t"},
		"file for a managed":      {Kind: AzureManaged, Scope: "s", TokenFile: "/f"},
	} {
		if _, err := NewAzureIdentity(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
