package gateway

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir"
)

// capabilityTTL is how long a CapabilityStatement serves before the server
// behind is asked again.
const capabilityTTL = 5 * time.Minute

type capabilityCache struct {
	mu      sync.Mutex
	body    []byte
	expires time.Time
}

// upstreamStatement is what the gateway reads of the server's own statement.
type upstreamStatement struct {
	FHIRVersion string `json:"fhirVersion"`
	Rest        []struct {
		Mode     string `json:"mode"`
		Resource []struct {
			Type        string `json:"type"`
			Interaction []struct {
				Code string `json:"code"`
			} `json:"interaction"`
			SearchParam []struct {
				Name string `json:"name"`
			} `json:"searchParam"`
		} `json:"resource"`
	} `json:"rest"`
}

// passed are the instance and type interactions that the gateway passes.
var passed = []string{"read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type"}

// statement answers metadata with a statement of the gateway's own: what the
// server behind can do, less what the gateway doesn't pass. Nothing of the
// server's text is copied.
func (x *exchange) statement(ctx context.Context) error {
	c := &x.capabilities
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.body == nil || x.Clock().After(c.expires) {
		body, err := x.buildStatement(ctx)
		if err != nil {
			return err
		}
		c.body, c.expires = body, x.Clock().Add(capabilityTTL)
	}
	x.stage.open(Head{Status: 200})
	x.stage.buf = append(x.stage.buf, c.body...)
	return nil
}

func (x *exchange) buildStatement(ctx context.Context) ([]byte, error) {
	answer, err := x.Upstream.Do(ctx, fhir.Exchange{Method: "GET", Path: "metadata"})
	if err != nil {
		return nil, x.upstreamFailed(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.Status != 200 {
		return nil, badStatus(answer.Status)
	}
	raw, err := x.receive(ctx, answer)
	if err != nil {
		return nil, err
	}
	var theirs upstreamStatement
	if err := json.Unmarshal(raw, &theirs); err != nil {
		return nil, errUpstreamAnswer.Because(err)
	}
	return json.Marshal(x.ownStatement(theirs))
}

type object = map[string]any

func (x *exchange) ownStatement(theirs upstreamStatement) object {
	var resources []object
	for _, rest := range theirs.Rest {
		if rest.Mode != "server" {
			continue
		}
		for _, r := range rest.Resource {
			if !x.Definitions.IsResource(r.Type) {
				continue
			}
			var interactions, params []object
			for _, i := range r.Interaction {
				if slices.Contains(passed, i.Code) && (r.Type != "Subscription" || i.Code != "create" && i.Code != "update") {
					interactions = append(interactions, object{"code": i.Code})
				}
			}
			for _, p := range r.SearchParam {
				if def, ok := x.Definitions.SearchParameter(r.Type, p.Name); ok && def.Type != "special" {
					params = append(params, object{"name": p.Name, "type": def.Type, "definition": def.URL})
				}
			}
			resource := object{"type": r.Type, "versioning": "versioned-update", "readHistory": true, "updateCreate": false,
				"conditionalCreate": false, "conditionalUpdate": false, "conditionalDelete": "not-supported", "conditionalRead": "full-support"}
			setIfAny(resource, "interaction", interactions)
			setIfAny(resource, "searchParam", params)
			resources = append(resources, resource)
		}
	}
	rest := object{
		"mode":        "server",
		"interaction": []object{{"code": "search-system"}, {"code": "history-system"}},
		"security": object{"cors": false, "description": "OAuth 2.0 bearer tokens; policy decides about each request and each resource.",
			"service": []object{{"coding": []object{{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "OAuth"}}}}},
	}
	setIfAny(rest, "resource", resources)
	return object{
		"resourceType": "CapabilityStatement", "status": "active", "kind": "instance",
		"date":           x.Clock().UTC().Format(time.DateOnly),
		"software":       object{"name": "fhirgate", "version": x.Version},
		"implementation": object{"description": "FHIR server behind fhirgate", "url": x.PublicBase},
		"fhirVersion":    x.Definitions.Version(),
		"format":         []string{"application/fhir+json"},
		"rest":           []object{rest},
	}
}

func setIfAny(o object, key string, list []object) {
	if len(list) > 0 {
		o[key] = list
	}
}
