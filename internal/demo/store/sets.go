package store

import (
	"math/bits"
	"slices"
)

// A set of resources of one type is a sorted list of ordinals without repeats. Lists that come from an index are shared:
// nothing here changes its arguments.

// intersect returns what is in both.
func intersect(a, b []uint32) []uint32 {
	if len(a) > len(b) {
		a, b = b, a
	}
	out := make([]uint32, 0, len(a))
	if len(b) > 16*len(a) {
		for _, x := range a {
			i, found := slices.BinarySearch(b, x)
			if found {
				out = append(out, x)
			}
			b = b[i:]
		}
		return out
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			out = append(out, a[i])
			i++
			j++
		}
	}
	return out
}

// union returns what is in any.
func union(lists ...[]uint32) []uint32 {
	lists = slices.DeleteFunc(lists, func(l []uint32) bool { return len(l) == 0 })
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return lists[0]
	}
	total, last := 0, uint32(0)
	for _, l := range lists {
		total += len(l)
		last = max(last, l[len(l)-1])
	}
	if total > int(last)/64 {
		b := newBitmap(last + 1)
		for _, l := range lists {
			b.add(l)
		}
		return b.list(total)
	}
	out := slices.Concat(lists...)
	slices.Sort(out)
	return slices.Compact(out)
}

// without returns what is in a and not in b.
func without(a, b []uint32) []uint32 {
	out := make([]uint32, 0, len(a))
	j := 0
	for _, x := range a {
		for j < len(b) && b[j] < x {
			j++
		}
		if j == len(b) || b[j] != x {
			out = append(out, x)
		}
	}
	return out
}

// insert and remove change a list in place.
func insert(list []uint32, x uint32) []uint32 {
	if len(list) == 0 || list[len(list)-1] < x {
		return append(list, x)
	}
	if i, found := slices.BinarySearch(list, x); !found {
		return slices.Insert(list, i, x)
	}
	return list
}

func remove(list []uint32, x uint32) []uint32 {
	if i, found := slices.BinarySearch(list, x); found {
		return slices.Delete(list, i, i+1)
	}
	return list
}

type bitmap []uint64

func newBitmap(size uint32) bitmap { return make(bitmap, (int(size)+63)/64) }

func (b bitmap) add(list []uint32) {
	for _, x := range list {
		b[x/64] |= 1 << (x % 64)
	}
}

func (b bitmap) list(capacity int) []uint32 {
	out := make([]uint32, 0, capacity)
	for i, word := range b {
		for word != 0 {
			out = append(out, uint32(i*64+bits.TrailingZeros64(word)))
			word &= word - 1
		}
	}
	return out
}
