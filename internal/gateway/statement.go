package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fhirgate/fhirgate/internal/fhir"
)

// capabilityTTL is how long a CapabilityStatement serves before the server
// behind is asked again.
const capabilityTTL = 5 * time.Minute

type capabilityCache struct {
	current atomic.Pointer[madeStatement]
	flight  singleflight.Group
}

type madeStatement struct {
	body    []byte
	expires time.Time
}

// upstreamStatement is what the gateway reads of the server's own statement.
type upstreamStatement struct {
	FHIRVersion string `json:"fhirVersion"`
	Rest        []struct {
		Mode     string             `json:"mode"`
		Resource []upstreamResource `json:"resource"`
	} `json:"rest"`
}

type upstreamResource struct {
	Type        string `json:"type"`
	Interaction []struct {
		Code string `json:"code"`
	} `json:"interaction"`
	SearchParam []struct {
		Name string `json:"name"`
	} `json:"searchParam"`
}

// statement answers metadata with a statement of the gateway's own: what the
// server behind can do, less what the gateway doesn't pass. Nothing of the
// server's text is copied.
func (x *exchange) statement(ctx context.Context) error {
	made := x.capabilities.current.Load()
	if made == nil || x.Clock().After(made.expires) {
		var err error
		if made, err = x.newStatement(ctx); err != nil {
			return err
		}
	}
	x.stage.open(Head{Status: http.StatusOK})
	x.stage.buf = append(x.stage.buf, made.body...)
	return nil
}

// newStatement makes one statement for all who wait for it, whoever of them goes
// away.
func (x *exchange) newStatement(ctx context.Context) (*madeStatement, error) {
	done := x.capabilities.flight.DoChan("", func() (any, error) {
		body, err := x.buildStatement(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		made := &madeStatement{body: body, expires: x.Clock().Add(capabilityTTL)}
		x.capabilities.current.Store(made)
		return made, nil
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*madeStatement), nil //nolint:forcetypeassert // the function above returns nothing else
	}
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

// ownResource is what the gateway passes of one resource type.
func (x *exchange) ownResource(r upstreamResource) object {
	var interactions, params []object
	for _, i := range r.Interaction {
		if passes(r.Type, i.Code) {
			interactions = append(interactions, object{"code": i.Code})
		}
	}
	for _, p := range r.SearchParam {
		if def, ok := x.Definitions.SearchParameter(r.Type, p.Name); ok && def.Type != "special" && fhir.IsSupported(p.Name) {
			params = append(params, object{"name": p.Name, "type": def.Type, "definition": def.URL})
		}
	}
	resource := object{
		"type": r.Type, "versioning": "versioned-update", "readHistory": true, "updateCreate": false,
		"conditionalCreate": false, "conditionalUpdate": false, "conditionalDelete": "not-supported", "conditionalRead": "full-support",
	}
	setIfAny(resource, "interaction", interactions)
	setIfAny(resource, "searchParam", params)
	return resource
}

// passes reports whether the gateway passes an interaction of type-restful-interaction.
func passes(resourceType, code string) bool {
	switch code {
	case "create", "update":
		return resourceType != "Subscription"
	case "read", "vread", "delete", "history-instance", "history-type", "search-type":
		return true
	}
	return false
}

func (x *exchange) ownStatement(theirs upstreamStatement) object {
	var resources []object
	for _, rest := range theirs.Rest {
		for _, r := range rest.Resource {
			if rest.Mode == "server" && x.Definitions.IsResource(r.Type) {
				resources = append(resources, x.ownResource(r))
			}
		}
	}
	rest := object{
		"mode":        "server",
		"interaction": []object{{"code": "search-system"}, {"code": "history-system"}},
		"security":    x.security(),
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

// security names the authorization server (SMART App Launch 1.0, conformance).
func (x *exchange) security() object {
	security := object{
		"cors": false, "description": "OAuth 2.0 bearer tokens; policy decides about each request and each resource.",
		"service": []object{{"coding": []object{{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}}}},
	}
	if x.OAuth == nil {
		return security
	}
	if authorize, token := x.OAuth(); authorize != "" {
		security["extension"] = []object{{
			"url":       "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
			"extension": []object{{"url": "authorize", "valueUri": authorize}, {"url": "token", "valueUri": token}},
		}}
	}
	return security
}

func setIfAny(o object, key string, list []object) {
	if len(list) > 0 {
		o[key] = list
	}
}
