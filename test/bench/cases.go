package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
)

// benchCase is something that clients do.
type benchCase struct {
	name   string
	people []string
	// goal is the least ratio to the bare proxy; 0: none is set.
	goal float64
	// shared says that all clients change one resource: only a server whose version
	// stays the same can answer that.
	shared bool
	// share of the usual length of a round, for what grows the store behind.
	share float64
	// prepare makes a worker ready; step is what is measured, its answer checked.
	prepare, step func(ctx context.Context, w *worker) error
}

// rowsSeen is how many of the searched rows a person may see: five are another
// patient's, five are labelled R. The bare proxy shows them all.
func rowsSeen(person string) int {
	switch person {
	case "practitioner":
		return searchRows - 10
	case "patient", "researcher":
		return searchRows - 5
	}
	return searchRows
}

// hidden are texts that must be in no answer for a person, shown those that must.
func hidden(person string) (hidden, shown []string) {
	switch person {
	case "practitioner":
		return []string{maidenName, `"photo"`, restrictedNote}, []string{"Anna"}
	case "patient":
		return []string{restrictedNote}, []string{"Anna", maidenName}
	case "researcher":
		return []string{"Anna", maidenName, `"1984-03-17"`, "12 Alder Lane", `"issued"`, `"performer"`, `"note"`}, []string{`"1984"`}
	}
	return nil, []string{"Anna", maidenName}
}

func (f *fixtures) cases() []*benchCase {
	everybody := []string{"practitioner", "patient", "researcher"}
	return []*benchCase{
		{name: "read, 3 KB", people: everybody, goal: 0.12, share: 1, step: readPatient},
		{name: "search, 100 rows, 300 KB", people: everybody, goal: 0.004, share: 1, step: search},
		{name: "update, 3 KB", people: []string{"practitioner"}, share: 0.25, prepare: f.beforeUpdate, step: f.updateObservation},
		{name: "update of a masked Patient, 3 KB", people: []string{"practitioner"}, share: 0.25, shared: true, prepare: f.alone, step: f.updatePatient},
	}
}

func readPatient(ctx context.Context, w *worker) error {
	status, err := w.do(ctx, http.MethodGet, "Patient/anna-berg", nil)
	if err != nil {
		return err
	}
	return w.check(status, w.person != "")
}

// check holds an answer to be right: fast and wrong doesn't count.
func (w *worker) check(status int, masks bool) error {
	if status != http.StatusOK {
		return fmt.Errorf("%w: status %d: %.300s", errAnswer, status, w.body.Bytes())
	}
	if w.body.Len() < 400 || w.body.Bytes()[w.body.Len()-1] != '}' {
		return fmt.Errorf("%w: %d bytes", errAnswer, w.body.Len())
	}
	if !masks {
		return nil
	}
	absent, present := hidden(w.person)
	for _, text := range absent {
		if bytes.Contains(w.body.Bytes(), []byte(text)) {
			return fmt.Errorf("%w: %s sees %s", errAnswer, w.person, text)
		}
	}
	for _, text := range present {
		if !bytes.Contains(w.body.Bytes(), []byte(text)) {
			return fmt.Errorf("%w: %s doesn't see %s", errAnswer, w.person, text)
		}
	}
	return nil
}

const searchPath = "Observation?code=http://loinc.org|" + panelCode + "&_count=100"

func search(ctx context.Context, w *worker) error {
	status, err := w.do(ctx, http.MethodGet, searchPath, nil)
	if err != nil {
		return err
	}
	if err := w.check(status, false); err != nil {
		return err
	}
	if rows := bytes.Count(w.body.Bytes(), []byte(`"mode":"match"`)); rows != rowsSeen(w.person) {
		return fmt.Errorf("%w: %d rows for %q, want %d", errAnswer, rows, w.person, rowsSeen(w.person))
	}
	absent, _ := hidden(w.person)
	for _, text := range absent {
		if bytes.Contains(w.body.Bytes(), []byte(text)) {
			return fmt.Errorf("%w: %s sees %s", errAnswer, w.person, text)
		}
	}
	return nil
}

// own is a worker's own Observation, so that no two workers meet.
func (w *worker) own() int {
	i := 0
	for n := 0; ; i++ {
		if subjectOf(i) != "anna-berg" || isRestricted(i) {
			continue
		}
		if n == w.n {
			return i
		}
		n++
	}
}

// beforeUpdate learns the version that is stored.
func (*fixtures) beforeUpdate(ctx context.Context, w *worker) error {
	return w.version(ctx, "Observation/"+observationID(w.own()))
}

func (w *worker) version(ctx context.Context, path string) error {
	status, err := w.do(ctx, http.MethodGet, path, nil)
	if err == nil && (status != http.StatusOK || w.etag == "") {
		err = fmt.Errorf("%w: status %d, version %q", errAnswer, status, w.etag)
	}
	return err
}

func (f *fixtures) updateObservation(ctx context.Context, w *worker) error {
	i := w.own()
	status, err := w.do(ctx, http.MethodPut, "Observation/"+observationID(i), f.observations[i])
	if err != nil {
		return err
	}
	return w.check(status, false)
}

// alone prepares an update that all workers make to one resource.
func (*fixtures) alone(_ context.Context, w *worker) error {
	w.etag = `W/"1"`
	return nil
}

// updatePatient sends what the practitioner has read: the gateway puts what is
// masked back in. The bare proxy passes the whole resource on.
func (f *fixtures) updatePatient(ctx context.Context, w *worker) error {
	body := f.patient
	if w.person != "" {
		body = f.masked
	}
	status, err := w.do(ctx, http.MethodPut, "Patient/anna-berg", body)
	if err != nil {
		return err
	}
	return w.check(status, w.person != "")
}

// maskedPatient is the Patient as the practitioner sees it through the gateway.
func (b *bed) maskedPatient(ctx context.Context, base string) ([]byte, error) {
	client := newClient(1)
	defer client.CloseIdleConnections()
	w := worker{target: target{person: "practitioner", base: base, token: b.tokens["practitioner"]}, clock: b.clock, http: client}
	if err := readPatient(ctx, &w); err != nil {
		return nil, err
	}
	return bytes.Clone(w.body.Bytes()), nil
}
