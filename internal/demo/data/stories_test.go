package data

import "testing"

func TestStoriesAreR4(t *testing.T) {
	s := readSet(t, Stories(), nil)
	t.Log(s.resources, s.bytes, s.kinds)
}
