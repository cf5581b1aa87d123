// Package data is the synthetic clinical data of the demo, the tests and the benchmarks: twenty hand-made stories, the
// people who can sign in, and a generator of any number of patients. Everybody in it is fictional.
package data
