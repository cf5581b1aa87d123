package data

import (
	"slices"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

func TestPeople(t *testing.T) {
	all := storyByReference(t)
	people := People()
	names, subjects := map[string]bool{}, map[string]bool{}
	for _, p := range people {
		if names[p.Name] || subjects[p.Subject] || p.Subject == "" {
			t.Errorf("%s: name or subject isn't unique", p.Name)
		}
		names[p.Name], subjects[p.Subject] = true, true
		if p.Display == "" || p.Description == "" || strings.Contains(p.Description, "\n") || len(p.Scopes) == 0 {
			t.Errorf("%s: incomplete", p.Name)
		}
		if p.FHIRUser != "" && all[p.FHIRUser] == nil {
			t.Errorf("%s: no %s", p.Name, p.FHIRUser)
		}
		if p.LaunchPatient != "" && all["Patient/"+p.LaunchPatient] == nil {
			t.Errorf("%s: no Patient/%s", p.Name, p.LaunchPatient)
		}
		if slices.Contains(p.Roles, "patient") != (p.FHIRUser == "Patient/"+p.LaunchPatient) {
			t.Errorf("%s: a patient is launched with the own record", p.Name)
		}
		checkExample(t, p, all)
	}
	for _, name := range []string{"patient", "practitioner", "relatedperson", "researcher", "admin"} {
		if !names[name] {
			t.Errorf("no %s", name)
		}
	}
}

// checkExample demands a path to a resource that is there, or a search with parameters that exist.
func checkExample(t *testing.T, p Person, all map[string]map[string]any) {
	t.Helper()
	target, query, isSearch := strings.Cut(p.Example, "?")
	if !isSearch {
		if all[target] == nil {
			t.Errorf("%s: no %s", p.Name, target)
		}
		return
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if _, ok := definitions.R4().SearchParameter(target, name); !ok && name != "_count" {
			t.Errorf("%s: %s has no search parameter %s", p.Name, target, name)
		}
		if strings.Contains(value, "/") && all[value] == nil {
			t.Errorf("%s: no %s", p.Name, value)
		}
	}
}

func TestPeopleIsACopy(t *testing.T) {
	People()[0].Name = "changed"
	if People()[0].Name == "changed" {
		t.Error("a caller can change the people")
	}
}
