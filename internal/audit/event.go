package audit

import (
	"encoding/base64"
	"strconv"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// The code systems of an AuditEvent, as FHIR R4 and IHE BALP use them.
const (
	systemType          = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	systemSubtype       = "http://hl7.org/fhir/restful-interaction"
	systemDICOM         = "http://dicom.nema.org/resources/ontology/DCM"
	systemParticipation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	systemReason        = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	systemSource        = "http://terminology.hl7.org/CodeSystem/security-source-type"
	systemEntity        = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	systemRole          = "http://terminology.hl7.org/CodeSystem/object-role"
	systemBALP          = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
)

// AuditEvent is r as a FHIR R4 AuditEvent in JSON, in the manner of IHE Basic
// Audit Log Patterns: the user, the application and the gateway as agents; the
// query (names of parameters only), each resource and the request as entities.
func AuditEvent(r Record) []byte { return build(r.cleaned()) }

func build(r Record) []byte {
	e := event{make([]byte, 0, 3072+256*len(r.Resources))}
	e.raw(`{"resourceType":"AuditEvent","type":`)
	e.coding(systemType, "rest", "RESTful Operation")
	if subtype := subtypeOf(r.Interaction); subtype != "" {
		e.raw(`,"subtype":[`)
		e.coding(systemSubtype, subtype, "")
		e.raw(`]`)
	}
	e.member("action", actionOf(r.Interaction))
	e.member("recorded", r.Time.UTC().Format("2006-01-02T15:04:05.000Z"))
	e.member("outcome", outcomeOf(r.Status))
	e.member("outcomeDesc", describe(r))
	e.purposes("purposeOfEvent", r.PurposeOfUse)
	e.agents(r)
	e.raw(`,"source":{`)
	if r.Upstream != "" {
		e.raw(`"site":`)
		e.text(r.Upstream)
		e.raw(`,`)
	}
	e.raw(`"observer":{"display":"fhirgate"},"type":[`)
	e.coding(systemSource, "4", "Application Server")
	e.raw(`]}`)
	e.entities(r)
	e.raw(`}`)
	return e.b
}

// subtypeOf is the code of http://hl7.org/fhir/restful-interaction.
func subtypeOf(interaction string) string {
	if interaction == "search-compartment" {
		return "search" // The system has no finer code for it.
	}
	if interaction == unusual {
		return ""
	}
	return interaction
}

// actionOf is the code of http://hl7.org/fhir/audit-event-action. A query
// executes; BALP says so too.
func actionOf(interaction string) string {
	switch interaction {
	case "create":
		return "C"
	case "read", "vread", "history-instance", "history-type", "history-system", "capabilities":
		return "R"
	case "update", "patch":
		return "U"
	case "delete":
		return "D"
	default:
		return "E"
	}
}

// outcomeOf is the code of http://hl7.org/fhir/audit-event-outcome.
func outcomeOf(status int) string {
	switch {
	case status >= 200 && status < 400:
		return "0" // Success.
	case status >= 400 && status < 500:
		return "4" // Minor failure: the request was refused.
	default:
		return "8" // Serious failure: the gateway or the server failed, or the answer was cut.
	}
}

// describe is status and reason codes.
func describe(r Record) string {
	s := "cut"
	if r.Status != 0 {
		s = strconv.Itoa(r.Status)
	}
	for _, reason := range r.Reasons {
		s += " " + reason
	}
	return s
}

// event is an AuditEvent under construction.
type event struct{ b []byte }

func (e *event) raw(s string)  { e.b = append(e.b, s...) }
func (e *event) text(s string) { e.b = wire.AppendString(e.b, s) }

// member appends ,"name":"value".
func (e *event) member(name, value string) {
	e.raw(`,"`)
	e.raw(name)
	e.raw(`":`)
	e.text(value)
}

func (e *event) coding(system, code, display string) {
	e.raw(`{"system":"`)
	e.raw(system)
	e.raw(`","code":`)
	e.text(code)
	if display != "" {
		e.member("display", display)
	}
	e.raw(`}`)
}

func (e *event) purposes(name string, codes []string) {
	if len(codes) == 0 {
		return
	}
	e.raw(`,"` + name + `":[`)
	for i, code := range codes {
		e.comma(i)
		e.raw(`{"coding":[`)
		e.coding(systemReason, code, "")
		e.raw(`]}`)
	}
	e.raw(`]`)
}

func (e *event) comma(i int) {
	if i > 0 {
		e.raw(`,`)
	}
}

// agents are who asked, with which application, and the gateway itself. As in
// BALP the source is where the data comes from: the gateway for a read, the
// application for a write.
func (e *event) agents(r Record) {
	user, client, gateway := "IRCP", "110152", "110153" // Information recipient, destination, source.
	switch actionOf(r.Interaction) {
	case "C", "U", "D":
		user, client, gateway = "AUT", gateway, client // Author.
	}
	e.raw(`,"agent":[`)
	e.agent(systemParticipation, user)
	e.roles(r)
	e.who(r.Issuer, r.Subject)
	e.raw(`,"requestor":true`)
	e.purposes("purposeOfUse", r.PurposeOfUse)
	e.raw(`},`)
	if r.Client != "" {
		e.agent(systemDICOM, client)
		e.who(r.Issuer, r.Client)
		e.raw(`,"requestor":false},`)
	}
	e.agent(systemDICOM, gateway)
	e.raw(`,"who":{"display":"fhirgate"},"requestor":false}]`)
}

// agent opens an agent of a type.
func (e *event) agent(system, code string) {
	e.raw(`{"type":{"coding":[`)
	e.coding(system, code, "")
	e.raw(`]}`)
}

// roles are the one asked for, or else all.
func (e *event) roles(r Record) {
	roles := r.Roles
	if r.ActAs != "" {
		roles = []string{r.ActAs}
	}
	first := true
	for _, role := range roles {
		if role == "" {
			continue
		}
		if first {
			e.raw(`,"role":[`)
		} else {
			e.raw(`,`)
		}
		first = false
		e.raw(`{"text":`)
		e.text(role)
		e.raw(`}`)
	}
	if !first {
		e.raw(`]`)
	}
}

func (e *event) who(issuer, value string) {
	if value == "" {
		e.raw(`,"who":{"display":"anonymous"}`)
		return
	}
	e.raw(`,"who":{"identifier":{`)
	if issuer != "" {
		e.raw(`"system":`)
		e.text(issuer)
		e.raw(`,`)
	}
	e.raw(`"value":`)
	e.text(value)
	e.raw(`}}`)
}

// entities are the query, the resources and the request.
func (e *event) entities(r Record) {
	e.raw(`,"entity":[`)
	if len(r.Params) > 0 || actionOf(r.Interaction) == "E" && r.ResourceType != "" {
		e.raw(`{"type":`)
		e.coding(systemEntity, "2", "System Object")
		e.raw(`,"role":`)
		e.coding(systemRole, "24", "Query")
		e.raw(`,"query":"`)
		e.b = base64.StdEncoding.AppendEncode(e.b, query(r))
		e.raw(`"},`)
	}
	for _, res := range r.Resources {
		e.resource(res)
	}
	e.raw(`{"type":`)
	e.coding(systemBALP, "XrequestId", "")
	if r.RequestID != "" {
		e.raw(`,"what":{"identifier":{"value":`)
		e.text(r.RequestID)
		e.raw(`}}`)
	}
	e.details(r)
	e.raw(`}]`)
}

// query is the search without its values.
func query(r Record) []byte {
	q := append([]byte(nil), r.ResourceType...)
	for i, name := range r.Params {
		if i == 0 {
			q = append(q, '?')
		} else {
			q = append(q, '&')
		}
		q = append(append(q, name...), '=')
	}
	return q
}

// resource is one entity: a Patient is a person, anything else a domain resource.
func (e *event) resource(res Resource) {
	if !isCode(res.Type) || !isID(res.ID) {
		return
	}
	e.raw(`{"what":{"reference":"`)
	e.raw(res.Type)
	e.raw(`/`)
	e.raw(res.ID)
	if isID(res.VersionID) {
		e.raw(`/_history/`)
		e.raw(res.VersionID)
	}
	e.raw(`"},"type":`)
	if res.Type == "Patient" {
		e.coding(systemEntity, "1", "Person")
		e.raw(`,"role":`)
		e.coding(systemRole, "1", "Patient")
	} else {
		e.coding(systemEntity, "2", "System Object")
		e.raw(`,"role":`)
		e.coding(systemRole, "4", "Domain Resource")
	}
	e.raw(`},`)
}

// details are what FHIR has no element for.
func (e *event) details(r Record) {
	e.raw(`,"detail":[`)
	e.detail("duration-ms", strconv.FormatInt(r.Duration.Milliseconds(), 10))
	for _, d := range []struct{ name, value string }{{"trace-id", r.TraceID}, {"policy-revision", r.Revision}} {
		if d.value != "" {
			e.raw(`,`)
			e.detail(d.name, d.value)
		}
	}
	for _, d := range []struct {
		name string
		n    int
	}{{"seen", r.Seen}, {"visible", r.Visible}, {"withheld", r.Withheld}, {"masked", r.Masked}, {"upstream-calls", r.UpstreamCalls}} {
		if d.n != 0 {
			e.raw(`,`)
			e.detail(d.name, strconv.Itoa(d.n))
		}
	}
	e.raw(`]`)
}

func (e *event) detail(name, value string) {
	e.raw(`{"type":"`)
	e.raw(name)
	e.raw(`","valueString":`)
	e.text(value)
	e.raw(`}`)
}
