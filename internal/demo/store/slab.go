package store

const slabSize = 1 << 20 // bytes

// slab hands out bytes cut from large blocks, so that a million resources are a thousand objects to the garbage
// collector. What is cut is never given back: every version is kept.
type slab struct{ free []byte }

// keep copies b into the slab.
func (s *slab) keep(b []byte) []byte {
	if len(b) > slabSize/4 {
		return append([]byte(nil), b...)
	}
	if len(s.free) < len(b) {
		s.free = make([]byte, slabSize)
	}
	out := s.free[:len(b):len(b)]
	s.free = s.free[len(b):]
	copy(out, b)
	return out
}
