package policy

import (
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/smart"
)

// object collects the members of a Rego object; what is absent is left out.
type object [][2]*ast.Term

func (o *object) set(key string, value *ast.Term) {
	*o = append(*o, [2]*ast.Term{ast.InternedTerm(key), value})
}

func (o *object) text(key, value string) {
	if value != "" {
		o.set(key, ast.StringTerm(value))
	}
}

func (o *object) texts(key string, values []string) { o.set(key, textArray(values)) }

func (o *object) flag(key string, value bool) { o.set(key, ast.InternedTerm(value)) }

func (o *object) term() *ast.Term { return ast.ObjectTerm(*o...) }

func textArray(values []string) *ast.Term {
	terms := make([]*ast.Term, len(values))
	for i, v := range values {
		terms[i] = ast.StringTerm(v)
	}
	return ast.ArrayTerm(terms...)
}

// principalTerm is input.principal.
func principalTerm(p access.Principal) *ast.Term {
	var o object
	o.flag("anonymous", p.Anonymous())
	o.text("issuer", p.Issuer)
	o.text("subject", p.Subject)
	o.text("client", p.Client)
	o.text("tenant", p.Tenant)
	o.texts("roles", p.Roles)
	o.texts("groups", p.Groups)
	o.texts("purpose_of_use", p.PurposeOfUse)
	o.set("scopes", scopesTerm(p))
	if r, ok := fhir.ParseReference(p.FHIRUser); ok {
		o.set("fhir_user", referenceTerm(r))
	}
	var participants []*ast.Term
	for _, text := range p.Participants {
		if r, ok := fhir.ParseReference(text); ok {
			participants = append(participants, referenceTerm(r))
		}
	}
	o.set("participants", ast.ArrayTerm(participants...))
	var launch object
	launch.text("patient", p.LaunchPatient)
	launch.text("encounter", p.LaunchEncounter)
	o.set("launch", launch.term())
	return o.term()
}

func referenceTerm(r fhir.Reference) *ast.Term {
	var o object
	o.text("type", r.Type)
	o.text("id", r.ID)
	o.text("reference", r.String())
	return o.term()
}

func scopesTerm(p access.Principal) *ast.Term {
	granted := make([]*ast.Term, 0, len(p.Scopes))
	for _, s := range p.Scopes {
		granted = append(granted, scopeTerm(s))
	}
	var o object
	o.flag("required", p.ScopesRequired)
	o.set("granted", ast.ArrayTerm(granted...))
	return o.term()
}

func scopeTerm(s smart.Scope) *ast.Term {
	var o object
	o.text("context", string(s.Context))
	o.text("type", s.Type)
	o.flag("create", s.Create)
	o.flag("read", s.Read)
	o.flag("update", s.Update)
	o.flag("delete", s.Delete)
	o.flag("search", s.Search)
	var params object
	for name, values := range s.Params {
		params.texts(name, values)
	}
	o.set("params", params.term())
	o.text("text", s.Text)
	return o.term()
}

// requestTerm is input.request for the request, read and write entry points.
func requestTerm(r access.Request) *ast.Term {
	in := r.Interaction
	o := circumstances(r, r.Time)
	o.text("interaction", in.Code.String())
	o.text("type", in.Type)
	o.text("id", in.ID)
	o.text("version_id", in.VersionID)
	if in.Compartment.Type != "" {
		o.set("compartment", referenceTerm(in.Compartment))
	}
	params := make([]*ast.Term, 0, len(in.Query.Params))
	for _, p := range in.Query.Params {
		var param object
		param.text("name", p.Name)
		param.set("modifier", ast.StringTerm(p.Modifier))
		param.set("value", ast.StringTerm(p.Value))
		params = append(params, param.term())
	}
	o.set("params", ast.ArrayTerm(params...))
	if len(in.Query.Types) > 0 {
		o.texts("types", slices.Clone(in.Query.Types))
	}
	return o.term()
}

// circumstances are the members of input.request that don't depend on what is
// asked for; context sees these alone, with the time cut to the minute.
func circumstances(r access.Request, at time.Time) object {
	var o object
	o.text("upstream", r.Upstream)
	o.text("time", at.UTC().Format(time.RFC3339))
	o.text("act_as", r.ActAs)
	if p := r.Purpose; p != nil {
		var purpose object
		purpose.text("code", p.Code)
		purpose.text("reason", p.Reason)
		purpose.text("source", "header")
		if !p.Until.IsZero() {
			purpose.text("until", p.Until.UTC().Format(time.RFC3339))
		}
		o.set("purpose", purpose.term())
	}
	return o
}
