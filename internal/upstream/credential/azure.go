package credential

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// AzureKind is how an Azure identity is found.
type AzureKind string

// The kinds of Azure identity.
const (
	// AzureManaged is the managed identity of the host that the gateway runs on.
	AzureManaged AzureKind = "managed"
	// AzureWorkload is a Kubernetes service account federated with Entra ID.
	AzureWorkload AzureKind = "workload"
	// AzureDefault is azidentity's chain: environment, workload identity, managed
	// identity, and then the command lines that a developer is signed in to.
	AzureDefault AzureKind = "default"
)

// AzureIdentity is the configuration of an identity in Microsoft Entra ID.
type AzureIdentity struct {
	// Kind says where the identity comes from.
	Kind AzureKind
	// Scope is what tokens are asked for, such as
	// "https://NAME.fhir.azurehealthcareapis.com/.default".
	Scope string
	// ClientID chooses a user-assigned managed identity, or the application of a
	// workload identity; empty means what the host or the environment says.
	ClientID string
	// TenantID is for workload identity and the default chain; empty means what
	// the environment says.
	TenantID string
	// TokenFile is the service account's token for workload identity; empty means
	// what the environment says.
	TokenFile string
	// DisableInstanceDiscovery is for private clouds, whose authority Entra ID
	// does not know.
	DisableInstanceDiscovery bool
	// Client are options of the Azure SDK: cloud, transport, retries.
	Client azcore.ClientOptions
}

// NewAzureIdentity returns a credential that gets its tokens from Entra ID. It
// contacts nobody yet.
func NewAzureIdentity(c AzureIdentity) (*Token, error) {
	if c.Scope == "" {
		return nil, errors.New("azure identity: the scope is missing")
	}
	source, err := c.source()
	if err != nil {
		return nil, fmt.Errorf("azure identity: %w", err)
	}
	options := policy.TokenRequestOptions{Scopes: []string{c.Scope}}
	return newToken(func(ctx context.Context) (issued, error) {
		token, err := source.GetToken(ctx, options)
		if err != nil {
			return issued{}, azureFailure(err)
		}
		return issued{value: token.Token, expires: token.ExpiresOn}, nil
	}), nil
}

// source returns the SDK's credential of the kind. A setting that the kind would
// not heed is refused.
func (c AzureIdentity) source() (azcore.TokenCredential, error) {
	if c.Kind == AzureDefault && c.ClientID != "" || c.Kind == AzureManaged && c.TenantID != "" || c.Kind != AzureWorkload && c.TokenFile != "" {
		return nil, fmt.Errorf("kind %q does not take all of the settings given", c.Kind)
	}
	switch c.Kind {
	case AzureManaged:
		options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: c.Client}
		if c.ClientID != "" {
			options.ID = azidentity.ClientID(c.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(options)
	case AzureWorkload:
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: c.Client, ClientID: c.ClientID, TenantID: c.TenantID, TokenFilePath: c.TokenFile,
			DisableInstanceDiscovery: c.DisableInstanceDiscovery,
		})
	case AzureDefault:
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: c.Client, TenantID: c.TenantID, DisableInstanceDiscovery: c.DisableInstanceDiscovery,
		})
	default:
		return nil, fmt.Errorf("kind %q is not one of managed, workload, default", c.Kind)
	}
}

// azureFailure says what went wrong. An answer of Entra ID is left out: it may
// quote what was sent, and is many lines long.
func azureFailure(err error) error {
	var refused *azidentity.AuthenticationFailedError
	if errors.As(err, &refused) && refused.RawResponse != nil {
		return fmt.Errorf("azure identity refused: HTTP status %d", refused.RawResponse.StatusCode)
	}
	return fmt.Errorf("azure identity: %w", err)
}
