package mask

import "errors"

// Errors of Apply, Merge and CheckNew. None quotes content of a resource.
var (
	// ErrResource is a resource that isn't of the type the mask was compiled for, or
	// not one at all.
	ErrResource = errors.New("not a resource of the mask's type")
	// ErrKeys is an action that needs a key which the caller hasn't given.
	ErrKeys = errors.New("no key for the mask's action")
	// ErrHidden is a write that brings a value where the writer sees none, or only a
	// placeholder. It says nothing about what is stored.
	ErrHidden = errors.New("the write changes a masked element")
	// ErrAmbiguous is a write for which there is more than one way to put back what
	// its writer didn't see.
	ErrAmbiguous = errors.New("the write can't be joined with what is masked")
	// ErrPlaceholder is a new resource that has in it what a mask shows in place of
	// a value.
	ErrPlaceholder = errors.New("a placeholder of a mask can't be stored")
)
