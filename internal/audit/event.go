package audit

import (
	"encoding/base64"
	"strconv"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// The parts of an AuditEvent that never change, from the code systems that FHIR
// R4 and IHE BALP use.
const (
	opening = `{"resourceType":"AuditEvent","type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest","display":"RESTful Operation"}`
	subtype = `,"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":`
	purpose = `{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":`

	agentUser   = `{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":`
	agentSource = `{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153"}]}`
	agentTarget = `{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110152"}]}`

	observer = `"observer":{"display":"fhirgate"},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server"}]}`

	object    = `"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":`
	asQuery   = object + `"24","display":"Query"}`
	asDomain  = object + `"4","display":"Domain Resource"}`
	asPatient = `"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1","display":"Person"},` +
		`"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1","display":"Patient"}`
	asRequest = `"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"}`
)

// AuditEvent is r as a FHIR R4 AuditEvent in JSON, in the manner of IHE Basic
// Audit Log Patterns: the user, the application and the gateway as agents; the
// query (names of parameters only), each resource and the request as entities.
func AuditEvent(r Record) []byte { return build(r.cleaned()) }

func build(r Record) []byte {
	e := event{make([]byte, 0, 3072+256*len(r.Resources))}
	e.raw(opening)
	if code := subtypeOf(r.Interaction); code != "" {
		e.raw(subtype)
		e.text(code)
		e.raw(`}]`)
	}
	e.raw(`,"action":"`)
	e.raw(actionOf(r.Interaction))
	e.raw(`","recorded":"`)
	e.b = r.Time.UTC().AppendFormat(e.b, "2006-01-02T15:04:05.000Z")
	e.raw(`","outcome":"`)
	e.raw(outcomeOf(r.Status))
	e.raw(`","outcomeDesc":"`)
	e.outcome(r)
	e.raw(`"`)
	e.purposes(`,"purposeOfEvent":[`, r.PurposeOfUse)
	e.agents(r)
	e.raw(`,"source":{`)
	if r.Upstream != "" {
		e.raw(`"site":`)
		e.text(r.Upstream)
		e.raw(`,`)
	}
	e.raw(observer)
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

// event is an AuditEvent under construction.
type event struct{ b []byte }

func (e *event) raw(s string)  { e.b = append(e.b, s...) }
func (e *event) text(s string) { e.b = wire.AppendString(e.b, s) }

// outcome is status and reason codes, which need no escape.
func (e *event) outcome(r Record) {
	if r.Status == 0 {
		e.raw("cut")
	} else {
		e.b = strconv.AppendInt(e.b, int64(r.Status), 10)
	}
	for _, reason := range r.Reasons {
		if reason != "" {
			e.raw(" ")
			e.raw(reason)
		}
	}
}

func (e *event) purposes(open string, codes []string) {
	first := true
	for _, code := range codes {
		if code == "" {
			continue
		}
		e.raw(pick(first, open, `,`))
		first = false
		e.raw(purpose)
		e.text(code)
		e.raw(`}]}`)
	}
	e.raw(pick(first, ``, `]`))
}

// pick is yes when first, and no otherwise.
func pick(first bool, yes, no string) string {
	if first {
		return yes
	}
	return no
}

// agents are who asked, with which application, and the gateway itself. As in
// BALP the source is where the data comes from: the gateway for a read, the
// application for a write.
func (e *event) agents(r Record) {
	user, client, gateway := `"IRCP"}]}`, agentTarget, agentSource // An information recipient.
	switch actionOf(r.Interaction) {
	case "C", "U", "D":
		user, client, gateway = `"AUT"}]}`, agentSource, agentTarget // An author.
	}
	e.raw(`,"agent":[`)
	e.raw(agentUser)
	e.raw(user)
	e.roles(r)
	e.who(r.Issuer, r.Subject)
	e.raw(`,"requestor":true`)
	e.purposes(`,"purposeOfUse":[`, r.PurposeOfUse)
	e.raw(`},`)
	if r.Client != "" {
		e.raw(client)
		e.who(r.Issuer, r.Client)
		e.raw(`,"requestor":false},`)
	}
	e.raw(gateway)
	e.raw(`,"who":{"display":"fhirgate"},"requestor":false}]`)
}

// roles are the one asked for, or else all.
func (e *event) roles(r Record) {
	if r.ActAs != "" {
		e.raw(`,"role":[{"text":`)
		e.text(r.ActAs)
		e.raw(`}]`)
		return
	}
	first := true
	for _, role := range r.Roles {
		if role == "" {
			continue
		}
		e.raw(pick(first, `,"role":[{"text":`, `,{"text":`))
		first = false
		e.text(role)
		e.raw(`}`)
	}
	e.raw(pick(first, ``, `]`))
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
		e.raw(`{`)
		e.raw(asQuery)
		e.raw(`,"query":"`)
		var room [256]byte
		e.b = base64.StdEncoding.AppendEncode(e.b, appendQuery(room[:0], r))
		e.raw(`"},`)
	}
	for _, res := range r.Resources {
		e.resource(res)
	}
	e.raw(`{`)
	e.raw(asRequest)
	if r.RequestID != "" {
		e.raw(`,"what":{"identifier":{"value":`)
		e.text(r.RequestID)
		e.raw(`}}`)
	}
	e.details(r)
	e.raw(`}]`)
}

// appendQuery appends the search without its values.
func appendQuery(dst []byte, r Record) []byte {
	dst = append(dst, r.ResourceType...)
	for i, name := range r.Params {
		dst = append(dst, pick(i == 0, "?", "&")...)
		dst = append(append(dst, name...), '=')
	}
	return dst
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
	e.raw(`"},`)
	e.raw(pick(res.Type == "Patient", asPatient, asDomain))
	e.raw(`},`)
}

// details are what FHIR has no element for.
func (e *event) details(r Record) {
	e.raw(`,"detail":[{"type":"duration-ms","valueString":"`)
	e.b = strconv.AppendInt(e.b, r.Duration.Milliseconds(), 10)
	e.raw(`"}`)
	e.detail("trace-id", r.TraceID)
	e.detail("policy-revision", r.Revision)
	e.count("seen", r.Seen)
	e.count("visible", r.Visible)
	e.count("withheld", r.Withheld)
	e.count("masked", r.Masked)
	e.count("upstream-calls", r.UpstreamCalls)
	e.raw(`]`)
}

func (e *event) detail(name, value string) {
	if value == "" {
		return
	}
	e.raw(`,{"type":"`)
	e.raw(name)
	e.raw(`","valueString":`)
	e.text(value)
	e.raw(`}`)
}

func (e *event) count(name string, n int) {
	if n == 0 {
		return
	}
	e.raw(`,{"type":"`)
	e.raw(name)
	e.raw(`","valueString":"`)
	e.b = strconv.AppendInt(e.b, int64(n), 10)
	e.raw(`"}`)
}
