package data

import "math/bits"

// random is SplitMix64 (Steele, Lea, Flood 2014), written here so that a seed gives the same bytes with every release of Go.
type random uint64

// newRandom returns an independent stream for each (seed, stream).
func newRandom(seed, stream uint64) random {
	r := random(seed)
	r = random(r.next() ^ stream*0xd1342543de82ef95)
	r.next()
	return r
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n).
func (r *random) below(n int) int {
	high, _ := bits.Mul64(r.next(), uint64(n))
	return int(high)
}

// between returns a number in [low, high].
func (r *random) between(low, high int) int { return low + r.below(high-low+1) }

// perMille is true in n of 1000 cases.
func (r *random) perMille(n int) bool { return r.below(1000) < n }

// around returns center give or take spread, the middle more often than the ends.
func (r *random) around(center, spread int) int {
	return center - spread + r.between(0, spread) + r.between(0, spread)
}

func pick[T any](r *random, list []T) T { return list[r.below(len(list))] }
