package mask

import (
	"errors"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	for _, tc := range []struct {
		name, resourceType string
		masks              []string
		stored, incoming   string
		want               string
		err                error
	}{
		{
			name: "unchanged", masks: []string{`{"path":"Patient.birthDate","action":"remove"}`},
			stored:   `{"resourceType":"Patient", "birthDate":"1980", "gender":"male"}`,
			incoming: `{"gender":"male","resourceType":"Patient","meta":{"security":[` + redacted + `]}}`,
			want:     `{"resourceType":"Patient", "birthDate":"1980", "gender":"male"}`,
		},
		{
			name: "hidden kept, shown changed, added and deleted", masks: []string{`{"path":"Patient.birthDate","action":"remove"}`},
			stored:   `{"resourceType":"Patient","birthDate":"1980","_birthDate":{"id":"i"},"gender":"male","photo":[{"url":"u"}]}`,
			incoming: `{"resourceType":"Patient","gender":"female","active":true}`,
			want:     `{"resourceType":"Patient","birthDate":"1980","_birthDate":{"id":"i"},"gender":"female","active":true}`,
		},
		{
			name: "a write to what is hidden", masks: []string{`{"path":"Patient.birthDate","action":"remove"}`},
			stored: `{"resourceType":"Patient","birthDate":"1980"}`, incoming: `{"resourceType":"Patient","birthDate":"1990"}`, err: ErrHidden,
		},
		{
			name: "a write to what would be hidden", masks: []string{`{"path":"Patient.birthDate","action":"remove"}`},
			stored: `{"resourceType":"Patient"}`, incoming: `{"resourceType":"Patient","birthDate":"1990"}`, err: ErrHidden,
		},
		{
			name: "the hidden value itself", masks: []string{`{"path":"Patient.birthDate","action":"remove"}`},
			stored: `{"resourceType":"Patient","birthDate":"1980"}`, incoming: `{"resourceType":"Patient","birthDate":"1980"}`, err: ErrHidden,
		},
		{
			name: "a truncated value comes back", masks: []string{`{"path":"Patient.birthDate","action":"truncate","to":"year"}`},
			stored: `{"resourceType":"Patient","birthDate":"1980-01-02","gender":"male"}`, incoming: `{"resourceType":"Patient","birthDate":"1980"}`,
			want: `{"resourceType":"Patient","birthDate":"1980-01-02"}`,
		},
		{
			name: "a truncated value is deleted", masks: []string{`{"path":"Patient.birthDate","action":"truncate","to":"year"}`},
			stored: `{"resourceType":"Patient","birthDate":"1980-01-02"}`, incoming: `{"resourceType":"Patient","gender":"male"}`, err: ErrHidden,
		},
		{
			name: "a required placeholder comes back", resourceType: "Observation", masks: []string{`{"path":"Observation.code","action":"remove"}`},
			stored: `{"resourceType":"Observation","status":"final","code":{"text":"c"}}`, incoming: `{"resourceType":"Observation","status":"amended","code":` + absent + `}`,
			want: `{"resourceType":"Observation","status":"amended","code":{"text":"c"}}`,
		},
		{
			name: "a required placeholder is filled", resourceType: "Observation", masks: []string{`{"path":"Observation.code","action":"remove"}`},
			stored: `{"resourceType":"Observation","status":"final","code":{"text":"c"}}`, incoming: `{"resourceType":"Observation","status":"final","code":{"text":"d"}}`, err: ErrHidden,
		},
		{
			name: "a placeholder copied elsewhere", resourceType: "Observation", masks: []string{`{"path":"Observation.code","action":"remove"}`},
			stored:   `{"resourceType":"Observation","status":"final","code":{"text":"c"}}`,
			incoming: `{"resourceType":"Observation","status":"final","code":` + absent + `,"method":` + absent + `}`, err: ErrAmbiguous,
		},
		{
			name: "narrative", masks: []string{`{"path":"Patient.birthDate","action":"remove"}`},
			stored: `{"resourceType":"Patient","text":{"status":"generated","div":"d"},"gender":"male"}`, incoming: `{"resourceType":"Patient","gender":"female"}`,
			want: `{"resourceType":"Patient","text":{"status":"generated","div":"d"},"gender":"female"}`,
		},
		{
			name: "narrative sent", masks: []string{`{"path":"Patient.birthDate","action":"remove"}`},
			stored: `{"resourceType":"Patient"}`, incoming: `{"resourceType":"Patient","text":{"status":"generated","div":"d"}}`, err: ErrHidden,
		},
		{
			name: "label not stored", masks: []string{`{"path":"Patient.birthDate","action":"remove"}`},
			stored:   `{"resourceType":"Patient","meta":{"security":[{"code":"R"}]}}`,
			incoming: `{"resourceType":"Patient","meta":{"security":[{"code":"R"},` + redacted + `,{"code":"V"}]},"gender":"male"}`,
			want:     `{"resourceType":"Patient","meta":{"security":[{"code":"R"},{"code":"V"}]},"gender":"male"}`,
		},
		{
			name: "label stored", masks: []string{`{"path":"Patient.birthDate","action":"remove"}`},
			stored:   `{"resourceType":"Patient","meta":{"security":[` + redacted + `]}}`,
			incoming: `{"resourceType":"Patient","gender":"male"}`,
			want:     `{"resourceType":"Patient","gender":"male","meta":{"security":[` + redacted + `]}}`,
		},
		{
			name: "arrays: an item changed, one appended", masks: []string{`{"path":"Patient.name.family","action":"remove"}`},
			stored:   `{"resourceType":"Patient","name":[{"family":"F","given":["A"],"use":"usual"},{"family":"H"},{"family":"G","given":["B"]}]}`,
			incoming: `{"resourceType":"Patient","name":[{"given":["C"],"use":"usual"},{"given":["B"]},{"given":["N"]}]}`,
			want:     `{"resourceType":"Patient","name":[{"family":"F","given":["C"],"use":"usual"},{"family":"H"},{"family":"G","given":["B"]},{"given":["N"]}]}`,
		},
		{
			name: "arrays: removal", masks: []string{`{"path":"Patient.name.family","action":"remove"}`},
			stored:   `{"resourceType":"Patient","name":[{"family":"F","given":["A"]},{"family":"G","given":["B"]}]}`,
			incoming: `{"resourceType":"Patient","name":[{"given":["A"]}]}`, err: ErrAmbiguous,
		},
		{
			name: "arrays: all removed", masks: []string{`{"path":"Patient.name.family","action":"remove"}`},
			stored: `{"resourceType":"Patient","name":[{"family":"F","given":["A"]}]}`, incoming: `{"resourceType":"Patient"}`, err: ErrAmbiguous,
		},
		{
			name: "arrays: new order", masks: []string{`{"path":"Patient.name.family","action":"remove"}`},
			stored:   `{"resourceType":"Patient","name":[{"family":"F","given":["A"]},{"family":"G","given":["B"]}]}`,
			incoming: `{"resourceType":"Patient","name":[{"given":["B"]},{"given":["A"]}]}`, err: ErrAmbiguous,
		},
		{
			name: "arrays: inserted before", masks: []string{`{"path":"Patient.name.family","action":"remove"}`},
			stored:   `{"resourceType":"Patient","name":[{"family":"F","given":["A"]}]}`,
			incoming: `{"resourceType":"Patient","name":[{"given":["N"]},{"given":["A"]}]}`, err: ErrAmbiguous,
		},
		{
			name: "arrays: appended with a hidden element", masks: []string{`{"path":"Patient.name.family","action":"remove"}`},
			stored:   `{"resourceType":"Patient","name":[{"family":"F","given":["A"]}]}`,
			incoming: `{"resourceType":"Patient","name":[{"given":["A"]},{"family":"N"}]}`, err: ErrHidden,
		},
		{
			name: "arrays that the mask can't touch", masks: []string{`{"path":"Patient.name.family","action":"remove"}`},
			stored:   `{"resourceType":"Patient","telecom":[{"value":"1"},{"value":"2"}]}`,
			incoming: `{"resourceType":"Patient","telecom":[{"value":"2"}]}`,
			want:     `{"resourceType":"Patient","telecom":[{"value":"2"}]}`,
		},
		{
			name: "hidden items keep their places", masks: []string{`{"path":"Patient.identifier.where(system='s')","action":"remove"}`},
			stored:   `{"resourceType":"Patient","identifier":[{"system":"s","value":"1"},{"system":"t","value":"2"},{"system":"s","value":"3"}]}`,
			incoming: `{"resourceType":"Patient","identifier":[{"system":"t","value":"9"},{"system":"u"}]}`,
			want:     `{"resourceType":"Patient","identifier":[{"system":"s","value":"1"},{"system":"t","value":"9"},{"system":"s","value":"3"},{"system":"u"}]}`,
		},
		{
			name: "hidden items keep their places when nothing shown is changed", masks: []string{`{"path":"Patient.identifier.where(system='s')","action":"remove"}`},
			stored:   `{"resourceType":"Patient","identifier":[{"system":"s","value":"1"},{"system":"t","value":"2"},{"system":"s","value":"3"}]}`,
			incoming: `{"resourceType":"Patient","identifier":[{"system":"t","value":"2"},{"system":"u"}]}`,
			want:     `{"resourceType":"Patient","identifier":[{"system":"s","value":"1"},{"system":"t","value":"2"},{"system":"s","value":"3"},{"system":"u"}]}`,
		},
		{
			name: "an item that would be hidden", masks: []string{`{"path":"Patient.identifier.where(system='s')","action":"remove"}`},
			stored: `{"resourceType":"Patient"}`, incoming: `{"resourceType":"Patient","identifier":[{"system":"s","value":"9"}]}`, err: ErrHidden,
		},
		{
			name: "a condition's answer changed", masks: []string{`{"path":"Patient.name.where(use='official').family","action":"truncate","to":1}`},
			stored:   `{"resourceType":"Patient","name":[{"use":"official","family":"Foo"}]}`,
			incoming: `{"resourceType":"Patient","name":[{"use":"usual","family":"F"}]}`, err: ErrAmbiguous,
		},
		{
			name: "one type of a choice", resourceType: "Observation", masks: []string{`{"path":"Observation.valueQuantity","action":"remove"}`},
			stored: `{"resourceType":"Observation","valueQuantity":{"value":1.0}}`, incoming: `{"resourceType":"Observation","valueString":"s"}`, err: ErrAmbiguous,
		},
		{
			name: "a hidden choice", resourceType: "Observation", masks: []string{`{"path":"Observation.value","action":"remove"}`},
			stored: `{"resourceType":"Observation"}`, incoming: `{"resourceType":"Observation","valueString":"s"}`, err: ErrHidden,
		},
		{
			name: "an object deleted of which a part is hidden", masks: []string{`{"path":"Patient.maritalStatus.text","action":"remove"}`},
			stored: `{"resourceType":"Patient","maritalStatus":{"text":"t","coding":[{"code":"M"}]}}`, incoming: `{"resourceType":"Patient"}`,
			want: `{"resourceType":"Patient","maritalStatus":{"text":"t"}}`,
		},
		{
			name: "an object added where a hidden one may be", masks: []string{`{"path":"Patient.maritalStatus.text","action":"remove"}`},
			stored: `{"resourceType":"Patient","maritalStatus":{"text":"t"}}`, incoming: `{"resourceType":"Patient","maritalStatus":{"coding":[{"code":"M"}]}}`,
			want: `{"resourceType":"Patient","maritalStatus":{"text":"t","coding":[{"code":"M"}]}}`,
		},
		{
			name: "contained", resourceType: "Observation", masks: []string{`{"path":"Patient.name","action":"remove"}`},
			stored:   `{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"c","name":[{"family":"F"}],"gender":"male"}]}`,
			incoming: `{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"c","gender":"female"}]}`,
			want:     `{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"c","name":[{"family":"F"}],"gender":"female"}]}`,
		},
		{
			name: "a condition on what is hidden: only what wasn't changed", resourceType: "Observation",
			masks:  []string{`{"path":"Observation.where(code.coding.code='x').code","action":"remove"}`, `{"path":"Observation.where(code.coding.code='x').value","action":"remove"}`},
			stored: `{"resourceType":"Observation","code":{"coding":[{"code":"x"}]}}`, incoming: `{"resourceType":"Observation","status":"final","code":` + absent + `}`, err: ErrAmbiguous,
		},
		{
			name: "another type", stored: `{"resourceType":"Patient"}`, incoming: `{"resourceType":"Observation"}`, err: ErrResource,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resourceType := tc.resourceType
			if resourceType == "" {
				resourceType = "Patient"
			}
			got, err := compile(t, resourceType, rules(t, tc.masks...)).Merge([]byte(tc.stored), []byte(tc.incoming), testKeys(t))
			if !errors.Is(err, tc.err) {
				t.Fatalf("got %v, want %v", err, tc.err)
			}
			if tc.err == nil && string(got) != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestMergePseudonyms(t *testing.T) {
	k := testKeys(t)
	m := compile(t, "Patient", []Rule{{Path: "Patient.id", Action: Pseudonymize}})
	id, err := k.Pseudonym.ID("Patient", "p1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Merge([]byte(`{"resourceType":"Patient","id":"p1","gender":"male"}`), []byte(`{"resourceType":"Patient","id":"`+id+`","gender":"female"}`), k)
	if want := `{"resourceType":"Patient","id":"p1","gender":"female"}`; err != nil || string(got) != want {
		t.Errorf("%v, %s", err, got)
	}
	if _, err = m.Merge([]byte(`{"resourceType":"Patient","id":"p1"}`), []byte(`{"resourceType":"Patient","id":"p1","gender":"female"}`), k); !errors.Is(err, ErrHidden) {
		t.Errorf("the id itself: %v", err)
	}
}

func TestCheckNew(t *testing.T) {
	k := testKeys(t)
	id, err := k.Pseudonym.ID("Patient", "p1")
	if err != nil {
		t.Fatal(err)
	}
	m := compile(t, "Patient", rules(t, `{"path":"Patient.name.family","action":"hash"}`, `{"path":"Patient.gender","action":"generalize","map":{"male":"unknown"}}`,
		`{"path":"Patient.maritalStatus","action":"replace","value":{"text":"withheld"}}`, `{"path":"Patient.birthDate","action":"remove"}`))
	masked := apply(t, m, `{"resourceType":"Patient","name":[{"family":"F"}]}`)
	hash := masked[strings.Index(masked, hashPrefix):][:hashText]
	for _, tc := range []struct {
		doc  string
		want error
	}{
		{`{"resourceType":"Patient","birthDate":"1980","gender":"male","name":[{"family":"F"}],"maritalStatus":{"text":"x"},"text":{"status":"generated","div":"d"}}`, nil},
		{masked, ErrPlaceholder},
		{`{"resourceType":"Patient","id":"` + id + `"}`, ErrPlaceholder},
		{`{"resourceType":"Patient","link":[{"other":{"reference":"Patient/` + id + `"}}]}`, ErrPlaceholder},
		{`{"resourceType":"Patient","identifier":[{"value":"` + k.Pseudonym.Value("v") + `"}]}`, ErrPlaceholder},
		{`{"resourceType":"Patient","address":[{"city":"` + hash + `"}]}`, ErrPlaceholder},
		{`{"resourceType":"Patient","_birthDate":` + absent + `}`, ErrPlaceholder},
		{`{"resourceType":"Patient","meta":{"security":[` + redacted + `]}}`, ErrPlaceholder},
		{`{"resourceType":"Patient","gender":"unknown"}`, ErrPlaceholder},
		{`{"resourceType":"Patient","maritalStatus":{"text":"withheld"}}`, ErrPlaceholder},
		{`{"resourceType":"Observation"}`, ErrResource},
	} {
		if err := m.CheckNew([]byte(tc.doc), k); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.doc, err, tc.want)
		}
	}
}
