package mask

import "slices"

// PseudonymizesID says whether the restrictions or any grant put pseudonyms in
// the place of the ids of the mask's own type.
func (m *Mask) PseudonymizesID() bool {
	return slices.ContainsFunc(m.lists, func(l list) bool {
		return slices.Contains(l.ids, m.resourceType) || slices.Contains(l.ids, anyType)
	})
}
