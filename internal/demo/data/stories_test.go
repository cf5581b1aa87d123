package data

import (
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestStoriesAreR4(t *testing.T) {
	s := readSet(t, Stories(), nil)
	for kind, atLeast := range map[string]int{
		"Patient": 20, "Practitioner": 10, "PractitionerRole": 10, "Organization": 1, "RelatedPerson": 5, "CareTeam": 20, "Encounter": 40, "Condition": 40,
		"Observation": 200, "MedicationRequest": 30, "AllergyIntolerance": 10, "DocumentReference": 20, "Binary": 20, "Consent": 10, "Group": 1, "Person": 1,
	} {
		if s.kinds[kind] < atLeast {
			t.Errorf("%d of %s, want at least %d", s.kinds[kind], kind, atLeast)
		}
	}
}

func TestEveryStoryFileIsRead(t *testing.T) {
	files, err := storyFiles.ReadDir("stories")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(file.Name(), path.Ext(file.Name())))
	}
	want := slices.Clone(storyOrder())
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("files %v, order %v", names, want)
	}
}

// storyByReference is all resources of the stories.
func storyByReference(t *testing.T) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	readSet(t, Stories(), func(resource map[string]any, _ []byte) {
		all[at(resource, "resourceType")+"/"+at(resource, "id")] = resource
	})
	return all
}

// at is the string at a way through objects and, for arrays, their first item; "" when there is none.
func at(value any, way ...string) string {
	for _, name := range way {
		if list, ok := value.([]any); ok {
			value = list[0]
		}
		object, ok := value.(map[string]any)
		if !ok {
			return ""
		}
		value = object[name]
	}
	text, _ := value.(string)
	return text
}

// TestWhoTreatsWhom holds what the package's documentation says about the practitioners, by the three ways in which the
// policy library counts somebody as a patient of theirs: general practitioner, current member of a current team, part in
// an open encounter.
func TestWhoTreatsWhom(t *testing.T) {
	all := storyByReference(t)
	for practitioner, want := range map[string][]string{
		"Practitioner/dr-okafor": {"anna-berg", "daniel-cohen", "george-whitfield", "marcus-reid"},
		"Practitioner/dr-haas":   {"luis-ortega", "sofia-marchetti"},
	} {
		patients := map[string]bool{}
		for _, resource := range all {
			if patient := treats(resource, practitioner); patient != "" {
				patients[strings.TrimPrefix(patient, "Patient/")] = true
			}
		}
		if got := slices.Sorted(maps.Keys(patients)); !slices.Equal(got, want) {
			t.Errorf("%s treats %v, want %v", practitioner, got, want)
		}
	}
}

// treats returns the patient whom the resource makes one of the practitioner's.
func treats(resource map[string]any, practitioner string) string {
	switch at(resource, "resourceType") {
	case "Patient":
		if at(resource, "generalPractitioner", "reference") == practitioner {
			return "Patient/" + at(resource, "id")
		}
	case "Encounter":
		if at(resource, "status") == "in-progress" && refersTo(resource["participant"], "individual", practitioner) {
			return at(resource, "subject", "reference")
		}
	case "CareTeam":
		if at(resource, "status") == "active" && at(resource, "period", "end") == "" && refersTo(resource["participant"], "member", practitioner) {
			return at(resource, "subject", "reference")
		}
	}
	return ""
}

func refersTo(list any, name, reference string) bool {
	items, _ := list.([]any)
	return slices.ContainsFunc(items, func(item any) bool { return at(item, name, "reference") == reference })
}

func TestStoriesAreLabelled(t *testing.T) {
	labels := map[string]int{}
	for _, resource := range storyByReference(t) {
		meta, _ := resource["meta"].(map[string]any)
		codings(meta, func(_, code string) { labels[code]++ })
	}
	for _, label := range []string{"R", "V", "PSY", "HIV", "ETH", "SEX"} {
		if labels[label] == 0 {
			t.Errorf("nothing is labelled %s", label)
		}
	}
}

func TestStoriesReadsAnew(t *testing.T) {
	first, err := io.ReadAll(Stories())
	if err != nil {
		t.Fatal(err)
	}
	second, err := io.ReadAll(Stories())
	if err != nil {
		t.Fatal(err)
	}
	if len(first) == 0 || string(first) != string(second) {
		t.Errorf("%d bytes, then %d", len(first), len(second))
	}
}
