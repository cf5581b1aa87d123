// Package access is the domain of the gateway: who asks (Principal), for what
// (Request), and what policy said about it (Decision, Judgement). Its values
// are immutable after they are built and their zero values deny.
//
// It has no I/O, no clock and no goroutines, and imports neither Rego nor HTTP.
package access
