package audit

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

func full() Record {
	return Record{
		Time: time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.FixedZone("x", 3600)), Duration: 1500 * time.Microsecond,
		RequestID: "req-1", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", Upstream: "main", Interaction: "search-type", ResourceType: "Observation",
		Params: []string{"patient", "code:in", "_count"}, Issuer: "https://idp.example", Subject: "sub \"1\"", Client: "app-1",
		Roles: []string{"practitioner", "Domain Users"}, ActAs: "practitioner", PurposeOfUse: []string{"TREAT", "BTG"}, Status: 200,
		Reasons: []string{"role-grants"}, Revision: "rev-7", Seen: 10, Visible: 7, Withheld: 3, Masked: 2,
		Resources:     []Resource{{Type: "Patient", ID: "p1", VersionID: "3"}, {Type: "Observation", ID: "o-1.a"}},
		UpstreamCalls: 4,
	}
}

// conforms checks value against the R4 definition of a type: known properties,
// lists where lists belong, what is required.
func conforms(t *testing.T, defs *definitions.Definitions, typeName, path string, value any) {
	t.Helper()
	typ, ok := defs.Type(typeName)
	if !ok {
		t.Fatalf("%s: no type %s", path, typeName)
	}
	object, isObject := value.(map[string]any)
	if typ.Kind == definitions.Primitive {
		if isObject || value == nil || value == "" {
			t.Errorf("%s is no %s: %v", path, typeName, value)
		}
		return
	}
	if !isObject || len(object) == 0 {
		t.Fatalf("%s is no object", path)
	}
	for name, v := range object {
		if name == "resourceType" {
			continue
		}
		el, elType, ok := typ.Property(name)
		if !ok {
			t.Errorf("%s has no %s", path, name)
			continue
		}
		list, isList := v.([]any)
		if isList != el.Repeats() || isList && len(list) == 0 {
			t.Errorf("%s.%s: list %v, want %v", path, name, v, el.Repeats())
			continue
		}
		if !isList {
			list = []any{v}
		}
		for i, item := range list {
			conforms(t, defs, elType, fmt.Sprintf("%s.%s[%d]", path, name, i), item)
		}
	}
	for _, el := range typ.Elements {
		if _, there := object[el.Name]; el.Min > 0 && !el.Choice && !there {
			t.Errorf("%s.%s is missing", path, el.Name)
		}
	}
}

func TestAuditEventIsR4(t *testing.T) {
	defs := definitions.R4()
	for name, r := range map[string]Record{
		"full": full(), "empty": {}, "anonymous": {Interaction: "read", ResourceType: "Patient", Status: 401},
		"create": {Interaction: "create", Client: "c", Status: 201}, "many": {Resources: make([]Resource, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			event := AuditEvent(r)
			if err := wire.Check(event, wire.Limits{}); err != nil {
				t.Fatalf("%v in %s", err, event)
			}
			var v map[string]any
			if err := json.Unmarshal(event, &v); err != nil {
				t.Fatal(err)
			}
			if v["resourceType"] != "AuditEvent" {
				t.Errorf("resourceType is %v", v["resourceType"])
			}
			conforms(t, defs, "AuditEvent", "AuditEvent", v)
		})
	}
}

func TestAuditEventContent(t *testing.T) {
	const want = `{"resourceType":"AuditEvent",` +
		`"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest","display":"RESTful Operation"},` +
		`"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"search-type"}],` +
		`"action":"E","recorded":"2026-03-01T11:00:00.123Z","outcome":"0","outcomeDesc":"200 role-grants",` +
		`"purposeOfEvent":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}]},` +
		`{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"BTG"}]}],` +
		`"agent":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},` +
		`"role":[{"text":"practitioner"}],"who":{"identifier":{"system":"https://idp.example","value":"sub \"1\""}},"requestor":true,` +
		`"purposeOfUse":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}]},` +
		`{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"BTG"}]}]},` +
		`{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110152"}]},` +
		`"who":{"identifier":{"system":"https://idp.example","value":"app-1"}},"requestor":false},` +
		`{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153"}]},"who":{"display":"fhirgate"},"requestor":false}],` +
		`"source":{"site":"main","observer":{"display":"fhirgate"},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server"}]},` +
		`"entity":[{"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},` +
		`"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"24","display":"Query"},"query":"T2JzZXJ2YXRpb24/cGF0aWVudD0mY29kZTppbj0mX2NvdW50PQ=="},` +
		`{"what":{"reference":"Patient/p1/_history/3"},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1","display":"Person"},` +
		`"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1","display":"Patient"}},` +
		`{"what":{"reference":"Observation/o-1.a"},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},` +
		`"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"4","display":"Domain Resource"}},` +
		`{"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"},"what":{"identifier":{"value":"req-1"}},` +
		`"detail":[{"type":"duration-ms","valueString":"1"},{"type":"trace-id","valueString":"4bf92f3577b34da6a3ce929d0e0e4736"},` +
		`{"type":"policy-revision","valueString":"rev-7"},{"type":"seen","valueString":"10"},{"type":"visible","valueString":"7"},` +
		`{"type":"withheld","valueString":"3"},{"type":"masked","valueString":"2"},{"type":"upstream-calls","valueString":"4"}]}]}`
	if got := string(AuditEvent(full())); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	query, err := base64.StdEncoding.DecodeString("T2JzZXJ2YXRpb24/cGF0aWVudD0mY29kZTppbj0mX2NvdW50PQ==")
	if err != nil || string(query) != "Observation?patient=&code:in=&_count=" {
		t.Errorf("the query is %q, %v", query, err)
	}
}

func TestCodes(t *testing.T) {
	for _, tc := range []struct{ interaction, action, subtype string }{
		{"read", "R", "read"},
		{"vread", "R", "vread"},
		{"search-type", "E", "search-type"},
		{"search-system", "E", "search-system"},
		{"search-compartment", "E", "search"},
		{"history-instance", "R", "history-instance"},
		{"create", "C", "create"},
		{"update", "U", "update"},
		{"delete", "D", "delete"},
		{"capabilities", "R", "capabilities"},
		{"", "E", ""},
		{unusual, "E", ""},
	} {
		if a, s := actionOf(tc.interaction), subtypeOf(tc.interaction); a != tc.action || s != tc.subtype {
			t.Errorf("%q: %s %s, want %s %s", tc.interaction, a, s, tc.action, tc.subtype)
		}
	}
	for status, want := range map[int]string{200: "0", 201: "0", 304: "0", 400: "4", 403: "4", 404: "4", 429: "4", 500: "8", 502: "8", 0: "8", 100: "8"} {
		if got := outcomeOf(status); got != want {
			t.Errorf("status %d: outcome %s, want %s", status, got, want)
		}
	}
}

// FuzzRecord holds that whatever a client wrote freely is not in the event
// unless it has the form of a code, and that the event is JSON always.
func FuzzRecord(f *testing.F) {
	f.Add("Doe John", "a b")
	f.Add("1970-01-01", "x\x00")
	f.Add("\xff\xfe", "\u2028\"")
	f.Add("..", "/")
	f.Fuzz(func(t *testing.T, free, verified string) {
		with := func(free string) Record {
			return Record{
				RequestID: free, TraceID: free, Interaction: free, ResourceType: free, Params: []string{"ok", free}, ActAs: free,
				PurposeOfUse: []string{free}, Reasons: []string{free}, Resources: []Resource{{free, free, free}, {"Patient", free, free}},
				Issuer: verified, Subject: verified, Client: verified, Roles: []string{verified}, Revision: verified, Upstream: verified,
			}
		}
		r := with(free)
		event := AuditEvent(r)
		if err := wire.Check(event, wire.Limits{}); err != nil {
			t.Fatalf("%v in %q", err, event)
		}
		without := string(AuditEvent(with(unusual)))
		quoted := string(wire.AppendString(nil, free))
		if !isCode(free) && !isID(free) && strings.Contains(string(event), quoted) && !strings.Contains(without, quoted) {
			t.Fatalf("%q is in %s", free, event)
		}
		if r.Params[1] != free || r.Reasons[0] != free {
			t.Fatal("the caller's record has changed")
		}
	})
}
